package memory_test

import (
	"encoding/json"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// The case of the documentation: 1, 2, then 7 after an Incr by 5.
func TestIncr(t *testing.T) {
	s := newStore(t)
	for _, step := range []struct{ by, want int64 }{{1, 1}, {1, 2}, {5, 7}, {-10, -3}, {0, -3}} {
		n, err := s.Incr(ctx, "k", step.by)
		require.NoError(t, err)
		assert.Equal(t, step.want, n)
	}
	n, _, err := adaptor.Get[int64](ctx, s, "k")
	require.NoError(t, err)
	assert.Equal(t, int64(-3), n)
	require.NoError(t, s.Set(ctx, "k", 41))
	n, err = s.Incr(ctx, "k", 1)
	require.NoError(t, err)
	assert.Equal(t, int64(42), n)
}

// Only the call that creates the counter sets its TTL, so a counter with a TTL is a fixed window.
func TestIncrKeepsTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
		n, left, err := s.IncrTTL(ctx, "k", 1, adaptor.WithTTL(time.Minute))
		require.NoError(t, err)
		assert.Equal(t, int64(1), n)
		assert.Equal(t, time.Minute, left)
		time.Sleep(20 * time.Second)
		n, left, err = s.IncrTTL(ctx, "k", 1, adaptor.WithTTL(time.Hour))
		require.NoError(t, err)
		assert.Equal(t, int64(2), n)
		assert.Equal(t, 40*time.Second, left)
		time.Sleep(40 * time.Second)
		n, left, err = s.IncrTTL(ctx, "k", 1)
		require.NoError(t, err)
		assert.Equal(t, int64(1), n, "a new window")
		assert.Zero(t, left)
		_, left, err = s.IncrTTL(ctx, "k", 1, adaptor.WithTTL(time.Minute))
		require.NoError(t, err)
		assert.Zero(t, left, "it exists without a deadline, and gets none")
	})
}

func TestIncrIsExact(t *testing.T) {
	s := newStore(t)
	for _, tt := range []struct{ from, by, want int64 }{
		{1 << 53, 1, 1<<53 + 1},
		{-1 << 53, -1, -1<<53 - 1},
		{math.MaxInt64 - 1, 1, math.MaxInt64},
		{math.MinInt64 + 1, -1, math.MinInt64},
		{math.MinInt64, math.MaxInt64, -1},
		{math.MaxInt64, math.MinInt64, -1},
	} {
		require.NoError(t, s.Set(ctx, "k", tt.from))
		n, err := s.Incr(ctx, "k", tt.by)
		require.NoError(t, err)
		assert.Equal(t, tt.want, n)
		n, _, err = adaptor.Get[int64](ctx, s, "k")
		require.NoError(t, err)
		assert.Equal(t, tt.want, n)
	}
}

func TestIncrRefusesNonIntegersAndOverflow(t *testing.T) {
	for text, by := range map[string]int64{
		`"5"`: 1, `5.0`: 1, `1e3`: 1, `-0`: 1, `{}`: 1, `[]`: 1, `null`: 1, `true`: 1, `""`: 1,
		`9223372036854775807`: 1, `-9223372036854775808`: -1, `9223372036854775808`: 0,
		`1`: math.MaxInt64, `-2`: math.MinInt64, `92233720368547758070`: 1,
	} {
		bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
			require.NoError(t, s.Set(ctx, "k", json.RawMessage(text), adaptor.WithTTL(time.Minute)))
			time.Sleep(time.Second)
			_, err := s.Incr(ctx, "k", by, adaptor.WithTTL(time.Hour))
			assert.ErrorIs(t, err, adaptor.ErrInvalidValue, text)
			assert.ErrorIs(t, err, driver.ErrInvalidValue, text)
			assert.False(t, adaptor.OutcomeUnknown(err))
			assert.Equal(t, text, raw(t, s, "k"))
			assert.Equal(t, 59*time.Second, ttlOf(t, s, "k"))
		})
	}
}

// The case of the documentation: true, then false, and the first value stays.
func TestSetNX(t *testing.T) {
	bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
		ok(t)(s.SetNX(ctx, "k", "first", adaptor.WithTTL(time.Minute)))
		time.Sleep(time.Second)
		no(t)(s.SetNX(ctx, "k", "second", adaptor.WithTTL(time.Hour)))
		assert.Equal(t, `"first"`, raw(t, s, "k"))
		assert.Equal(t, 59*time.Second, ttlOf(t, s, "k"), "a lost SetNX leaves the TTL alone")
		time.Sleep(59 * time.Second)
		ok(t)(s.SetNX(ctx, "k", "third"))
		assert.Zero(t, ttlOf(t, s, "k"))
	})
}

func TestCompareAndSwapComparesText(t *testing.T) {
	s := newStore(t)
	no(t)(s.CompareAndSwap(ctx, "k", nil, 1))
	no(t)(s.Has(ctx, "k"))
	require.NoError(t, s.Set(ctx, "k", nil))
	ok(t)(s.CompareAndSwap(ctx, "k", nil, map[string]int{"b": 1, "a": 2}))
	no(t)(s.CompareAndSwap(ctx, "k", map[string]int{"b": 1}, 3))
	ok(t)(s.CompareAndSwap(ctx, "k", json.RawMessage(` {"a": 2, "b": 1} `), 3))
	assert.Equal(t, "3", raw(t, s, "k"))
	ok(t)(s.CompareAndSwap(ctx, "k", int8(3), "x"))
	assert.Equal(t, `"x"`, raw(t, s, "k"))
}

func TestCompareAndDelete(t *testing.T) {
	s := newStore(t)
	no(t)(s.CompareAndDelete(ctx, "k", nil))
	require.NoError(t, s.Set(ctx, "k", "owner"))
	no(t)(s.CompareAndDelete(ctx, "k", "stranger"))
	assert.Equal(t, `"owner"`, raw(t, s, "k"))
	ok(t)(s.CompareAndDelete(ctx, "k", "owner"))
	no(t)(s.Has(ctx, "k"))
}

func TestConcurrentAtomicOperations(t *testing.T) {
	s := newStore(t)
	const goroutines, rounds = 50, 200
	var won, swapped [goroutines]int
	var wg sync.WaitGroup
	require.NoError(t, s.Set(ctx, "cas", 0))
	for g := range goroutines {
		wg.Go(func() {
			for i := range rounds {
				_, err := s.Incr(ctx, "n", 1)
				assert.NoError(t, err)
				if stored, _ := s.SetNX(ctx, "nx"+string(rune(i)), g); stored {
					won[g]++
				}
				for {
					n, _, _ := adaptor.Get[int](ctx, s, "cas")
					if done, _ := s.CompareAndSwap(ctx, "cas", n, n+1); done {
						swapped[g]++
						break
					}
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, "10000", raw(t, s, "n"), "50 goroutines × 200")
	assert.Equal(t, "10000", raw(t, s, "cas"))
	total := 0
	for _, n := range won {
		total += n
	}
	assert.Equal(t, rounds, total, "one winner per key")
}

// The case of the documentation.
func TestFiftyConcurrentIncr(t *testing.T) {
	s := newStore(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { _, _ = s.Incr(ctx, "k", 1) })
	}
	wg.Wait()
	assert.Equal(t, "50", raw(t, s, "k"))
}
