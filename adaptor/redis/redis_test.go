package redis_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/adaptortest"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/model"
	"github.com/zelt-go/kv/internal/redistest"
)

var ctx = context.Background()

func TestMain(m *testing.M) {
	flag.Parse()
	_ = os.Unsetenv("REDIS_URL")
	goleak.VerifyTestMain(leakWaiter{m})
}

// leakWaiter runs the tests and waits until the last goroutines of rueidis have ended. After Close of a
// Cluster client, some goroutines sleep for up to five seconds.
type leakWaiter struct{ goleak.TestingM }

func (w leakWaiter) Run() (code int) {
	code = w.TestingM.Run()
	for begin := time.Now(); goleak.Find() != nil && time.Since(begin) < 10*time.Second; {
		time.Sleep(100 * time.Millisecond)
	}
	return code
}

// start returns a started RedisKV and stops it at the end of the test.
func start(t testing.TB, config redis.Config) *redis.RedisKV {
	t.Helper()
	kv, err := redis.New(config)
	require.NoError(t, err)
	require.NoError(t, kv.Start(ctx))
	t.Cleanup(func() { require.NoError(t, kv.Stop(ctx)) })
	return kv
}

func open(t testing.TB, kv adaptor.AtomicKVAdaptor, name string) *adaptor.AtomicKVStore {
	t.Helper()
	s, err := kv.Namespace(name)
	require.NoError(t, err)
	return s
}

// onEach runs a test on Redis, and on Valkey where it is installed.
func onEach(t *testing.T, test func(t *testing.T, s *redistest.Server)) {
	t.Run("redis", func(t *testing.T) { test(t, redistest.Start(t)) })
	t.Run("valkey", func(t *testing.T) {
		if redistest.Find(redistest.Valkey) == "" {
			t.Skip("valkey-server is not installed")
		}
		test(t, redistest.StartProgram(t, redistest.Valkey))
	})
}

func harness(s *redistest.Server) adaptortest.Harness[adaptor.AtomicKVAdaptor] {
	return adaptortest.Harness[adaptor.AtomicKVAdaptor]{
		New: func(t testing.TB) adaptor.AtomicKVAdaptor {
			s.Do("FLUSHALL")
			return start(t, redis.Config{URL: s.URL()})
		},
		Advance: func(_ testing.TB, d time.Duration) { time.Sleep(d) },
		Margin:  20 * time.Millisecond,
	}
}

func TestConformance(t *testing.T) {
	onEach(t, func(t *testing.T, s *redistest.Server) {
		adaptortest.TestAtomicAdaptor(t, harness(s))
	})
	t.Run("intercept", func(t *testing.T) {
		h := harness(redistest.Start(t))
		open := h.New
		h.New = func(t testing.TB) adaptor.AtomicKVAdaptor {
			return trace(open(t), func(string, ...any) {})
		}
		adaptortest.TestAtomicAdaptor(t, h)
	})
}

// trace is the tracing wrapper of ExampleIntercept in package adaptor, with a function for the spans.
func trace(kv adaptor.AtomicKVAdaptor, end func(span string, attributes ...any)) adaptor.AtomicKVAdaptor {
	return adaptor.Intercept(kv, func(ctx context.Context, call *driver.Call) error {
		err := call.Next(ctx)
		end("kv."+call.Method, "namespace", call.Namespace(), "found", call.Found, "error", adaptor.CodeOfDriver(err))
		return err
	})
}

var (
	histories   = flag.Int("histories", 10, "the number of histories that TestHistories checks")
	historySeed = flag.Uint64("history.seed", 0, "the seed of the first history; 0 means a new seed each time")
)

// slack is the tolerance for the server's clock, which has a resolution of one millisecond.
const slack = 2 * time.Millisecond

// Histories of concurrent operations are linearizable. MemoryKV passes the same test.
func TestHistories(t *testing.T) {
	seed := *historySeed
	if seed == 0 {
		seed = rand.Uint64() | 1
	}
	onEach(t, func(t *testing.T, s *redistest.Server) {
		kv := start(t, redis.Config{URL: s.URL()})
		for i := range uint64(*histories) {
			store := open(t, kv, fmt.Sprint("history-", i))
			history, failed, _ := model.Load{Goroutines: 8, Operations: 120, TTLs: model.Mixed, Seed: seed + i, Slack: slack, Rests: (seed+i)%2 == 0}.Record(store)
			require.Zero(t, failed)
			require.Equal(t, porcupine.Ok, model.Linearizable(history, time.Minute),
				"not linearizable, or undecided: repeat with -history.seed=%d -histories=1", seed+i)
		}
	})
}

// The server stores keys and values in the documented, readable form.
func TestPhysicalKeys(t *testing.T) {
	s := redistest.Start(t)
	kv := start(t, redis.Config{URL: s.URL()})
	sessions := open(t, kv, "sessions")
	admin, err := sessions.Namespace("a/b")
	require.NoError(t, err)
	require.NoError(t, admin.Set(ctx, "user:42", map[string]int{"n": 1}))
	assert.Equal(t, `{"n":1}`, s.Do("GET", "sessions/a%2Fb:user:42"))
	_, err = sessions.Incr(ctx, "visits", 5)
	require.NoError(t, err)
	assert.Equal(t, "5", s.Do("GET", "sessions:visits"))
}

// Each operation is one command, except the first use of a script after SCRIPT FLUSH.
func TestOperationsTakeOneRoundTrip(t *testing.T) {
	s := redistest.Start(t)
	store := open(t, start(t, redis.Config{URL: s.URL()}), "ns")
	operations := map[string]func() error{
		"GetRaw":           func() error { _, _, err := store.GetRaw(ctx, "k"); return err },
		"Has":              func() error { _, err := store.Has(ctx, "k"); return err },
		"TTL":              func() error { _, _, err := store.TTL(ctx, "k"); return err },
		"Set":              func() error { return store.Set(ctx, "k", 1, adaptor.WithTTL(time.Hour)) },
		"Del":              func() error { return store.Del(ctx, "other") },
		"Expire":           func() error { _, err := store.Expire(ctx, "k", time.Hour); return err },
		"Incr":             func() error { _, err := store.Incr(ctx, "n", 1); return err },
		"Incr with TTL":    func() error { _, err := store.Incr(ctx, "n", 1, adaptor.WithTTL(time.Hour)); return err },
		"IncrTTL":          func() error { _, _, err := store.IncrTTL(ctx, "n", 1); return err },
		"SetNX":            func() error { _, err := store.SetNX(ctx, "k", 1); return err },
		"CompareAndSwap":   func() error { _, err := store.CompareAndSwap(ctx, "k", 1, 1); return err },
		"CompareAndDelete": func() error { _, err := store.CompareAndDelete(ctx, "k", 2); return err },
		"GetDel":           func() error { _, _, err := store.GetDel(ctx, "other"); return err },
		"Swap":             func() error { _, _, err := store.Swap(ctx, "k", 1, adaptor.WithTTL(time.Hour)); return err },
		"GetExpire":        func() error { _, _, err := store.GetExpire(ctx, "k", time.Hour); return err },
		"Persist":          func() error { return errOf(store.Persist(ctx, "k")) },
	}
	commandStats := func() string { return s.Do("INFO", "commandstats") }
	for name, operation := range operations {
		s.Do("CONFIG", "RESETSTAT")
		require.NoError(t, operation(), name)
		assert.NotContains(t, commandStats(), "cmdstat_eval:", name)
	}
	s.Do("SCRIPT", "FLUSH")
	for _, name := range []string{"Incr with TTL", "IncrTTL", "CompareAndSwap", "CompareAndDelete", "GetExpire", "Persist"} {
		s.Do("CONFIG", "RESETSTAT")
		require.NoError(t, operations[name](), name)
		assert.Contains(t, commandStats(), "cmdstat_eval:calls=1,", name)
		require.NoError(t, operations[name](), name)
		assert.Contains(t, commandStats(), "cmdstat_eval:calls=1,", name)
	}
}

// A key that another program wrote with another type is an ErrInvalidValue and remains unchanged.
func TestForeignDataIsInvalidValue(t *testing.T) {
	s := redistest.Start(t)
	store := open(t, start(t, redis.Config{URL: s.URL()}), "ns")
	s.Do("LPUSH", "ns:list", "secret")
	_, _, getErr := store.GetRaw(ctx, "list")
	_, _, getDelErr := store.GetDel(ctx, "list")
	_, _, swapErr := store.Swap(ctx, "list", 1)
	_, _, getExpireErr := store.GetExpire(ctx, "list", time.Hour)
	_, _, incrTTLErr := store.IncrTTL(ctx, "list", 1)
	for name, err := range map[string]error{
		"GetRaw":           getErr,
		"GetDel":           getDelErr,
		"Swap":             swapErr,
		"GetExpire":        getExpireErr,
		"Incr":             errOf(store.Incr(ctx, "list", 1)),
		"Incr with TTL":    errOf(store.Incr(ctx, "list", 1, adaptor.WithTTL(time.Hour))),
		"IncrTTL":          incrTTLErr,
		"CompareAndSwap":   errOf(store.CompareAndSwap(ctx, "list", 1, 2)),
		"CompareAndDelete": errOf(store.CompareAndDelete(ctx, "list", 1)),
	} {
		assert.Equal(t, adaptor.CodeInvalidValue, adaptor.CodeOf(err), name)
		assert.False(t, adaptor.OutcomeUnknown(err), name)
		assert.ErrorContains(t, err, "a type other than string", name)
		assert.NotContains(t, err.Error(), "secret", name)
	}
	assert.Equal(t, "secret", s.Do("LRANGE", "ns:list", "0", "-1"))
	assert.Equal(t, "-1", s.Do("PTTL", "ns:list"))

	s.Do("SET", "ns:far", "1")
	s.Do("PEXPIREAT", "ns:far", "9000000000000000000")
	left, found, err := store.TTL(ctx, "far")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, time.Duration(1<<63-1), left)
	n, left, err := store.IncrTTL(ctx, "far", 1)
	require.NoError(t, err)
	assert.Equal(t, int64(2), n)
	assert.Equal(t, time.Duration(1<<63-1), left)
}
