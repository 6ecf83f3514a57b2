package memory_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

func TestNegativeIntervalIsRefused(t *testing.T) {
	_, err := memory.New(memory.Config{GCInterval: -time.Second})
	assert.EqualError(t, err, "memory: Config.GCInterval must not be negative, got -1s (zero means one minute)")
}

// By default, the collector sweeps every minute. It continues after the context of Start has ended.
func TestSweepEveryMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newKV(t)
		starting, cancel := context.WithCancel(ctx)
		require.NoError(t, kv.Start(starting))
		cancel()
		for minute := range uint64(3) {
			fillExpiring(t, kv, 1000, time.Second)
			time.Sleep(time.Minute - 1)
			synctest.Wait()
			assert.Equal(t, 1001, kv.Stats().Entries, "not swept yet")
			assert.Equal(t, minute, kv.Stats().Sweeps)
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			assert.Equal(t, 1, kv.Stats().Entries)
			assert.Equal(t, minute+1, kv.Stats().Sweeps)
			assert.Equal(t, (minute+1)*1000, kv.Stats().Expired)
		}
		require.NoError(t, kv.Stop(ctx))
	})
}

func TestSweepRemovesOnlyExpiredEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, err := memory.New(memory.Config{GCInterval: time.Second})
		require.NoError(t, err)
		s := fillExpiring(t, kv, 100, 10*time.Second)
		ok(t)(s.Expire(ctx, "0", time.Hour))
		require.NoError(t, s.Set(ctx, "1", 1))
		require.NoError(t, s.Set(ctx, "2", 1, adaptor.WithTTL(500*time.Millisecond)))
		require.NoError(t, s.Del(ctx, "3"))
		require.NoError(t, kv.Start(ctx))
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 99, kv.Stats().Entries, "without 2 and 3")
		time.Sleep(9 * time.Second)
		synctest.Wait()
		assert.Equal(t, 3, kv.Stats().Entries, "stays, 0 and 1")
		require.NoError(t, kv.Stop(ctx))
	})
}

func TestSweepIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		kv, err := memory.New(memory.Config{Logger: logger})
		require.NoError(t, err)
		require.NoError(t, kv.Start(ctx))
		fillExpiring(t, kv, 7, time.Second)
		time.Sleep(3 * time.Minute)
		require.NoError(t, kv.Stop(ctx))
		assert.Equal(t, 1, strings.Count(log.String(), "\n"), "one line per sweep that removed something")
		assert.Contains(t, log.String(), "level=DEBUG")
		assert.Contains(t, log.String(), "removed=7")
	})
}

func TestStartAndStopAreIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newKV(t)
		require.NoError(t, kv.Stop(ctx), "without Start")
		require.NoError(t, kv.Start(ctx))
		require.NoError(t, kv.Start(ctx))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, uint64(1), kv.Stats().Sweeps, "two starts, one collector")
		require.NoError(t, kv.Stop(ctx))
		require.NoError(t, kv.Stop(ctx))

		s := fillExpiring(t, kv, 10, time.Second)
		time.Sleep(time.Hour)
		assert.Equal(t, uint64(1), kv.Stats().Sweeps, "stopped")
		assert.Equal(t, "1", raw(t, s, "stays"), "it serves after Stop")

		require.NoError(t, kv.Start(ctx))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, uint64(2), kv.Stats().Sweeps, "started again")
		require.NoError(t, kv.Stop(ctx))
	})
}

// After Stop returns nil, the collector has ended. Stop ends the collector even if its context is
// done.
func TestStopWaitsForTheCollector(t *testing.T) {
	kv := newKV(t)
	require.NoError(t, kv.Start(ctx))
	require.NoError(t, kv.Stop(ctx))
	assert.NoError(t, goleak.Find(goleak.IgnoreCurrent()))

	done, cancel := context.WithCancel(ctx)
	cancel()
	require.NoError(t, kv.Start(ctx))
	if err := kv.Stop(done); err != nil {
		assert.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, kv.Stop(ctx), "waits for the collector that the first Stop left running")
	require.NoError(t, kv.Stop(done), "nothing left to wait for")
}

// slow is a slog.Handler that blocks, which delays a sweep.
type slow struct {
	slog.Handler
	release chan struct{}
}

func (h slow) Handle(context.Context, slog.Record) error { <-h.release; return nil }

// After a Stop that returned early, a later Stop waits for the same collector, even after another
// Start.
func TestStopWaitsForASlowSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slow{slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}), make(chan struct{})}
		kv, err := memory.New(memory.Config{Logger: slog.New(log)})
		require.NoError(t, err)
		fillExpiring(t, kv, 1, time.Second)
		require.NoError(t, kv.Start(ctx))
		time.Sleep(time.Minute)
		synctest.Wait()

		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		assert.ErrorIs(t, kv.Stop(short), context.DeadlineExceeded)
		require.NoError(t, kv.Start(ctx))
		short, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
		assert.ErrorIs(t, kv.Stop(short), context.DeadlineExceeded, "the first is still at work")
		close(log.release)
		require.NoError(t, kv.Stop(ctx))
	})
}

// Many calls of Start and Stop, also concurrent ones, leave no goroutine.
func TestStartAndStopLeaveNoGoroutine(t *testing.T) {
	kv, err := memory.New(memory.Config{GCInterval: time.Millisecond})
	require.NoError(t, err)
	for i := range 1000 {
		require.NoError(t, kv.Start(ctx))
		if i%10 == 0 {
			time.Sleep(time.Millisecond) // so that Stop interrupts a sweep
		}
		require.NoError(t, kv.Stop(ctx))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				assert.NoError(t, kv.Start(ctx))
				assert.NoError(t, kv.Stop(ctx))
			}
		})
	}
	wg.Wait()
	require.NoError(t, kv.Stop(ctx))
	goleak.VerifyNone(t)
}
