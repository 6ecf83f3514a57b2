// Package bench compares the stores on a Redis server with three alternatives: rueidis, which the
// stores use, go-redis, and redis-benchmark, which is written in C.
//
// All contenders send the same commands to the same server, one contender at a time. All calls in Go
// have the same timeout. The stores are measured twice: with contexts that have this timeout, which the
// other clients need, and with contexts without a deadline, for which the stores apply their own timeout.
package bench

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/adaptor/redis/internal/script"
	"github.com/zelt-go/kv/internal/redistest"
)

var (
	rounds          = flag.Int("rounds", 0, "the number of rounds to measure; 0 means one short round without a verdict")
	workloadPattern = flag.String("works", "", "a regular expression; only matching workloads are measured; empty means all")
	span            = flag.Duration("span", 500*time.Millisecond, "the duration of each measurement")
)

const (
	keys    = 1000
	ttl     = time.Hour
	timeout = 2 * time.Second // of a call; the default of the stores
)

var (
	text       = `{"id":"42","name":"Ada Lovelace","mail":"ada@example.org","n":36}`
	raw        = json.RawMessage(text)
	background = context.Background()
	ms         = strconv.FormatInt(ttl.Milliseconds(), 10)
)

// A workload is one operation, as each contender performs it.
type workload struct {
	name    string
	command []string // for redis-benchmark
	ours    func(ctx context.Context, s *adaptor.AtomicKVStore, key string) error
	rueidis func(ctx context.Context, c rueidis.Client, key string) error
	goredis func(ctx context.Context, c *goredis.Client, key string) error
}

var workloads = []workload{
	{
		"GET", []string{"GET", "bench:key"},
		func(ctx context.Context, s *adaptor.AtomicKVStore, key string) error {
			_, _, err := s.GetRaw(ctx, key)
			return err
		},
		func(ctx context.Context, c rueidis.Client, key string) error {
			_, err := c.Do(ctx, c.B().Get().Key(key).Build()).AsBytes()
			return err
		},
		func(ctx context.Context, c *goredis.Client, key string) error { return c.Get(ctx, key).Err() },
	},
	{
		"SET", []string{"SET", "bench:key", text},
		func(ctx context.Context, s *adaptor.AtomicKVStore, key string) error {
			return s.Set(ctx, key, raw)
		},
		func(ctx context.Context, c rueidis.Client, key string) error {
			return c.Do(ctx, c.B().Set().Key(key).Value(text).Build()).Error()
		},
		func(ctx context.Context, c *goredis.Client, key string) error { return c.Set(ctx, key, text, 0).Err() },
	},
	{
		"Incr", []string{"INCRBY", "bench:n:key", "1"},
		func(ctx context.Context, s *adaptor.AtomicKVStore, key string) error {
			_, err := s.Incr(ctx, "n:"+key, 1)
			return err
		},
		func(ctx context.Context, c rueidis.Client, key string) error {
			_, err := c.Do(ctx, c.B().Incrby().Key("n:"+key).Increment(1).Build()).AsInt64()
			return err
		},
		func(ctx context.Context, c *goredis.Client, key string) error {
			return c.IncrBy(ctx, "n:"+key, 1).Err()
		},
	},
	{
		"Incr with TTL", []string{"EVALSHA", script.Count.SHA, "1", "bench:n:key", "1", ms},
		func(ctx context.Context, s *adaptor.AtomicKVStore, key string) error {
			_, err := s.Incr(ctx, "n:"+key, 1, adaptor.WithTTL(ttl))
			return err
		},
		func(ctx context.Context, c rueidis.Client, key string) error {
			_, err := c.Do(ctx, c.B().Evalsha().Sha1(script.Count.SHA).Numkeys(1).Key("n:"+key).Arg("1", ms).Build()).AsInt64()
			return err
		},
		func(ctx context.Context, c *goredis.Client, key string) error {
			return c.EvalSha(ctx, script.Count.SHA, []string{"n:" + key}, "1", ms).Err()
		},
	},
	{
		"IncrTTL", []string{"EVALSHA", script.Incr.SHA, "1", "bench:n:key", "1", ms},
		func(ctx context.Context, s *adaptor.AtomicKVStore, key string) error {
			_, _, err := s.IncrTTL(ctx, "n:"+key, 1, adaptor.WithTTL(ttl))
			return err
		},
		func(ctx context.Context, c rueidis.Client, key string) error {
			answer, err := c.Do(ctx, c.B().Evalsha().Sha1(script.Incr.SHA).Numkeys(1).Key("n:"+key).Arg("1", ms).Build()).ToArray()
			if err == nil {
				_, err = answer[0].AsInt64()
			}
			return err
		},
		func(ctx context.Context, c *goredis.Client, key string) error {
			return c.EvalSha(ctx, script.Incr.SHA, []string{"n:" + key}, "1", ms).Err()
		},
	},
}

// The bars are the smallest permitted ratios of the throughput of the stores to another contender's.
const (
	atLeastRueidis = 0.9

	// This bar applies from 16 goroutines, and only to contexts without a deadline. redis-benchmark has no
	// timeout, so the cost of a caller's context is not part of the comparison.
	atLeastBenchmark = 1.0
)

func TestThroughput(t *testing.T) {
	server := redistest.Start(t)
	kv, err := redis.New(redis.Config{URL: server.URL()})
	require.NoError(t, err)
	require.NoError(t, kv.Start(background))
	t.Cleanup(func() { _ = kv.Stop(background) })
	store, err := kv.Namespace("bench")
	require.NoError(t, err)
	rueidisClient, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{server.Addr}, ForceSingleClient: true, DisableRetry: true, DisableCache: true,
		ReadBufferEachConn: 64 << 10, WriteBufferEachConn: 64 << 10,
		// Without this option, rueidis saves two goroutines until two calls are in flight together. But it
		// then closes the connection when a call is late, and it ignores the cancellation of a call.
		AlwaysPipelining: true,
	})
	require.NoError(t, err)
	t.Cleanup(rueidisClient.Close)
	goredisClient := goredis.NewClient(&goredis.Options{Addr: server.Addr, MaxRetries: -1, PoolSize: 128})
	t.Cleanup(func() { _ = goredisClient.Close() })

	for i := range keys {
		require.NoError(t, store.Set(background, key(i), raw))
		server.Do("SET", key(i), text)
	}
	n := max(*rounds, 1)
	if *rounds == 0 {
		*span = 20 * time.Millisecond
	}
	fmt.Printf("%s, %d processors, redis-server %s, median of %d rounds, thousands of operations per second\n\n", runtime.Version(), runtime.GOMAXPROCS(0), version(server), n)
	fmt.Println("| workload | goroutines | timeout | ours | rueidis | go-redis | redis-benchmark -P 1 | ours / rueidis (min–max) | ours / go-redis | ours / redis-benchmark (min–max) |  |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|")
	for _, w := range workloads {
		if !regexp.MustCompile(*workloadPattern).MatchString(w.name) {
			continue
		}
		for _, goroutines := range []int{1, 16, 128} {
			withTimeout := func(do func(ctx context.Context, key string) error) func() float64 {
				return func() float64 {
					return rate(t, goroutines, func(key string) error {
						ctx, cancel := context.WithTimeout(background, timeout)
						defer cancel()
						return do(ctx, key)
					})
				}
			}
			measurements := []func() float64{
				withTimeout(func(ctx context.Context, key string) error { return w.ours(ctx, store, key) }),
				func() float64 {
					return rate(t, goroutines, func(key string) error { return w.ours(background, store, key) })
				},
				withTimeout(func(ctx context.Context, key string) error { return w.rueidis(ctx, rueidisClient, key) }),
				withTimeout(func(ctx context.Context, key string) error { return w.goredis(ctx, goredisClient, key) }),
				func() float64 { return redisBenchmark(t, server, goroutines, w.command) },
			}
			rates := make([][]float64, len(measurements))
			for round := range n {
				for i := range measurements {
					i = (i + round) % len(measurements)
					rates[i] = append(rates[i], measurements[i]())
				}
			}
			for i, timeoutOwner := range []string{"the caller's", "the store's"} {
				ours, comparable := rates[i], i == 1 && goroutines >= 16
				toRueidis, toGoRedis, toBenchmark := ratios(ours, rates[2]), ratios(ours, rates[3]), ratios(ours, rates[4])
				verdict := "pass"
				if median(toRueidis) < atLeastRueidis || comparable && median(toBenchmark) < atLeastBenchmark {
					verdict = "**FAIL**"
				}
				fmt.Printf("| %s | %d | %s | %.1f | %.1f | %.1f | %.1f | %s | %.2f× | %s | %s |\n", w.name, goroutines, timeoutOwner,
					median(ours)/1000, median(rates[2])/1000, median(rates[3])/1000, median(rates[4])/1000,
					spread(toRueidis), median(toGoRedis), spread(toBenchmark), verdict)
				if *rounds > 0 && verdict != "pass" {
					t.Errorf("%s at %d goroutines with %s timeout misses its bar", w.name, goroutines, timeoutOwner)
				}
			}
		}
	}
}

func key(i int) string { return fmt.Sprintf("key:%012d", i) }

// rate returns the number of operations per second of all goroutines together.
func rate(t *testing.T, goroutines int, do func(key string) error) float64 {
	span := *span
	if goroutines == 1 { // with one goroutine, the idle states of the processors add noise
		span *= 2
	}
	names := make([]string, keys)
	for i := range names {
		names[i] = key(i)
	}
	var count atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for g := range goroutines {
		wg.Go(func() {
			n := int64(0)
			for i := g * 7; ; i++ {
				if err := do(names[i%keys]); err != nil {
					t.Error(err)
					break
				}
				if n++; n%8 == 0 && time.Since(begin) > span {
					break
				}
			}
			count.Add(n)
		})
	}
	wg.Wait()
	return float64(count.Load()) / time.Since(begin).Seconds()
}

var perSecond = regexp.MustCompile(`([\d.]+) requests per second`)

// redisBenchmark returns the operations per second that redis-benchmark reports for the same command,
// without pipelining.
func redisBenchmark(t *testing.T, s *redistest.Server, clients int, command []string) float64 {
	_, port, _ := strings.Cut(s.Addr, ":")
	n := int(span.Seconds() * 100_000)
	if clients == 1 {
		n /= 4
	}
	args := append([]string{"-p", port, "-c", strconv.Itoa(clients), "-n", strconv.Itoa(max(n, 100)), "-P", "1", "-q"}, command...)
	out, err := exec.Command("redis-benchmark", args...).CombinedOutput()
	require.NoError(t, err, string(out))
	all := perSecond.FindAllSubmatch(out, -1)
	require.NotEmpty(t, all, string(out))
	r, err := strconv.ParseFloat(string(all[len(all)-1][1]), 64)
	require.NoError(t, err)
	return r
}

func version(s *redistest.Server) string {
	return regexp.MustCompile(`redis_version:(\S+)`).FindStringSubmatch(s.Do("INFO", "server"))[1]
}

func ratios(a, b []float64) []float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return r
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func spread(v []float64) string {
	return fmt.Sprintf("%.2f× (%.2f–%.2f)", median(v), slices.Min(v), slices.Max(v))
}
