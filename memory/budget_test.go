package memory_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

func newBounded(t testing.TB, maxBytes int64) (*memory.MemoryKV, *adaptor.AtomicKVStore) {
	t.Helper()
	kv, err := memory.New(memory.Config{MaxBytes: maxBytes})
	require.NoError(t, err)
	s, err := kv.Namespace("bounded")
	require.NoError(t, err)
	return kv, s
}

// fillUntilFull stores values until the store refuses one. It returns the number of stored values.
func fillUntilFull(t testing.TB, s *adaptor.AtomicKVStore, value any, opts ...adaptor.Option) (n int) {
	t.Helper()
	for ; ; n++ {
		err := s.Set(ctx, fmt.Sprint("key", n), value, opts...)
		if err != nil {
			require.ErrorIs(t, err, memory.ErrFull)
			return n
		}
	}
}

func TestInvalidLimitsAreRefused(t *testing.T) {
	for config, text := range map[memory.Config]string{
		{MaxBytes: -1}:            "memory: Config.MaxBytes must be at least 65536, got -1 (zero means unbounded)",
		{MaxBytes: 1000}:          "memory: Config.MaxBytes must be at least 65536, got 1000 (zero means unbounded)",
		{MaxValueBytes: -1}:       "memory: Config.MaxValueBytes must not be negative, got -1 (zero means unbounded)",
		{GCInterval: -1}:          "memory: Config.GCInterval must not be negative, got -1ns (zero means one minute)",
		{GCInterval: 60}:          "memory: Config.GCInterval must be at least 1ms, got 60ns: a duration needs a unit, such as 60 * time.Second",
		{GCInterval: 999_999}:     "memory: Config.GCInterval must be at least 1ms, got 999.999µs: a duration needs a unit, such as 60 * time.Second",
		{MaxBytes: 64 << 10}:      "",
		{MaxBytes: math.MaxInt64}: "",
	} {
		_, err := memory.New(config)
		if text == "" {
			assert.NoError(t, err)
		} else {
			assert.EqualError(t, err, text)
		}
	}
}

// A full store refuses only writes that need more memory, with ErrFull. Other writes succeed, and
// no entry is lost.
func TestFullStoreRefusesOnlyGrowth(t *testing.T) {
	for _, maxBytes := range []int64{64 << 10, 1 << 20, 10 << 20} {
		t.Run(fmt.Sprint(maxBytes), func(t *testing.T) {
			kv, s := newBounded(t, maxBytes)
			_, err := s.Incr(ctx, "counter", 1)
			require.NoError(t, err)
			value := strings.Repeat("v", 98)
			n := fillUntilFull(t, s, value)
			stats := kv.Stats()
			assert.LessOrEqual(t, stats.Bytes, maxBytes)
			assert.Greater(t, stats.Bytes, maxBytes*9/10, "refused with that much room left")
			payload := n * (len("bounded:key1234") + 100)
			assert.Greater(t, float64(payload)/float64(maxBytes), 0.6, "%d entries in %d bytes", n, stats.Bytes)

			err = s.Set(ctx, "another", strings.Repeat("v", 100_000))
			assert.ErrorIs(t, err, memory.ErrFull)
			assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
			assert.False(t, adaptor.OutcomeUnknown(err), "surely not applied")
			assert.EqualError(t, err, fmt.Sprintf(`kv: Set in namespace "bounded": STORE_OPERATION_FAILED: `+
				"the write needs more memory than memory.Config.MaxBytes allows (%d bytes)", maxBytes))
			assert.Equal(t, "absent", raw(t, s, "another"))
			assert.ErrorIs(t, s.Set(ctx, "key1", strings.Repeat("w", 100_000)), memory.ErrFull, "a value that grows")
			assert.Equal(t, `"`+value+`"`, raw(t, s, "key1"), "and stays as it was")

			require.NoError(t, s.Set(ctx, "key1", strings.Repeat("w", 98)), "a value as long as before")
			require.NoError(t, s.Set(ctx, "key2", "short"), "a shorter one")
			sum, err := s.Incr(ctx, "counter", math.MaxInt64-1)
			require.NoError(t, err)
			assert.Equal(t, int64(math.MaxInt64), sum)
			ok(t)(s.Expire(ctx, "key3", time.Hour))
			ok(t)(s.CompareAndSwap(ctx, "key4", value, strings.Repeat("x", 98)))
			no(t)(s.SetNX(ctx, "key4", strings.Repeat("x", 100_000)))
			require.NoError(t, s.Del(ctx, "key5"))
			require.NoError(t, s.Set(ctx, "key5", value), "a deleted value fits again")

			for i := 6; i < n; i++ {
				require.Equal(t, `"`+value+`"`, raw(t, s, fmt.Sprint("key", i)))
			}
			for i := 6; i < n; i += 2 {
				require.NoError(t, s.Del(ctx, fmt.Sprint("key", i)))
			}
			for i := range n / 3 {
				require.NoError(t, s.Set(ctx, fmt.Sprint("new", i), value), "half of the room is free, %d of %d taken", i, n/2)
			}
		})
	}
}

// Expired entries of all shards are removed before the store refuses a write.
func TestExpiredEntriesAreRemovedBeforeAWriteIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, length := range []int{10, 3000, 20_000} {
			kv, s := newBounded(t, 4<<20)
			value := strings.Repeat("v", length)
			require.NoError(t, s.Set(ctx, "stays", 1))
			n := fillUntilFull(t, s, value, adaptor.WithTTL(time.Minute))
			time.Sleep(time.Minute - 1)
			assert.ErrorIs(t, s.Set(ctx, "another", strings.Repeat("w", 100_000)), memory.ErrFull)
			assert.Equal(t, n+1, kv.Stats().Entries)
			time.Sleep(time.Nanosecond)
			require.NoError(t, s.Set(ctx, "another", strings.Repeat("w", 100_000)))
			assert.InDelta(t, n, fillUntilFull(t, s, value), float64(n)/10+5)
			assert.Equal(t, "1", raw(t, s, "stays"))
		}
	})
}

// A large value can be replaced although the store has no room for the old and the new value
// together.
func TestFullStoreReplacesLargeValues(t *testing.T) {
	kv, s := newBounded(t, 1<<20)
	n := fillUntilFull(t, s, strings.Repeat("v", 100_000))
	assert.GreaterOrEqual(t, n, 9)
	require.NoError(t, s.Set(ctx, "key0", strings.Repeat("w", 100_000)), "as long")
	require.NoError(t, s.Set(ctx, "key1", strings.Repeat("w", 90_000)), "shorter")
	require.NoError(t, s.Set(ctx, "key2", "w"), "much shorter")
	require.NoError(t, s.Set(ctx, "key3", 3), "a number")
	_, err := s.Incr(ctx, "key3", 1)
	require.NoError(t, err)
	assert.Equal(t, "4", raw(t, s, "key3"))
	assert.Equal(t, `"`+strings.Repeat("w", 90_000)+`"`, raw(t, s, "key1"))
	assert.LessOrEqual(t, kv.Stats().Bytes, int64(1<<20))
	require.NoError(t, s.Set(ctx, "another", strings.Repeat("v", 100_000)), "a replacement has made room")
}

func TestMaxValueBytes(t *testing.T) {
	kv, err := memory.New(memory.Config{MaxValueBytes: 10})
	require.NoError(t, err)
	s, err := kv.Namespace("n")
	require.NoError(t, err)
	require.NoError(t, s.Set(ctx, "k", "12345678"), "10 bytes with the quotes")
	for name, err := range map[string]error{
		"Set":            s.Set(ctx, "k", "123456789"),
		"SetNX":          second(s.SetNX(ctx, "k2", "123456789")),
		"CompareAndSwap": second(s.CompareAndSwap(ctx, "k", "12345678", "123456789")),
	} {
		assert.ErrorIs(t, err, adaptor.ErrInvalidValue)
		assert.EqualError(t, err, "kv: "+name+` in namespace "n": INVALID_VALUE: `+
			"the value has 11 bytes, and memory.Config.MaxValueBytes allows 10")
	}
	assert.Equal(t, `"12345678"`, raw(t, s, "k"))
	assert.Equal(t, "absent", raw(t, s, "k2"))
	sum, err := s.Incr(ctx, "counter", math.MaxInt64)
	require.NoError(t, err, "a counter is bounded by int64")
	assert.Equal(t, int64(math.MaxInt64), sum)
}

// Concurrent writers in a full store never exceed the limit and lose no value.
func TestConcurrentWritersNeverExceedTheLimit(t *testing.T) {
	const maxBytes = 1 << 20
	kv, s := newBounded(t, maxBytes)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			stored := map[string]string{}
			for i := range 3000 {
				key, value := fmt.Sprint(worker, i%500), strings.Repeat(fmt.Sprint(i%10), 1+i*7919%9000)
				switch err := s.Set(ctx, key, value); {
				case err == nil:
					stored[key] = value
				case !errors.Is(err, memory.ErrFull):
					t.Error(err)
				}
				if i%5 == 0 {
					key := fmt.Sprint(worker, i*31%500)
					assert.NoError(t, s.Del(ctx, key))
					delete(stored, key)
				}
				if held := kv.Stats().Bytes; held > maxBytes {
					t.Errorf("%d bytes are held", held)
				}
			}
			for key, value := range stored {
				if got, _, err := adaptor.Get[string](ctx, s, key); err != nil || got != value {
					t.Errorf("lost a value of %d bytes: %v", len(value), err)
				}
			}
		})
	}
	wg.Wait()
}
