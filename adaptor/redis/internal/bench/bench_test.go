// Package bench measures the stores on a Redis server beside what else one could use: the
// client below them, go-redis, and redis-benchmark, which is written in C. All send the same
// commands to the same server, in turn, and the calls in Go have the same limit of time. The stores are
// measured twice: with contexts that the callers give that limit, as they have to with the others,
// and with contexts without an end, where it is the stores' own.
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
	rounds = flag.Int("rounds", 0, "how many rounds to measure; 0: one short one that compares nothing")
	only   = flag.String("works", "", "measure the works that this pattern matches; empty: all")
	span   = flag.Duration("span", 500*time.Millisecond, "how long to measure each")
)

const (
	keys    = 1000
	ttl     = time.Hour
	timeout = 2 * time.Second // of a call, which the stores have by default
)

var (
	text       = `{"id":"42","name":"Ada Lovelace","mail":"ada@example.org","n":36}`
	raw        = json.RawMessage(text)
	background = context.Background()
	ms         = strconv.FormatInt(ttl.Milliseconds(), 10)
)

// A work is one command, done by each contender.
type work struct {
	name    string
	command []string // for redis-benchmark
	ours    func(ctx context.Context, s *adaptor.AtomicKVStore, key string) error
	rueidis func(ctx context.Context, c rueidis.Client, key string) error
	goredis func(ctx context.Context, c *goredis.Client, key string) error
}

var works = []work{
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

// The bars: how ours compares, at least.
const (
	atLeastRueidis = 0.9

	// From 16 goroutines. redis-benchmark has no limit of time, so what a context of Go costs its caller is
	// no part of the comparison.
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
	bare, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{server.Addr}, ForceSingleClient: true, DisableRetry: true, DisableCache: true,
		ReadBufferEachConn: 64 << 10, WriteBufferEachConn: 64 << 10,
		// Without it, the client spares two goroutines as long as no two calls ever met, but closes the
		// connection when one is late, and does not look whether a call was canceled.
		AlwaysPipelining: true,
	})
	require.NoError(t, err)
	t.Cleanup(bare.Close)
	other := goredis.NewClient(&goredis.Options{Addr: server.Addr, MaxRetries: -1, PoolSize: 128})
	t.Cleanup(func() { _ = other.Close() })

	for i := range keys {
		require.NoError(t, store.Set(background, key(i), raw))
		server.Do("SET", key(i), text)
	}
	n := max(*rounds, 1)
	if *rounds == 0 {
		*span = 20 * time.Millisecond
	}
	fmt.Printf("%s, %d processors, redis-server %s, median of %d rounds, thousands of operations a second\n\n", runtime.Version(), runtime.GOMAXPROCS(0), version(server), n)
	fmt.Println("| work | goroutines | limit | ours | rueidis | go-redis | redis-benchmark -P 1 | ours / rueidis (min–max) | ours / go-redis | ours / redis-benchmark (min–max) |  |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|")
	for _, w := range works {
		if !regexp.MustCompile(*only).MatchString(w.name) {
			continue
		}
		for _, goroutines := range []int{1, 16, 128} {
			limited := func(do func(ctx context.Context, key string) error) func() float64 {
				return func() float64 {
					return rate(t, goroutines, func(key string) error {
						ctx, cancel := context.WithTimeout(background, timeout)
						defer cancel()
						return do(ctx, key)
					})
				}
			}
			measure := []func() float64{
				limited(func(ctx context.Context, key string) error { return w.ours(ctx, store, key) }),
				func() float64 {
					return rate(t, goroutines, func(key string) error { return w.ours(background, store, key) })
				},
				limited(func(ctx context.Context, key string) error { return w.rueidis(ctx, bare, key) }),
				limited(func(ctx context.Context, key string) error { return w.goredis(ctx, other, key) }),
				func() float64 { return benchmark(t, server, goroutines, w.command) },
			}
			rates := make([][]float64, len(measure))
			for round := range n {
				for i := range measure {
					i = (i + round) % len(measure)
					rates[i] = append(rates[i], measure[i]())
				}
			}
			for i, limit := range []string{"the caller's", "the store's"} {
				ours, likeBenchmark := rates[i], i == 1 && goroutines >= 16
				toRueidis, toGoRedis, toBenchmark := ratios(ours, rates[2]), ratios(ours, rates[3]), ratios(ours, rates[4])
				verdict := "pass"
				if median(toRueidis) < atLeastRueidis || likeBenchmark && median(toBenchmark) < atLeastBenchmark {
					verdict = "**FAIL**"
				}
				fmt.Printf("| %s | %d | %s | %.1f | %.1f | %.1f | %.1f | %s | %.2f× | %s | %s |\n", w.name, goroutines, limit,
					median(ours)/1000, median(rates[2])/1000, median(rates[3])/1000, median(rates[4])/1000,
					spread(toRueidis), median(toGoRedis), spread(toBenchmark), verdict)
				if *rounds > 0 && verdict != "pass" {
					t.Errorf("%s at %d goroutines with %s limit misses its bar", w.name, goroutines, limit)
				}
			}
		}
	}
}

func key(i int) string { return fmt.Sprintf("key:%012d", i) }

// rate is how many operations a second the goroutines do.
func rate(t *testing.T, goroutines int, do func(key string) error) float64 {
	span := *span
	if goroutines == 1 { // where the processors' sleep makes most of the noise
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

// benchmark is what redis-benchmark says of the same command, without pipelining.
func benchmark(t *testing.T, s *redistest.Server, clients int, command []string) float64 {
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
