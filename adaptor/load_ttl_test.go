package adaptor_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

// The time to live of a result is the loader's, or else the handle's.
func TestTTLOfALoadedResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		handle := []adaptor.TypedOption{adaptor.DefaultTTL(time.Hour), adaptor.NoneTTL(time.Minute)}
		for _, tt := range []struct {
			name   string
			opts   []adaptor.TypedOption
			loaded adaptor.Loaded[int]
			want   time.Duration // 0: never expires; -1: not stored
		}{
			{"value", nil, adaptor.Loaded[int]{Value: 7}, 0},
			{"value, default", handle, adaptor.Loaded[int]{Value: 7}, time.Hour},
			{"value, the loader's", handle, adaptor.Loaded[int]{Value: 7, TTL: time.Second}, time.Second},
			{"none", nil, adaptor.Loaded[int]{None: true}, -1},
			{"none, default", handle, adaptor.Loaded[int]{None: true}, time.Minute},
			{"none, DefaultTTL does not apply", handle[:1], adaptor.Loaded[int]{None: true}, -1},
			{"none, the loader's", nil, adaptor.Loaded[int]{None: true, TTL: time.Second}, time.Second},
		} {
			require.NoError(t, s.Del(ctx, "k"))
			h := adaptor.Of[int](s, tt.opts...)
			loads := 0
			get := func() {
				t.Helper()
				value, found, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) {
					loads++
					return tt.loaded, nil
				})
				require.NoError(t, err, tt.name)
				require.Equal(t, !tt.loaded.None, found, tt.name)
				require.Equal(t, tt.loaded.Value, value, tt.name)
			}
			get()
			if tt.want < 0 {
				requireNothing(t, s, "k")
				continue
			}
			requireTTL(t, s, "k", tt.want)
			if tt.want == 0 {
				continue
			}
			time.Sleep(tt.want - time.Nanosecond)
			get()
			require.Equal(t, 1, loads, tt.name)
			time.Sleep(time.Nanosecond)
			get()
			require.Equal(t, 2, loads, tt.name)
		}
	})
}

// A write or a delete ends a remembered "none".
func TestWriteEndsARememberedNone(t *testing.T) {
	s := openMemory(t, "ns")
	h := adaptor.Of[int](s, adaptor.NoneTTL(time.Hour))
	for name, write := range map[string]func() error{
		"Del":           func() error { return h.Del(ctx, "k") },
		"a plain Del":   func() error { return s.Del(ctx, "k") },
		"Set":           func() error { return h.Set(ctx, "k", 7) },
		"another's Set": func() error { return adaptor.Of[int](s).Set(ctx, "k", 7) },
	} {
		require.NoError(t, s.Del(ctx, "k"))
		_, found, err := h.GetOrLoad(ctx, "k", none[int])
		require.NoError(t, err)
		require.False(t, found)
		_, found, err = h.GetOrLoad(ctx, "k", refuse[int](t))
		require.NoError(t, err)
		require.False(t, found)
		require.NoError(t, write(), name)
		value, found, err := h.GetOrLoad(ctx, "k", slowly(0, 7))
		require.NoError(t, err)
		assert.True(t, found, name)
		assert.Equal(t, 7, value, name)
	}
}

// Jitter shortens a time to live by at most its fraction, and only in GetOrLoad.
func TestJitterStaysWithinItsFraction(t *testing.T) {
	s := openMemory(t, "ns")
	for _, tt := range []struct {
		ttl         time.Duration
		fraction    float64
		least, most time.Duration
	}{
		{time.Hour, 0.1, 54 * time.Minute, time.Hour},
		{time.Hour, 0, time.Hour, time.Hour},
		{1, 0.999, time.Millisecond, time.Millisecond},
		{math.MaxInt64, 0.5, math.MaxInt64 / 2, math.MaxInt64},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := openMemory(t, "ns")
			h := adaptor.Of[int](s, adaptor.DefaultTTL(tt.ttl), adaptor.NoneTTL(tt.ttl), adaptor.Jitter(tt.fraction))
			for name, loaded := range map[string]adaptor.Loaded[int]{
				"value": {}, "none": {None: true}, "the loader's": {TTL: tt.ttl}, "none, the loader's": {None: true, TTL: tt.ttl},
			} {
				low, high := time.Duration(math.MaxInt64), time.Duration(0)
				for range 500 {
					require.NoError(t, s.Del(ctx, "k"))
					_, _, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) { return loaded, nil })
					require.NoError(t, err)
					ttl, _, err := s.TTL(ctx, "k")
					require.NoError(t, err)
					low, high = min(low, ttl), max(high, ttl)
				}
				assert.GreaterOrEqual(t, low, tt.least-time.Millisecond, name)
				assert.LessOrEqual(t, high, tt.most, name)
				if wide := tt.most - tt.least; wide > time.Second {
					assert.Greater(t, high-low, wide*9/10, "%s: the times to live are spread over the whole range", name)
				}
			}
		})
	}
	h := adaptor.Of[int](s, adaptor.DefaultTTL(time.Hour), adaptor.Jitter(0.9))
	require.NoError(t, h.Set(ctx, "k", 1))
	ttl, _, err := s.TTL(ctx, "k")
	require.NoError(t, err)
	assert.Greater(t, ttl, 59*time.Minute, "no jitter on Set")
}

// Invalid options are errors before the load, and invalid results are errors after it.
func TestInvalidOptionsAndResultsOfALoad(t *testing.T) {
	s := openMemory(t, "ns")
	for name, opt := range map[string]adaptor.TypedOption{
		"ttl": adaptor.DefaultTTL(0), "none ttl": adaptor.NoneTTL(-1), "jitter": adaptor.Jitter(-0.1),
		"load timeout": adaptor.LoadTimeout(0), "negative load timeout": adaptor.LoadTimeout(-time.Second),
	} {
		_, _, err := adaptor.Of[int](s, opt).GetOrLoad(ctx, "k", refuse[int](t))
		assert.ErrorIs(t, err, adaptor.ErrInvalidTTL, name)
	}
	h := adaptor.Of[float64](s)
	for code, loaded := range map[adaptor.Code]adaptor.Loaded[float64]{
		adaptor.CodeInvalidTTL:   {TTL: -1},
		adaptor.CodeInvalidValue: {Value: math.NaN()},
	} {
		_, found, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[float64], error) { return loaded, nil })
		assert.Equal(t, code, adaptor.CodeOf(err))
		assert.False(t, found)
		requireNothing(t, s, "k")
	}
	require.NoError(t, s.Set(ctx, "k", "no number"))
	_, found, err := h.GetOrLoad(ctx, "k", refuse[float64](t))
	assert.ErrorIs(t, err, adaptor.ErrInvalidValue)
	assert.False(t, found)
}
