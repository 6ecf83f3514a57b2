package limit_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/kvmodule/limit"
)

// Many waiting calls of one key ask the store once per event, and each gets its event in time. A call whose context ends in
// between gets nothing.
func TestWaitTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newCounting(t)
		kv.fail(func(context.Context, driver.LimitCall) error { time.Sleep(time.Microsecond); return nil })
		l := newLimiter(t, kv, limit.Config{Rates: []limit.Rate{{Events: 10, Per: time.Second, Burst: 1}}})
		begin := time.Now()
		var wg sync.WaitGroup
		var served atomic.Int64
		for i := range 50 {
			wg.Go(func() {
				if i%5 == 0 { // these give up
					short, cancel := context.WithCancel(ctx)
					time.AfterFunc(50*time.Millisecond, cancel)
					if l.Wait(short, "k") == nil {
						served.Add(1)
					}
					return
				}
				assert.NoError(t, l.Wait(ctx, "k"))
				served.Add(1)
			})
		}
		wg.Wait()
		events := served.Load()
		assert.GreaterOrEqual(t, events, int64(40))
		assert.InDelta(t, time.Duration(events-1)*100*time.Millisecond, time.Since(begin), float64(time.Millisecond*10))
		assert.LessOrEqual(t, kv.calls.Load(), int64(50+3*events))
		d, err := l.Allow(ctx, "k")
		require.NoError(t, err)
		assert.False(t, d.Allowed)
	})
}
