package limit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/kvmodule/limit"
)

// hang is a store that does not answer.
func hang(ctx context.Context, _ driver.LimitCall) error {
	<-ctx.Done()
	return driver.Unknown(ctx.Err())
}

var errDown = errors.New("down")

// down is a store that fails immediately.
func down(context.Context, driver.LimitCall) error { return errDown }

// Each mode decides as documented, after a time-out and after a failed request, and no call waits longer than Timeout.
func TestOutageModes(t *testing.T) {
	for name, fault := range map[string]func(context.Context, driver.LimitCall) error{"hang": hang, "down": down} {
		for _, mode := range []limit.Outage{limit.Fail, limit.Open, limit.Closed, limit.Local} {
			for _, lease := range []int64{0, 5} {
				synctest.Test(t, func(t *testing.T) {
					kv := newCounting(t)
					l := newLimiter(t, kv, limit.Config{Rates: []limit.Rate{limit.PerHour(3)}, OnOutage: mode, Timeout: 100 * time.Millisecond, Lease: lease})
					defer func() { _ = l.Close(ctx) }()
					if lease == 0 {
						_, err := l.AllowN(ctx, "k", 2)
						require.NoError(t, err)
					}
					kv.fail(fault)
					for i := range 5 {
						begin := time.Now()
						d, err := l.Allow(ctx, "k")
						look, lookErr := l.Peek(ctx, "k")
						waitCtx, cancel := context.WithTimeout(ctx, time.Minute)
						waitErr := l.Wait(waitCtx, "other")
						cancel()
						if mode != limit.Closed { // Wait tries again
							assert.LessOrEqual(t, time.Since(begin), 100*time.Millisecond, name)
						}
						switch mode {
						case limit.Fail:
							for _, err := range []error{err, lookErr, waitErr} {
								require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
								if name == "down" {
									require.ErrorIs(t, err, errDown)
								} else {
									require.ErrorIs(t, err, context.DeadlineExceeded)
								}
							}
							assert.False(t, adaptor.OutcomeUnknown(lookErr))
							assert.Equal(t, name == "hang" && i == 0, adaptor.OutcomeUnknown(err))
						case limit.Open:
							require.NoError(t, err)
							assert.Equal(t, limit.Decision{Allowed: true, Limit: 3, Remaining: 3, Degraded: true}, withoutTimes(d))
							assert.Equal(t, limit.Decision{Allowed: true, Limit: 3, Remaining: 3, Degraded: true}, withoutTimes(look))
							assert.NoError(t, waitErr)
						case limit.Closed:
							require.NoError(t, err)
							assert.Positive(t, d.RetryAfter)
							assert.Equal(t, limit.Decision{Limit: 3, Degraded: true}, withoutTimes(d))
							assert.Equal(t, limit.Decision{Limit: 3, Degraded: true}, withoutTimes(look))
							assert.ErrorIs(t, waitErr, context.DeadlineExceeded)
						case limit.Local: // a key starts with its burst
							require.NoError(t, err)
							assert.Equal(t, i < 3, d.Allowed, "%d", i)
							assert.True(t, d.Degraded)
							assert.Equal(t, i < 2, look.Allowed)
							assert.True(t, look.Degraded)
						}
						assert.ErrorIs(t, l.Reset(ctx, "k"), adaptor.ErrStoreOperationFailed)
						if lease == 0 {
							assert.ErrorIs(t, l.Refund(ctx, "k", 1), adaptor.ErrStoreOperationFailed)
						}
						_, err = l.AllowN(ctx, "k", 4)
						require.ErrorIs(t, err, limit.ErrNever)
					}
					kv.heal()
					time.Sleep(time.Second)
					d, err := l.Allow(ctx, "k")
					require.NoError(t, err)
					assert.True(t, d.Allowed)
					assert.False(t, d.Degraded)
					assert.Equal(t, map[int64]int64{0: 0, 5: 2}[lease], d.Remaining, "what was decided without the store took nothing from it")
				})
			}
		}
	}
}

func withoutTimes(d limit.Decision) limit.Decision {
	d.RetryAfter, d.ResetIn = 0, 0
	return d
}

// While the store hangs, one call per second waits for it, and the others decide immediately.
func TestOneProbePerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newCounting(t)
		l := newLimiter(t, kv, limit.Config{Rates: []limit.Rate{limit.PerSecond(5)}, OnOutage: limit.Open, Timeout: 100 * time.Millisecond})
		kv.fail(hang)
		begin := time.Now()
		_, err := l.Allow(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, 100*time.Millisecond, time.Since(begin))
		var wg sync.WaitGroup
		calls := kv.calls.Load()
		for range 20 {
			wg.Go(func() {
				for time.Since(begin) < 10*time.Second {
					start := time.Now()
					d, err := l.Allow(ctx, "k")
					assert.NoError(t, err)
					assert.True(t, d.Degraded)
					assert.LessOrEqual(t, time.Since(start), 100*time.Millisecond)
					time.Sleep(7 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		assert.GreaterOrEqual(t, kv.calls.Load()-calls, int64(8))
		assert.LessOrEqual(t, kv.calls.Load()-calls, int64(10))
		kv.heal()
		time.Sleep(time.Second)
		for range 3 { // the first one finds the store well
			d, err := l.Allow(ctx, "k")
			require.NoError(t, err)
			assert.False(t, d.Degraded)
		}
	})
}

// The caller's own context is no outage: it gets the error, in every mode, and later calls ask the store.
func TestCallersContextIsNoOutage(t *testing.T) {
	for _, lease := range []int64{0, 5} {
		synctest.Test(t, func(t *testing.T) {
			kv := newCounting(t)
			l := newLimiter(t, kv, limit.Config{Rates: []limit.Rate{limit.PerSecond(5)}, OnOutage: limit.Open, Timeout: 100 * time.Millisecond, Lease: lease})
			kv.fail(hang)
			for range 3 {
				short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				_, err := l.Allow(short, "k")
				cancel()
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
			}
			assert.Equal(t, int64(3), kv.calls.Load())
			kv.heal()
			d, err := l.Allow(ctx, "k")
			require.NoError(t, err)
			assert.False(t, d.Degraded)
			require.NoError(t, l.Close(ctx))
		})
	}
}

// A lost answer may have taken the events; they are not taken twice.
func TestLostAnswer(t *testing.T) {
	for _, mode := range []limit.Outage{limit.Fail, limit.Open} {
		kv := newCounting(t)
		l := newLimiter(t, kv, limit.Config{Rates: []limit.Rate{limit.PerHour(5)}, OnOutage: mode})
		lost := errors.New("connection lost")
		kv.lose.Store(&lost)
		d, err := l.Allow(ctx, "k")
		if mode == limit.Fail {
			assert.ErrorIs(t, err, lost)
			assert.True(t, adaptor.OutcomeUnknown(err))
		} else {
			require.NoError(t, err)
			assert.True(t, d.Degraded && d.Allowed)
		}
		kv.lose.Store(nil)
		d, err = l.Peek(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, int64(4), d.Remaining)
	}
}

// Local counts each outage from whole bursts, and stops when the store answers.
func TestLocalCountsUntilTheStoreAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newCounting(t)
		l := newLimiter(t, kv, limit.Config{Rates: []limit.Rate{limit.PerMinute(3)}, OnOutage: limit.Local})
		for range 2 {
			kv.fail(down)
			for i := range 5 {
				d, err := l.Allow(ctx, "k")
				require.NoError(t, err)
				assert.Equal(t, i < 3, d.Allowed)
				assert.True(t, d.Degraded)
				if !d.Allowed {
					assert.Equal(t, 20*time.Second, d.RetryAfter)
				}
			}
			kv.heal()
			d, err := l.Peek(ctx, "k")
			require.NoError(t, err)
			assert.Equal(t, limit.Decision{Allowed: true, Limit: 3, Remaining: 3}, d)
		}
	})
}
