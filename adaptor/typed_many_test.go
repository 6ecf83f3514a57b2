package adaptor_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

// leavePlaceholder leaves a placeholder at key that says that there is no value.
func leavePlaceholder[T any](t *testing.T, h adaptor.Typed[T], key string) {
	t.Helper()
	require.NoError(t, h.Del(ctx, key))
	_, found, err := h.GetOrLoad(ctx, key, none[T])
	require.NoError(t, err)
	require.False(t, found)
	has, err := h.Store().Has(ctx, key)
	require.NoError(t, err)
	require.True(t, has, "the plain store sees the placeholder")
}

func TestTypedMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[int](s, adaptor.DefaultTTL(time.Hour), adaptor.NoneTTL(time.Minute), adaptor.Jitter(0.9))
		require.NoError(t, h.SetMany(ctx, map[string]int{"a": 1, "b": 2, "": 3}))
		leavePlaceholder(t, h, "placeholder")

		results, err := h.GetMany(ctx, []string{"b", "missing", "placeholder", "", "a", "b"})
		require.NoError(t, err)
		assert.Equal(t, []adaptor.Result[int]{{Value: 2, Found: true}, {}, {}, {Value: 3, Found: true}, {Value: 1, Found: true}, {Value: 2, Found: true}}, results)
		for _, key := range []string{"a", "b", ""} {
			requireTTL(t, s, key, time.Hour) // the default, without jitter
		}

		var keys []string
		for key, err := range h.Keys(ctx) {
			require.NoError(t, err)
			keys = append(keys, key)
		}
		assert.ElementsMatch(t, []string{"a", "b", "", "placeholder"}, keys)

		require.NoError(t, h.DelMany(ctx, []string{"a", "missing", "placeholder"}))
		requireNothing(t, s, "a")
		requireNothing(t, s, "placeholder")
		require.NoError(t, h.Clear(ctx))
		requireNothing(t, s, "b")
		assert.Same(t, s, h.Store())
	})
}

// SetMany gives every entry the time to live that Set gives it.
func TestTypedSetManyTTL(t *testing.T) {
	values := map[string]int{"b": 2, "a": 1}
	for name, tt := range map[string]struct {
		handle []adaptor.TypedOption
		opts   []adaptor.Option
		want   string
	}{
		"none":         {nil, nil, `SetMany ["ns"] ["a" "b"] ["1" "2"] 0s`},
		"default":      {[]adaptor.TypedOption{adaptor.DefaultTTL(time.Hour)}, nil, `SetMany ["ns"] ["a" "b"] ["1" "2"] 1h0m0s`},
		"zero options": {[]adaptor.TypedOption{adaptor.DefaultTTL(time.Hour)}, []adaptor.Option{{}}, `SetMany ["ns"] ["a" "b"] ["1" "2"] 1h0m0s`},
		"WithTTL":      {[]adaptor.TypedOption{adaptor.DefaultTTL(-1)}, []adaptor.Option{adaptor.WithTTL(time.Second)}, `SetMany ["ns"] ["a" "b"] ["1" "2"] 1s`},
	} {
		b := &backend{}
		require.NoError(t, adaptor.Of[int](open(t, b), tt.handle...).SetMany(ctx, values, tt.opts...), name)
		assert.Equal(t, tt.want, b.last(), name)
	}
}

// SetMany WithKeepTTL keeps the deadline of a value, but not the deadline of a placeholder.
func TestTypedSetManyKeepsNoPlaceholdersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[int](s, adaptor.DefaultTTL(time.Hour), adaptor.NoneTTL(time.Minute))
		require.NoError(t, h.Set(ctx, "value", 1))
		leavePlaceholder(t, h, "placeholder")
		time.Sleep(time.Second)
		require.NoError(t, h.SetMany(ctx, map[string]int{"value": 2, "placeholder": 3, "new": 4}, adaptor.WithKeepTTL()))
		requireTTL(t, s, "value", time.Hour-time.Second)
		requireTTL(t, s, "placeholder", 0)
		requireTTL(t, s, "new", 0)
		results, err := h.GetMany(ctx, []string{"value", "placeholder", "new"})
		require.NoError(t, err)
		assert.Equal(t, []adaptor.Result[int]{{Value: 2, Found: true}, {Value: 3, Found: true}, {Value: 4, Found: true}}, results)
	})
}

// SetMany stores nothing if one argument is invalid, and names the first invalid key.
func TestTypedSetManyRefusesInvalidArguments(t *testing.T) {
	keep, ttl := adaptor.WithKeepTTL(), adaptor.WithTTL(time.Second)
	values := map[string]float64{"a": 1, "b": math.NaN(), "c": math.Inf(1), "d": 2}
	s := openMemory(t, "ns")
	h := adaptor.Of[float64](s)
	for _, opts := range [][]adaptor.Option{nil, {ttl}, {keep}} {
		for range 20 { // a map has no order
			err := h.SetMany(ctx, values, opts...)
			var e *adaptor.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, adaptor.CodeInvalidValue, e.Code)
			assert.Equal(t, "SetMany", e.Op)
			assert.Equal(t, "b", e.Key)
		}
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	for _, opts := range [][]adaptor.Option{{ttl, keep}, {keep, ttl}, {adaptor.WithTTL(0)}} {
		assert.ErrorIs(t, h.SetMany(canceled, values, opts...), adaptor.ErrInvalidTTL)
	}
	for _, opts := range [][]adaptor.Option{nil, {keep}} {
		assert.ErrorIs(t, h.SetMany(canceled, values, opts...), context.Canceled)
	}
	assert.ErrorIs(t, adaptor.Of[float64](s, adaptor.DefaultTTL(-1)).SetMany(ctx, values), adaptor.ErrInvalidTTL)
	for key := range values {
		requireNothing(t, s, key)
	}
	assert.NoError(t, h.SetMany(ctx, nil))
	assert.NoError(t, h.SetMany(ctx, nil, keep))
}

// SetMany reports the failed keys in the order of the sorted keys, and stores the others.
func TestTypedSetManyReportsFailedKeys(t *testing.T) {
	values := map[string]int{"d": 4, "a": 1, "c": 3, "b": 2}
	sorted := slices.Sorted(maps.Keys(values))
	for name, opts := range map[string][]adaptor.Option{"Set": nil, "WithKeepTTL": {adaptor.WithKeepTTL()}} {
		b := newBare()
		b.between = func(op, key string) error {
			if (key == "b" || key == "d") && op != "Get" {
				return errors.New("refused")
			}
			return nil
		}
		s, err := adaptor.NewAtomic(b).Namespace("ns")
		require.NoError(t, err)
		err = adaptor.Of[int](s).SetMany(ctx, values, opts...)
		assert.ErrorContains(t, err, `kv: SetMany in namespace "ns": STORE_OPERATION_FAILED: 2 of 4 keys failed`, name)
		var perKey adaptor.KeyErrors
		require.ErrorAs(t, err, &perKey)
		require.Len(t, perKey, 4)
		for i, key := range sorted {
			var e *adaptor.Error
			if key == "a" || key == "c" {
				assert.NoError(t, perKey[i])
			} else if assert.ErrorAs(t, perKey[i], &e) {
				assert.Equal(t, key, e.Key)
				assert.Equal(t, "SetMany", e.Op)
			}
		}
		assert.Equal(t, map[string]string{"a": "1", "c": "3"}, b.entries, name)
	}
}

func TestTypedManyOnNilAndZeroStores(t *testing.T) {
	for name, h := range map[string]adaptor.Typed[int]{"nil": adaptor.Of[int](nil), "zero": {}} {
		_, err := h.GetMany(ctx, []string{"k"})
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
		assert.ErrorIs(t, h.SetMany(ctx, map[string]int{"k": 1}), adaptor.ErrStoreOperationFailed, name)
		assert.ErrorIs(t, h.SetMany(ctx, map[string]int{"k": 1}, adaptor.WithKeepTTL()), adaptor.ErrStoreOperationFailed, name)
		assert.ErrorIs(t, h.DelMany(ctx, []string{"k"}), adaptor.ErrStoreOperationFailed, name)
		assert.ErrorIs(t, h.Clear(ctx), adaptor.ErrStoreOperationFailed, name)
		for _, err := range h.Keys(ctx) {
			assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
		}
		_, _, err = h.GetExpire(ctx, "k", time.Second)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
		assert.Nil(t, h.Store(), name)
	}
}
