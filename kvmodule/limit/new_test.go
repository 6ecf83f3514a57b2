package limit_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/kvmodule/limit"
	"github.com/zelt-go/kv/memory"
)

func TestNewRefuses(t *testing.T) {
	kv := newMemory(t)
	good := func(change func(c *limit.Config)) limit.Config {
		c := limit.Config{Name: "api", Rates: []limit.Rate{limit.PerMinute(100)}}
		change(&c)
		return c
	}
	for word, c := range map[string]limit.Config{
		"Name":      good(func(c *limit.Config) { c.Name = "" }),
		"one rate":  good(func(c *limit.Config) { c.Rates = nil }),
		"Events":    good(func(c *limit.Config) { c.Rates[0].Events = 0 }),
		"Events ":   good(func(c *limit.Config) { c.Rates[0].Events = -1 }),
		"Per":       good(func(c *limit.Config) { c.Rates[0].Per = -time.Second }),
		"Per ":      good(func(c *limit.Config) { c.Rates = append(c.Rates, limit.Rate{Events: 1}) }),
		"Burst":     good(func(c *limit.Config) { c.Rates[0].Burst = -1 }),
		"burst":     good(func(c *limit.Config) { c.Rates[0].Burst = math.MaxInt64 }),
		"2^42":      good(func(c *limit.Config) { c.Rates[0] = limit.PerSecond(math.MaxInt64) }),
		"OnOutage":  good(func(c *limit.Config) { c.OnOutage = limit.Local + 1 }),
		"OnOutage ": good(func(c *limit.Config) { c.OnOutage = -1 }),
		"Timeout":   good(func(c *limit.Config) { c.Timeout = -1 }),
		"Lease":     good(func(c *limit.Config) { c.Lease = -1 }),
		"LeaseFor":  good(func(c *limit.Config) { c.LeaseFor = -1 }),
	} {
		_, err := limit.New(kv, c)
		require.Error(t, err, word)
		assert.Contains(t, err.Error(), strings.TrimSpace(word))
	}
	for _, none := range []adaptor.AtomicKVAdaptor{nil, (*adaptor.AtomicKVStore)(nil), adaptor.NewAtomic(nil)} {
		_, err := limit.New(none, good(func(*limit.Config) {}))
		assert.Error(t, err)
	}
}

// New copies the rates, and a zero Limiter fails without a panic.
func TestNewCopiesAndZeroFails(t *testing.T) {
	rates := []limit.Rate{limit.PerHour(2)}
	l, err := limit.New(newMemory(t), limit.Config{Name: "api", Rates: rates})
	require.NoError(t, err)
	rates[0].Events, rates[0].Burst = 100, 100
	d, err := l.Peek(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, int64(2), d.Limit)
	for _, none := range []*limit.Limiter{nil, {}} {
		_, err1 := none.Allow(ctx, "k")
		_, err2 := none.Peek(ctx, "k")
		for _, err := range []error{err1, err2, none.Wait(ctx, "k"), none.Refund(ctx, "k", 1), none.Reset(ctx, "k")} {
			assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		}
		assert.NoError(t, none.Close(ctx))
	}
}

// A store is an adaptor: limiters below two tenants share nothing.
func TestLimiterOnAStore(t *testing.T) {
	kv := newMemory(t)
	for _, tenant := range []string{"a", "b"} {
		s, err := kv.Namespace(tenant)
		require.NoError(t, err)
		l, err := limit.New(s, limit.Config{Name: "api", Rates: []limit.Rate{limit.PerHour(1)}})
		require.NoError(t, err)
		d, err := l.Allow(ctx, "k")
		require.NoError(t, err)
		assert.True(t, d.Allowed)
		s, err = s.Namespace("limit")
		require.NoError(t, err)
		s, err = s.Namespace("api")
		require.NoError(t, err)
		found, err := s.Has(ctx, "k")
		require.NoError(t, err)
		assert.True(t, found)
	}
}

func TestDecisionsDoNotAllocate(t *testing.T) {
	kv := newMemory(t)
	for i, rates := range [][]limit.Rate{{limit.PerSecond(10)}, {limit.PerSecond(1e6), {Events: 7e6, Per: time.Hour, Burst: 7e6}}} {
		l, err := limit.New(kv, limit.Config{Name: string(rune(97 + i)), Rates: rates})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for _, call := range []func() error{
			func() error { _, err := l.Allow(ctx, "client-1234567890"); return err },
			func() error { _, err := l.AllowN(ctx, "client-1234567890", 3); return err },
			func() error { _, err := l.Peek(ctx, "client-1234567890"); return err },
		} {
			assert.Zero(t, testing.AllocsPerRun(1000, func() {
				if err := call(); err != nil {
					t.Fatal(err)
				}
			}))
		}
	}
}

func BenchmarkAllow(b *testing.B) {
	kv := newMemory(b)
	l, err := limit.New(kv, limit.Config{Name: "api", Rates: []limit.Rate{{Events: 100, Per: time.Hour, Burst: 50_000_000}}})
	require.NoError(b, err)
	for b.Loop() {
		_, _ = l.Allow(ctx, "client-1234567890")
	}
}

func BenchmarkAllowManyKeys(b *testing.B) {
	kv := newMemory(b)
	l, err := limit.New(kv, limit.Config{Name: "api", Rates: []limit.Rate{{Events: 100, Per: time.Hour, Burst: 50_000_000}}})
	require.NoError(b, err)
	keys := make([]string, 100_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("client-%09d", i)
	}
	b.RunParallel(func(p *testing.PB) {
		for i := rand.Uint32(); p.Next(); i = i*1664525 + 1013904223 {
			_, _ = l.Allow(ctx, keys[i>>8%uint32(len(keys))])
		}
	})
}

var manyClients = flag.Int("limit.clients", 100_000, "how many clients TestMemoryReturns has")

// Clients that come once leave nothing behind: memory returns to its size before.
func TestMemoryReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, err := memory.New(memory.Config{GCInterval: time.Second})
		require.NoError(t, err)
		require.NoError(t, kv.Start(ctx))
		l, err := limit.New(kv, limit.Config{Name: "api", Rates: []limit.Rate{limit.PerMinute(7), limit.PerSecond(100)}})
		require.NoError(t, err)
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		bytes, before := kv.Stats().Bytes, heap()
		for i := range *manyClients {
			if _, err := l.Allow(ctx, fmt.Sprint("client-", i)); err != nil {
				t.Fatal(err)
			}
		}
		full, used := kv.Stats(), heap()-before
		time.Sleep(time.Minute)
		t.Logf("%d clients: %d entries, %d bytes, %d on the heap; after a minute %d entries, %d bytes, %d on the heap",
			*manyClients, full.Entries, full.Bytes-bytes, used, kv.Stats().Entries, kv.Stats().Bytes-bytes, heap()-before)
		assert.Equal(t, *manyClients, full.Entries)
		assert.Zero(t, kv.Stats().Entries)
		assert.LessOrEqual(t, kv.Stats().Bytes-bytes, full.Bytes/50+64<<10)
		assert.LessOrEqual(t, heap()-before, used/50+1<<20)
		require.NoError(t, kv.Stop(ctx))
	})
}
