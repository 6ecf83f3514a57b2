package limit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/model"
	"github.com/zelt-go/kv/kvmodule/limit"
)

// However several processes lease, use, give back, refund and close, every event that one of them allows is an event that exact
// arithmetic allows at that time.
func TestLeasesNeverAllowMore(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const scale = time.Second
	allowed, asked := 0, 0
	for i := range uint64(1000) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, i))
			var rates []limit.Rate
			exact := model.RandomRates(r, scale)
			for _, rate := range exact {
				rates = append(rates, limit.Rate(rate))
			}
			prepared, err := driver.NewLimits(exact)
			require.NoError(t, err)
			m, kv := model.NewLimit(exact), newMemory(t)
			if i%4 == 0 {
				kv = newBare(t)
			}
			var limiters []*limit.Limiter
			for range 1 + r.IntN(4) {
				lease := 1 + r.Int64N(2*prepared.MinBurst())
				l, err := limit.New(kv, limit.Config{Name: "x", Rates: rates, Lease: lease, LeaseFor: time.Duration(1 + r.Int64N(int64(scale)))})
				require.NoError(t, err)
				limiters = append(limiters, l)
			}
			begin := time.Now()
			taken := make([]int64, len(limiters)) // by whom; a closed limiter gives back what it is told
			closed := make([]bool, len(limiters))
			for range 60 {
				if r.IntN(3) == 0 {
					time.Sleep(time.Duration(r.Int64N(int64(scale) / 5)))
				}
				at := r.IntN(len(limiters))
				l := limiters[at]
				n := 1 + r.Int64N(min(prepared.MinBurst(), 1+r.Int64N(prepared.MinBurst())))
				switch r.IntN(20) {
				case 0:
					require.NoError(t, l.Close(ctx))
					taken[at], closed[at] = 0, true
				case 1, 2:
					n = min(n, taken[at])
					taken[at] -= n
					require.NoError(t, l.Refund(ctx, "k", n))
					m.Decide(int64(time.Since(begin)), driver.LimitCall{Need: 1, Give: n}, 1)
				case 3:
					_, err := l.Peek(ctx, "k")
					require.NoError(t, err)
				default:
					if r.IntN(4) > 0 {
						n = 1
					}
					d, err := l.AllowN(ctx, "k", n)
					require.NoError(t, err)
					asked++
					if d.Allowed {
						allowed++
						if !closed[at] {
							taken[at] += n
						}
						now := int64(time.Since(begin))
						require.True(t, m.Decide(now, driver.LimitCall{Need: n, Take: n}, 1).Allowed, "history %d at %v: %d events, rates %+v", i, time.Since(begin), n, rates)
					} else {
						require.Positive(t, d.RetryAfter)
					}
				}
			}
			for _, l := range limiters {
				require.NoError(t, l.Close(ctx))
			}
		})
	}
	t.Logf("%d of %d calls allowed", allowed, asked)
}

// counting counts the decisions that reach the store, and can fail and delay them.
type counting struct {
	driver.AtomicOpener
	calls atomic.Int64
	fault atomic.Pointer[func(ctx context.Context, c driver.LimitCall) error] // before the decision
	lose  atomic.Pointer[error]                                               // after it
}

func newCounting(t testing.TB) *counting {
	return &counting{AtomicOpener: adaptor.Driver(newMemory(t))}
}

func (c *counting) fail(f func(ctx context.Context, c driver.LimitCall) error) { c.fault.Store(&f) }
func (c *counting) heal()                                                      { c.fault.Store(nil) }

func (c *counting) OpenAtomic(path []string) (driver.AtomicStore, error) {
	s, err := c.AtomicOpener.OpenAtomic(path)
	return &countingStore{s, c}, err
}

type countingStore struct {
	driver.AtomicStore
	*counting
}

func (s *countingStore) Limit(ctx context.Context, key string, l *driver.Limits, c driver.LimitCall) (driver.Limited, error) {
	s.calls.Add(1)
	if f := s.fault.Load(); f != nil {
		if err := (*f)(ctx, c); err != nil {
			return driver.Limited{}, err
		}
	}
	res, err := driver.Limit(ctx, s.AtomicStore, key, l, c)
	if lost := s.lose.Load(); lost != nil && err == nil {
		return driver.Limited{}, driver.Unknown(*lost)
	}
	return res, err
}

func newLimiter(t testing.TB, o driver.AtomicOpener, c limit.Config) *limit.Limiter {
	t.Helper()
	if c.Name == "" {
		c.Name = "api"
	}
	l, err := limit.New(adaptor.NewAtomic(o), c)
	require.NoError(t, err)
	return l
}

// A lease of 100 serves 100 calls with one round trip, calls that come together wait for one request, and a
// remembered refusal costs none.
func TestLeasesSaveRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newCounting(t)
		kv.fail(func(context.Context, driver.LimitCall) error { time.Sleep(time.Millisecond); return nil })
		l := newLimiter(t, kv, limit.Config{Rates: []limit.Rate{limit.PerHour(1000)}, Lease: 100})
		var allowed atomic.Int64
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				for range 20 {
					d, err := l.Allow(ctx, "k")
					assert.NoError(t, err)
					if d.Allowed {
						allowed.Add(1)
					} else {
						assert.LessOrEqual(t, d.RetryAfter, 3600*time.Millisecond)
					}
				}
			})
		}
		wg.Wait()
		// An event is whole only as long as nothing is regained: each request loses one.
		assert.GreaterOrEqual(t, allowed.Load(), int64(980))
		assert.LessOrEqual(t, allowed.Load(), int64(1000))
		assert.LessOrEqual(t, kv.calls.Load(), int64(4000/50))
		t.Logf("4,000 calls, %d allowed, %d round trips", allowed.Load(), kv.calls.Load())
		require.NoError(t, l.Close(ctx))
	})
}

// Events that were leased before a burst refilled do not come on top of it.
func TestLeaseDoesNotComeOnTopOfARefilledBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newMemory(t)
		rates := []limit.Rate{limit.PerSecond(10)}
		a, err := limit.New(kv, limit.Config{Name: "x", Rates: rates, Lease: 10, LeaseFor: time.Hour})
		require.NoError(t, err)
		b, err := limit.New(kv, limit.Config{Name: "x", Rates: rates})
		require.NoError(t, err)
		_, err = a.Allow(ctx, "k")
		require.NoError(t, err)
		time.Sleep(time.Second)
		total := 0
		for range 20 {
			for _, l := range []*limit.Limiter{b, a} {
				d, err := l.Allow(ctx, "k")
				require.NoError(t, err)
				if d.Allowed {
					total++
				}
			}
		}
		assert.Equal(t, 10, total)
		require.NoError(t, a.Close(ctx))
	})
}

// A Refund of events that the rates have regained gives nothing back, because other processes may hold leases.
func TestRefundOfRegainedEventsBesideLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newMemory(t)
		open := func(lease int64) *limit.Limiter {
			l, err := limit.New(kv, limit.Config{Name: "x", Rates: []limit.Rate{limit.PerSecond(10)}, Lease: lease, LeaseFor: time.Hour})
			require.NoError(t, err)
			return l
		}
		a, b, c := open(5), open(5), open(0)
		_, err := a.AllowN(ctx, "k", 5)
		require.NoError(t, err)
		time.Sleep(500 * time.Millisecond)
		total := int64(0)
		use := func(l *limit.Limiter, n int64) {
			for range n {
				d, err := l.Allow(ctx, "k")
				require.NoError(t, err)
				if d.Allowed {
					total++
				}
			}
		}
		use(b, 1)
		require.NoError(t, a.Refund(ctx, "k", 5))
		use(c, 10)
		use(b, 10)
		assert.Equal(t, int64(10), total)
		require.NoError(t, a.Close(ctx))
		require.NoError(t, b.Close(ctx))
	})
}

// Close waits for a request that is under way and gives its events back, and so does a context that ends.
func TestCloseWithRequestsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newCounting(t)
		rates := []limit.Rate{limit.PerHour(100)}
		l := newLimiter(t, kv, limit.Config{Rates: rates, Lease: 50, LeaseFor: time.Hour, Timeout: time.Second})
		kv.fail(func(context.Context, driver.LimitCall) error { time.Sleep(100 * time.Millisecond); return nil })
		go func() { _, _ = l.Allow(ctx, "k") }()
		synctest.Wait()
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		assert.ErrorIs(t, l.Close(short), context.DeadlineExceeded)
		require.NoError(t, l.Close(ctx))
		kv.heal()
		d, err := newLimiter(t, kv, limit.Config{Rates: rates}).Peek(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, int64(98), d.Remaining, "all but the used event and the time that passed")
	})
	synctest.Test(t, func(t *testing.T) {
		kv := newCounting(t)
		l := newLimiter(t, kv, limit.Config{Rates: []limit.Rate{limit.PerHour(100)}, Lease: 50, Timeout: time.Second})
		_, err := l.Allow(ctx, "k")
		require.NoError(t, err)
		down := errors.New("down")
		kv.fail(func(context.Context, driver.LimitCall) error { return down })
		err = l.Close(ctx)
		assert.ErrorIs(t, err, down)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	})
}

// After the leases have ended, no goroutine remains, with and without Close.
func TestLeasesLeaveNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := limit.New(newMemory(t), limit.Config{Name: "x", Rates: []limit.Rate{limit.PerSecond(10)}, Lease: 5})
		require.NoError(t, err)
		for range 30 {
			_, err := l.Allow(ctx, "k")
			require.NoError(t, err)
		}
	}) // waits for all goroutines
}

// Calls of one key that wait for another one's request do not wait longer than Timeout, and follow the outage mode.
func TestLeasesInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newCounting(t)
		l := newLimiter(t, kv, limit.Config{Rates: []limit.Rate{limit.PerHour(1000)}, Lease: 10, OnOutage: limit.Closed})
		kv.fail(func(ctx context.Context, _ driver.LimitCall) error { <-ctx.Done(); return driver.Unknown(ctx.Err()) })
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 3 * time.Millisecond)
				begin := time.Now()
				d, err := l.Allow(ctx, "k")
				assert.NoError(t, err)
				assert.True(t, d.Degraded)
				assert.False(t, d.Allowed)
				assert.LessOrEqual(t, time.Since(begin), 250*time.Millisecond)
			})
		}
		wg.Wait()
		assert.LessOrEqual(t, kv.calls.Load(), int64(1))
		kv.heal()
		time.Sleep(2 * time.Second)
		d, err := l.Allow(ctx, "k")
		require.NoError(t, err)
		assert.True(t, d.Allowed && !d.Degraded)
		require.NoError(t, l.Close(ctx))
	})
}

// A remembered refusal costs no round trip, and ends exactly at its RetryAfter, or with a Refund or a Reset of this process.
func TestLeasesRememberARefusalUntilItsRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newCounting(t)
		l := newLimiter(t, kv, limit.Config{Rates: []limit.Rate{limit.PerMinute(7)}, Lease: 3})
		refused := func() time.Duration {
			for {
				d, err := l.Allow(ctx, "k")
				require.NoError(t, err)
				if !d.Allowed {
					return d.RetryAfter
				}
			}
		}
		for range 5 {
			retry, calls := refused(), kv.calls.Load()
			for pause := retry / 3; retry > pause; retry -= pause {
				time.Sleep(pause)
				d, err := l.Allow(ctx, "k")
				require.NoError(t, err)
				require.Equal(t, limit.Decision{Limit: 7, RetryAfter: retry - pause, ResetIn: d.ResetIn}, d)
			}
			assert.Equal(t, calls, kv.calls.Load())
			time.Sleep(retry)
			d, err := l.Allow(ctx, "k")
			require.NoError(t, err)
			require.True(t, d.Allowed)
		}
		refused()
		require.NoError(t, l.Refund(ctx, "k", 1))
		d, err := l.Allow(ctx, "k")
		require.NoError(t, err)
		assert.True(t, d.Allowed)
		refused()
		require.NoError(t, l.Reset(ctx, "k"))
		d, err = l.Allow(ctx, "k")
		require.NoError(t, err)
		assert.True(t, d.Allowed)
		require.NoError(t, l.Close(ctx))
	})
}
