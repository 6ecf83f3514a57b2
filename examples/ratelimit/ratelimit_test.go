package ratelimit_test

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/examples/internal/wrap"
	"github.com/zelt-go/kv/examples/ratelimit"
	"github.com/zelt-go/kv/internal/redistest"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

func newLimiter(t *testing.T) *ratelimit.RateLimiter {
	t.Helper()
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	limiter, err := ratelimit.NewRateLimiter(kv)
	require.NoError(t, err)
	return limiter
}

func requireDecision(t *testing.T, limiter *ratelimit.RateLimiter, client string, limit int64, want ratelimit.Decision) {
	t.Helper()
	got, err := limiter.CheckLimit(t.Context(), client, limit)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := newLimiter(t)
		requireDecision(t, limiter, "a", 2, ratelimit.Decision{Allowed: true, Remaining: 1, ResetIn: time.Minute})
		time.Sleep(20 * time.Second)
		requireDecision(t, limiter, "a", 2, ratelimit.Decision{Allowed: true, Remaining: 0, ResetIn: 40 * time.Second})
		requireDecision(t, limiter, "a", 2, ratelimit.Decision{ResetIn: 40 * time.Second})
		requireDecision(t, limiter, "b", 2, ratelimit.Decision{Allowed: true, Remaining: 1, ResetIn: time.Minute})

		time.Sleep(40*time.Second - 1)
		requireDecision(t, limiter, "a", 2, ratelimit.Decision{ResetIn: time.Millisecond})
		time.Sleep(time.Nanosecond)
		requireDecision(t, limiter, "a", 2, ratelimit.Decision{Allowed: true, Remaining: 1, ResetIn: time.Minute})
	})
}

func TestWithWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := newLimiter(t)
		short := limiter.WithWindow(time.Second)
		requireDecision(t, short, "a", 1, ratelimit.Decision{Allowed: true, ResetIn: time.Second})
		requireDecision(t, limiter, "a", 1, ratelimit.Decision{ResetIn: time.Second})
		time.Sleep(time.Second)
		requireDecision(t, limiter, "a", 1, ratelimit.Decision{Allowed: true, ResetIn: time.Minute})
		requireDecision(t, short, "a", 1, ratelimit.Decision{ResetIn: time.Minute})
		_, err := limiter.WithWindow(0).CheckLimit(t.Context(), "b", 1)
		require.ErrorIs(t, err, adaptor.ErrInvalidTTL)
	})
}

// A client that never pauses still gets its limit in each window.
func TestRefusedRequestsDoNotMoveTheEndOfTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := newLimiter(t)
		allowed := 0
		for range 3 * 60 {
			decision, err := limiter.CheckLimit(t.Context(), "a", 5)
			require.NoError(t, err)
			if decision.Allowed {
				allowed++
			}
			time.Sleep(time.Second)
		}
		require.Equal(t, 3*5, allowed)
	})
}

func TestConcurrentRequestsGetExactlyTheLimit(t *testing.T) {
	limiter := newLimiter(t)
	const limit = 20
	var (
		mu        sync.Mutex
		wg        sync.WaitGroup
		remaining = map[int64]int{}
		refused   int
	)
	for range 200 {
		wg.Go(func() {
			decision, err := limiter.CheckLimit(t.Context(), "a", limit)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || !decision.Allowed {
				refused++
				return
			}
			remaining[decision.Remaining]++
		})
	}
	wg.Wait()
	require.Equal(t, 180, refused)
	require.Len(t, remaining, limit, "no two allowed requests have the same remainder")
}

func TestSmallestAndLargestLimit(t *testing.T) {
	for _, limit := range []int64{0, -1, math.MinInt64} {
		decision, err := newLimiter(t).CheckLimit(t.Context(), "a", limit)
		require.NoError(t, err)
		require.False(t, decision.Allowed)
		require.Zero(t, decision.Remaining)
	}
	decision, err := newLimiter(t).CheckLimit(t.Context(), "a", math.MaxInt64)
	require.NoError(t, err)
	require.Equal(t, int64(math.MaxInt64-1), decision.Remaining)
}

// newLimiterOver returns a limiter, and the store that holds its counters.
func newLimiterOver(t *testing.T) (*ratelimit.RateLimiter, *adaptor.AtomicKVStore) {
	t.Helper()
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	limiter, err := ratelimit.NewRateLimiter(kv)
	require.NoError(t, err)
	store, err := kv.Namespace("ratelimit")
	require.NoError(t, err)
	return limiter, store
}

// Without the repair, the client would be refused forever.
func TestCounterWithoutDeadlineGetsAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter, store := newLimiterOver(t)
		require.NoError(t, store.Set(t.Context(), "req:a", 7))
		requireDecision(t, limiter, "a", 2, ratelimit.Decision{ResetIn: time.Minute})
		time.Sleep(59 * time.Second)
		requireDecision(t, limiter, "a", 2, ratelimit.Decision{ResetIn: time.Second})
		time.Sleep(time.Second)
		requireDecision(t, limiter, "a", 2, ratelimit.Decision{Allowed: true, Remaining: 1, ResetIn: time.Minute})
	})
}

func TestValueThatIsNoCounterIsReplaced(t *testing.T) {
	for _, value := range []any{"5", 5.5, map[string]int{"n": 5}, nil, []int{}} {
		synctest.Test(t, func(t *testing.T) {
			limiter, store := newLimiterOver(t)
			require.NoError(t, store.Set(t.Context(), "req:a", value))
			requireDecision(t, limiter, "a", 2, ratelimit.Decision{Allowed: true, Remaining: 1, ResetIn: time.Minute})
			requireDecision(t, limiter, "a", 2, ratelimit.Decision{Allowed: true, Remaining: 0, ResetIn: time.Minute})
			requireDecision(t, limiter, "a", 2, ratelimit.Decision{ResetIn: time.Minute})
		})
	}
}

// Redis has values that are no text, and text that is no JSON.
func TestValueOfAnotherProgramOnRedisIsReplaced(t *testing.T) {
	server := redistest.Start(t)
	kv, err := redis.New(redis.Config{URL: server.URL()})
	require.NoError(t, err)
	require.NoError(t, kv.Start(t.Context()))
	defer func() { require.NoError(t, kv.Stop(context.Background())) }()
	limiter, err := ratelimit.NewRateLimiter(kv)
	require.NoError(t, err)
	for client, command := range map[string][]string{
		"text":  {"SET", "ratelimit:req:text", "no JSON"},
		"list":  {"RPUSH", "ratelimit:req:list", "1", "2"},
		"space": {"SET", "ratelimit:req:space", " 7"},
	} {
		server.Do(command...)
		for _, allowed := range []bool{true, true, false} {
			decision, err := limiter.CheckLimit(t.Context(), client, 2)
			require.NoError(t, err, client)
			require.Equal(t, allowed, decision.Allowed, client)
		}
	}
}

// Concurrent calls may all meet the value that is no counter. Each request is counted.
func TestConcurrentRepairsLoseNoRequest(t *testing.T) {
	for range 20 {
		limiter, store := newLimiterOver(t)
		require.NoError(t, store.Set(t.Context(), "req:a", "no counter"))
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := limiter.CheckLimit(t.Context(), "a", 10); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		count, _, err := adaptor.Get[int64](t.Context(), store, "req:a")
		require.NoError(t, err)
		require.EqualValues(t, 50, count)
	}
}

func TestErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	decision, err := newLimiter(t).CheckLimit(ctx, "a", 1)
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	require.Zero(t, decision)

	limiter, err := ratelimit.NewRateLimiter(adaptor.NewAtomic(nil))
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	require.Nil(t, limiter)
}

// recording records the key of each Incr.
type recording struct {
	wrap.Store
	keys *[]string
}

func (r recording) Incr(ctx context.Context, key string, by int64, ttl time.Duration) (int64, time.Duration, error) {
	*r.keys = append(*r.keys, key)
	return r.Store.Incr(ctx, key, by, ttl)
}

func TestOnAnotherAdaptor(t *testing.T) {
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	var keys []string
	fake := wrap.Adaptor(kv, func(s wrap.Store) driver.AtomicStore { return recording{s, &keys} })

	var limiter *ratelimit.RateLimiter
	app := fxtest.New(t, kvmodule.Module, kvmodule.ReplaceAdaptor(fake), fx.Provide(ratelimit.NewRateLimiter), fx.Populate(&limiter))
	app.RequireStart()
	defer app.RequireStop()
	for _, want := range []bool{true, false} {
		decision, err := limiter.CheckLimit(t.Context(), "a", 1)
		require.NoError(t, err)
		require.Equal(t, want, decision.Allowed)
	}
	require.Equal(t, []string{"req:a", "req:a"}, keys, "one Incr for each request")

	store, err := kv.Namespace("ratelimit")
	require.NoError(t, err)
	count, _, err := adaptor.Get[int64](t.Context(), store, "req:a")
	require.NoError(t, err)
	require.Equal(t, int64(2), count)
}
