package memory_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNegativeIntervalIsRefused(t *testing.T) {
	_, err := memory.New(memory.Config{GCInterval: -time.Second})
	assert.EqualError(t, err, "memory: Config.GCInterval must not be negative, got -1s (zero means one minute)")
}

// fill stores n entries that expire after ttl, and one that does not.
func fill(t testing.TB, kv *memory.MemoryKV, n int, ttl time.Duration) *adaptor.AtomicKVStore {
	t.Helper()
	s, err := kv.Namespace("fill")
	require.NoError(t, err)
	require.NoError(t, s.Set(ctx, "stays", 1))
	for i := range n {
		require.NoError(t, s.Set(ctx, fmt.Sprint(i), i, adaptor.WithTTL(ttl)))
	}
	return s
}

// A sweep a minute by default, which goes on after the context of Start has ended.
func TestSweepEveryMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newKV(t)
		starting, cancel := context.WithCancel(ctx)
		require.NoError(t, kv.Start(starting))
		cancel()
		for minute := range uint64(3) {
			fill(t, kv, 1000, time.Second)
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
		s := fill(t, kv, 100, 10*time.Second)
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
		fill(t, kv, 7, time.Second)
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

		s := fill(t, kv, 10, time.Second)
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

// Stop has the collector ended when it returns nil, and ends it even if its own
// context is done.
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
	require.NoError(t, kv.Stop(ctx), "waits for what the first Stop did not")
	require.NoError(t, kv.Stop(done), "nothing left to wait for")
}

// slow is a log that blocks: it holds a sweep up.
type slow struct {
	slog.Handler
	release chan struct{}
}

func (h slow) Handle(context.Context, slog.Record) error { <-h.release; return nil }

// A Stop that gives up does not lose the collector: a later Stop, even after another
// Start, waits for it too.
func TestStopWaitsForASlowSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slow{slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}), make(chan struct{})}
		kv, err := memory.New(memory.Config{Logger: slog.New(log)})
		require.NoError(t, err)
		fill(t, kv, 1, time.Second)
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

// Start and Stop may follow each other, from many goroutines, and leave nothing.
func TestStartAndStopLeaveNoGoroutine(t *testing.T) {
	kv, err := memory.New(memory.Config{GCInterval: time.Millisecond})
	require.NoError(t, err)
	for i := range 1000 {
		require.NoError(t, kv.Start(ctx))
		if i%10 == 0 {
			time.Sleep(time.Millisecond) // Stop meets a sweep
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

// A MemoryKV that is never started still frees: any writes, anywhere, will do.
func TestWritesRemoveExpiredEntries(t *testing.T) {
	writes := map[string]func(s *adaptor.AtomicKVStore, i int) error{
		"Set, one key":   func(s *adaptor.AtomicKVStore, i int) error { return s.Set(ctx, "k", i) },
		"Set, many keys": func(s *adaptor.AtomicKVStore, i int) error { return s.Set(ctx, fmt.Sprint("k", i), i) },
		"Incr":           func(s *adaptor.AtomicKVStore, i int) error { _, err := s.Incr(ctx, "k", 1); return err },
		"SetNX":          func(s *adaptor.AtomicKVStore, i int) error { return second(s.SetNX(ctx, "k", 1)) },
		"Del":            func(s *adaptor.AtomicKVStore, i int) error { return s.Del(ctx, "k") },
	}
	for name, write := range writes {
		synctest.Test(t, func(t *testing.T) {
			kv := newKV(t)
			s := fill(t, kv, 1000, time.Second)
			time.Sleep(time.Second)
			assert.Equal(t, 1001, kv.Stats().Entries)
			for i := range 4000 {
				require.NoError(t, write(s, i))
			}
			assert.Equal(t, uint64(1000), kv.Stats().Expired, name)
			assert.Equal(t, "1", raw(t, s, "stays"))
		})
	}
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newKV(t)
		assert.Zero(t, kv.Stats())
		s, err := kv.Namespace("n")
		require.NoError(t, err)
		require.NoError(t, s.Set(ctx, "key", "v", adaptor.WithTTL(time.Second)))
		require.NoError(t, s.Set(ctx, "k", 12345))
		stats := func() memory.Stats {
			st := kv.Stats()
			assert.Positive(t, st.Bytes)
			st.Bytes = 0
			return st
		}
		assert.Equal(t, memory.Stats{Entries: 2}, stats())
		raw(t, s, "key")
		ok(t)(s.Has(ctx, "k"))
		no(t)(s.Has(ctx, "x"))
		time.Sleep(time.Second)
		assert.Equal(t, memory.Stats{Entries: 2, Hits: 2, Misses: 1}, stats(), "unswept entries count")
		raw(t, s, "key")
		assert.Equal(t, memory.Stats{Entries: 2, Hits: 2, Misses: 2}, stats(), "a read removes nothing")
		require.NoError(t, s.Set(ctx, "k", 1))
		assert.Equal(t, memory.Stats{Entries: 1, Hits: 2, Misses: 2, Expired: 1}, stats(), "a write does")
		require.NoError(t, s.Del(ctx, "k"))
		assert.Equal(t, memory.Stats{Hits: 2, Misses: 2, Expired: 1}, stats())
	})
}

// A namespace without entries and without handles leaves nothing.
func TestUsedNamespacesTakeNoMemory(t *testing.T) {
	kv := newKV(t)
	held := int64(0)
	for i := range 10_000 {
		s, err := kv.Namespace(fmt.Sprint("tenant-", i))
		require.NoError(t, err)
		require.NoError(t, s.Set(ctx, "k", i))
		require.NoError(t, s.Del(ctx, "k"))
		if i == 1000 {
			held = kv.Stats().Bytes
		}
	}
	assert.Equal(t, memory.Stats{Bytes: held}, kv.Stats())
	assert.Less(t, held, int64(64<<10), "what it keeps at hand for the next entries")
}

// A store that is empty again gives its memory back.
func TestEmptyStoreReleasesItsMemory(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	kv := newKV(t)
	before := heap()
	const n = 200_000
	s := fill(t, kv, n, time.Hour)
	full := heap() - before
	for i := range n {
		require.NoError(t, s.Del(ctx, fmt.Sprint(i)))
	}
	require.NoError(t, s.Del(ctx, "stays"))
	assert.Less(t, int64(heap())-int64(before), int64(full/10))
	runtime.KeepAlive(kv)
}
