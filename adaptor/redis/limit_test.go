package redis_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/limittest"
	"github.com/zelt-go/kv/internal/model"
	"github.com/zelt-go/kv/internal/redistest"
	"github.com/zelt-go/kv/kvmodule/limit"
)

func limitStore(t testing.TB, kv adaptor.AtomicKVAdaptor, path ...string) driver.AtomicStore {
	t.Helper()
	s, err := adaptor.Driver(kv).OpenAtomic(path)
	require.NoError(t, err)
	require.Implements(t, (*driver.Limiter)(nil), s)
	return s
}

var limitHistories = flag.Int("limit.histories", 20, "how many histories TestLimitEqualsTheExactModel checks")

// A limitHistory decides at random, beside rational arithmetic, and requires equal results. A rate
// limiter's state on the server tells the time of a decision: its deadline less the time until the bursts are
// whole.
func limitHistory(t *testing.T, get, clock func() string, s driver.AtomicStore, seed, i uint64) {
	const scale = 50 * time.Millisecond
	r := rand.New(rand.NewPCG(seed, i))
	rates := model.RandomRates(r, scale)
	l, err := driver.NewLimits(rates)
	require.NoError(t, err)
	m := model.NewLimit(rates)
	key, last := fmt.Sprint("k", i), driver.Limited{}
	now := int64(0)
	for range 25 {
		time.Sleep(model.RandomPause(r, scale, last))
		c := model.RandomCall(r, l)
		before := serverTime(t, clock())
		got, err := driver.Limit(ctx, s, key, l, c)
		require.NoError(t, err)
		after := serverTime(t, clock())
		now = after
		if got.ResetIn > 0 {
			text := get()
			if text == "(nil)" {
				return // the machine was busy until the entry had expired
			}
			now = wholeAt(t, text) - got.ResetIn.Microseconds()
		}
		require.True(t, before <= now && now <= after, "decided at %d, between %d and %d", now, before, after)
		want := m.Decide(now*1000, c, time.Microsecond)
		require.Equal(t, want, got, "history %d, %+v, %+v", i, rates, c)
		left, _, err := s.TTL(ctx, key)
		require.NoError(t, err)
		require.LessOrEqual(t, left-want.ResetIn, 2*time.Millisecond) // PTTL rounds, and so does the deadline
		last = got
	}
}

// wholeAt returns the time at which all buckets are whole, in µs rounded up.
func wholeAt(t *testing.T, text string) int64 {
	require.True(t, json.Valid([]byte(text)), "%s", text)
	head, items, _ := strings.Cut(strings.Trim(text, `"`), ".")
	ms, err := strconv.ParseInt(strings.TrimPrefix(head, "rl@"), 10, 64)
	require.NoError(t, err, "%s", text)
	least := int64(math.MaxInt64)
	for item := range strings.SplitSeq(items, ".") {
		_, span, _ := strings.Cut(item, "+")
		digits, _, _ := strings.Cut(span, "/")
		ns, _ := strconv.ParseInt(digits, 10, 64)
		least = min(least, ns)
	}
	return ms*1000 - least/1000
}

func serverTime(t *testing.T, reply string) int64 {
	parts := strings.Fields(reply)
	require.Len(t, parts, 2)
	s, _ := strconv.ParseInt(parts[0], 10, 64)
	us, _ := strconv.ParseInt(parts[1], 10, 64)
	return s*1e6 + us
}

func TestLimitEqualsTheExactModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	onEach(t, func(t *testing.T, server *redistest.Server) {
		s := limitStore(t, start(t, redis.Config{URL: server.URL()}), "limit", "a/b")
		for i := range uint64(*limitHistories) {
			get := func() string { return server.Do("GET", fmt.Sprint("limit/a%2Fb:k", i)) }
			limitHistory(t, get, func() string { return server.Do("TIME") }, s, seed, i)
		}
	})
}

// bare hides every optional interface of a backend.
type bare struct{ driver.AtomicOpener }

func (b bare) OpenAtomic(path []string) (driver.AtomicStore, error) {
	s, err := b.AtomicOpener.OpenAtomic(path)
	return struct{ driver.AtomicStore }{s}, err
}

// The rules of kvmodule/limit on Redis, on a Cluster, and without the script.
func TestLimitRules(t *testing.T) {
	for name, begin := range map[string]func(t *testing.T) (url string, flush func()){
		"redis": func(t *testing.T) (string, func()) {
			s := redistest.Start(t)
			return s.URL(), func() { s.Do("FLUSHALL") }
		},
		"cluster": func(t *testing.T) (string, func()) {
			c := redistest.StartCluster(t)
			return c.URL(), c.FlushAll
		},
	} {
		url, flush := begin(t)
		t.Run(name, func(t *testing.T) {
			limittest.Test(t, limittest.Engine{Slack: time.Second, Step: 2 * time.Microsecond, New: func(t testing.TB) adaptor.AtomicKVAdaptor {
				flush()
				return start(t, redis.Config{URL: url, Timeout: 20 * time.Second})
			}})
		})
		if name == "redis" {
			t.Run("bare", func(t *testing.T) {
				limittest.Test(t, limittest.Engine{Slack: time.Second, Step: 3 * time.Millisecond, New: func(t testing.TB) adaptor.AtomicKVAdaptor {
					flush()
					return adaptor.NewAtomic(bare{adaptor.Driver(start(t, redis.Config{URL: url, Timeout: 20 * time.Second}))})
				}})
			})
		}
	}
}

func TestLimitOnAClusterEqualsTheExactModel(t *testing.T) {
	c := redistest.StartCluster(t)
	s := limitStore(t, start(t, redis.Config{URL: c.URL()}), "limit", "a")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for i := range uint64(*limitHistories) {
		key := fmt.Sprint("limit/a:k", i)
		server := c.Primary(key)
		limitHistory(t, func() string { return server.Do("GET", key) }, func() string { return server.Do("TIME") }, s, seed, i)
	}
}

// Processes with and without the script share one state: none of them allows more than the rates.
func TestLimitMixesWithTheFallback(t *testing.T) {
	s := redistest.Start(t)
	kv := start(t, redis.Config{URL: s.URL()})
	native := limitStore(t, kv, "limit", "a")
	plain := struct{ driver.AtomicStore }{native}
	for i := range uint64(30) {
		r := rand.New(rand.NewPCG(7, i))
		rates := model.RandomRates(r, time.Second)
		l, err := driver.NewLimits(rates)
		require.NoError(t, err)
		key := fmt.Sprint("k", i)
		begin, taken := serverTime(t, s.Do("TIME")), int64(0)
		for range 20 {
			n := 1 + r.Int64N(l.MinBurst())
			store := []driver.AtomicStore{native, plain}[r.IntN(2)]
			got, err := driver.Limit(ctx, store, key, l, driver.LimitCall{Need: n, Take: n})
			require.NoError(t, err)
			taken += got.Taken
			passed := time.Duration(serverTime(t, s.Do("TIME"))-begin) * time.Microsecond
			for _, rate := range rates {
				regained := float64(passed) * float64(rate.Events) / float64(rate.Per)
				require.LessOrEqual(t, taken, rate.Burst+int64(regained)+1, "%d %+v", i, rates)
			}
		}
		assert.Positive(t, taken)
	}
}

// The script is loaded once, and again after SCRIPT FLUSH; a decision is one command.
func TestLimitIsOneCommand(t *testing.T) {
	s := redistest.Start(t)
	kv := start(t, redis.Config{URL: s.URL()})
	l, err := limit.New(kv, limit.Config{Name: "a", Rates: []limit.Rate{limit.PerHour(1000), limit.PerMinute(100)}, Timeout: 10 * time.Second})
	require.NoError(t, err)
	commands := func(f func()) (n int) {
		before := commandCalls(t, s)
		f()
		return commandCalls(t, s) - before
	}
	allow := func() {
		d, err := l.Allow(ctx, "k")
		require.NoError(t, err)
		require.True(t, d.Allowed)
	}
	assert.Equal(t, 1, commands(allow))
	assert.Equal(t, 1, commands(func() { _, _ = l.Peek(ctx, "k") }))
	assert.Equal(t, 1, commands(func() { _ = l.Refund(ctx, "k", 1) }))
	assert.Equal(t, 1, commands(func() { _ = l.Reset(ctx, "k") }))
	s.Do("SCRIPT", "FLUSH")
	assert.Equal(t, 2, commands(allow))
	assert.Equal(t, 1, commands(allow))
}

// commandCalls returns how many EVAL and EVALSHA commands the server has run.
func commandCalls(t testing.TB, s *redistest.Server) (n int) {
	t.Helper()
	for line := range strings.Lines(s.Do("INFO", "commandstats")) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), ":calls=")
		if name == "cmdstat_eval" || name == "cmdstat_evalsha" {
			digits, _, _ := strings.Cut(rest, ",")
			calls, err := strconv.Atoi(digits)
			require.NoError(t, err)
			n += calls
		}
	}
	return n
}
