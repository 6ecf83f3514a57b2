package adaptor_test

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

func openMemory(t testing.TB, name string) *adaptor.AtomicKVStore {
	t.Helper()
	s, err := newKV().Namespace(name)
	require.NoError(t, err)
	return s
}

// A write of a handle has DefaultTTL unless the call has a time to live.
func TestDefaultTTL(t *testing.T) {
	set := func(h adaptor.Typed[int], opts ...adaptor.Option) error { return h.Set(ctx, "k", 1, opts...) }
	setNX := func(h adaptor.Typed[int], opts ...adaptor.Option) error {
		_, err := h.SetNX(ctx, "k", 1, opts...)
		return err
	}
	swap := func(h adaptor.Typed[int], opts ...adaptor.Option) error {
		_, err := h.CompareAndSwap(ctx, "k", 1, 2, opts...)
		return err
	}
	hour, keep := adaptor.DefaultTTL(time.Hour), adaptor.WithKeepTTL()
	for _, tt := range []struct {
		name   string
		call   func(adaptor.Typed[int], ...adaptor.Option) error
		handle []adaptor.TypedOption
		opts   []adaptor.Option
		want   string
	}{
		{"none", set, nil, nil, `Set ["ns"] "k" 1 0s`},
		{"default", set, []adaptor.TypedOption{hour}, nil, `Set ["ns"] "k" 1 1h0m0s`},
		{"default", setNX, []adaptor.TypedOption{hour}, nil, `SetNX ["ns"] "k" 1 1h0m0s`},
		{"default", swap, []adaptor.TypedOption{hour}, nil, `CompareAndSwap ["ns"] "k" 1 2 1h0m0s`},
		{"rounded up", set, []adaptor.TypedOption{adaptor.DefaultTTL(1)}, nil, `Set ["ns"] "k" 1 1ms`},
		{"zero options", set, []adaptor.TypedOption{{}, hour, {}}, []adaptor.Option{{}, {}}, `Set ["ns"] "k" 1 1h0m0s`},
		{"the last counts", set, []adaptor.TypedOption{adaptor.DefaultTTL(1), hour}, nil, `Set ["ns"] "k" 1 1h0m0s`},
		{"WithTTL", set, []adaptor.TypedOption{hour}, []adaptor.Option{adaptor.WithTTL(time.Second)}, `Set ["ns"] "k" 1 1s`},
		{"WithTTL", setNX, []adaptor.TypedOption{hour}, []adaptor.Option{{}, adaptor.WithTTL(time.Second)}, `SetNX ["ns"] "k" 1 1s`},
		{"WithTTL", swap, []adaptor.TypedOption{hour}, []adaptor.Option{adaptor.WithTTL(time.Second)}, `CompareAndSwap ["ns"] "k" 1 2 1s`},
		{"WithTTL over a bad default", set, []adaptor.TypedOption{adaptor.DefaultTTL(-1)}, []adaptor.Option{adaptor.WithTTL(time.Second)}, `Set ["ns"] "k" 1 1s`},
		{"WithKeepTTL", swap, []adaptor.TypedOption{hour}, []adaptor.Option{keep}, `CompareAndSwap ["ns"] "k" 1 2 -1ns`},
		{"WithKeepTTL, new", set, []adaptor.TypedOption{hour}, []adaptor.Option{keep}, `SetNX ["ns"] "k" 1 0s`},
	} {
		b := &backend{}
		require.NoError(t, tt.call(adaptor.Of[int](open(t, b), tt.handle...), tt.opts...), tt.name)
		assert.Equal(t, tt.want, b.last(), tt.name)
	}
	for name, ttl := range map[string]time.Duration{"zero": 0, "negative": -1, "least": math.MinInt64} {
		for _, call := range []func(adaptor.Typed[int], ...adaptor.Option) error{set, setNX, swap} {
			b := &backend{}
			h := adaptor.Of[int](open(t, b), adaptor.DefaultTTL(ttl))
			assert.ErrorIs(t, call(h), adaptor.ErrInvalidTTL, name)
			assert.Equal(t, "nothing", b.last(), name)
			assert.ErrorIs(t, h.Err(), adaptor.ErrInvalidTTL, name)
		}
	}
}

// The methods of a handle refuse the same options and values as the methods of its store.
func TestTypedRefusesInvalidArguments(t *testing.T) {
	ttl, keep := adaptor.WithTTL(time.Second), adaptor.WithKeepTTL()
	h := adaptor.Of[float64](openMemory(t, "ns"), adaptor.DefaultTTL(time.Hour))
	for _, opts := range [][]adaptor.Option{{ttl, keep}, {keep, ttl}, {ttl, ttl}, {adaptor.WithTTL(0)}} {
		assert.ErrorIs(t, h.Set(ctx, "k", 1, opts...), adaptor.ErrInvalidTTL)
		_, err := h.SetNX(ctx, "k", 1, opts...)
		assert.ErrorIs(t, err, adaptor.ErrInvalidTTL)
		_, err = h.CompareAndSwap(ctx, "k", 1, 2, opts...)
		assert.ErrorIs(t, err, adaptor.ErrInvalidTTL)
	}
	_, err := h.SetNX(ctx, "k", 1, keep)
	assert.ErrorIs(t, err, adaptor.ErrInvalidTTL, "nothing to keep")
	assert.ErrorIs(t, h.Set(ctx, "k", math.NaN()), adaptor.ErrInvalidValue)
	assert.ErrorIs(t, h.Set(ctx, "k", math.NaN(), keep), adaptor.ErrInvalidValue)
	_, err = h.Expire(ctx, "k", 0)
	assert.ErrorIs(t, err, adaptor.ErrInvalidTTL)
	has, err := h.Has(ctx, "k")
	assert.NoError(t, err)
	assert.False(t, has, "nothing changed")
}

func TestTypedErr(t *testing.T) {
	s := open(t, &backend{})
	for name, tt := range map[string]struct {
		h    adaptor.Typed[int]
		want string
	}{
		"ttl":      {adaptor.Of[int](s, adaptor.DefaultTTL(-time.Second)), `kv: Of in namespace "ns": INVALID_TTL: the ttl must be positive, got -1s`},
		"none ttl": {adaptor.Of[int](s, adaptor.NoneTTL(0)), `kv: Of in namespace "ns": INVALID_TTL: the ttl must be positive, got 0s`},
		"jitter":   {adaptor.Of[int](s, adaptor.Jitter(1)), `kv: Of in namespace "ns": INVALID_TTL: the jitter must be at least 0 and below 1, got 1`},
		"NaN":      {adaptor.Of[int](s, adaptor.Jitter(math.NaN())), `kv: Of in namespace "ns": INVALID_TTL: the jitter must be at least 0 and below 1, got NaN`},
		"nil":      {adaptor.Of[int](nil), `kv: Of: STORE_OPERATION_FAILED: the store is nil or was not opened by Namespace`},
		"zero":     {adaptor.Typed[int]{}, `kv: Of: STORE_OPERATION_FAILED: the store is nil or was not opened by Namespace`},
	} {
		assert.EqualError(t, tt.h.Err(), tt.want, name)
	}
	good := adaptor.Of[int](s, adaptor.DefaultTTL(1), adaptor.NoneTTL(1), adaptor.Jitter(0.999))
	assert.NoError(t, good.Err())
}

func TestTypedOnNilAndZeroStores(t *testing.T) {
	half := &adaptor.AtomicKVStore{KVStore: open(t, &backend{}).KVStore}
	for name, h := range map[string]adaptor.Typed[int]{"nil": adaptor.Of[int](nil), "zero": {}, "half": adaptor.Of[int](half)} {
		_, err := h.SetNX(ctx, "k", 1)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
		_, err = h.CompareAndSwap(ctx, "k", 1, 2)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
		_, err = h.Has(ctx, "k")
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
		assert.ErrorIs(t, h.Set(ctx, "k", 1, adaptor.WithKeepTTL()), adaptor.ErrStoreOperationFailed, name)
		_, _, err = h.GetOrLoad(ctx, "k", nil)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
		if name != "half" {
			_, _, err = h.Get(ctx, "k")
			assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
			assert.ErrorIs(t, h.Set(ctx, "k", 1), adaptor.ErrStoreOperationFailed, name)
			assert.ErrorIs(t, h.Del(ctx, "k"), adaptor.ErrStoreOperationFailed, name)
			_, err = h.Expire(ctx, "k", 1)
			assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
		}
	}
}

func TestTypedRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "users")
		users := adaptor.Of[User](s, adaptor.DefaultTTL(time.Hour))
		ada, byron := User{"42", "Ada"}, User{"42", "Ada Byron"}

		stored, err := users.SetNX(ctx, "42", ada)
		require.NoError(t, err)
		assert.True(t, stored)
		stored, err = users.SetNX(ctx, "42", byron)
		require.NoError(t, err)
		assert.False(t, stored)
		swapped, err := users.CompareAndSwap(ctx, "42", ada, byron, adaptor.WithTTL(time.Minute))
		require.NoError(t, err)
		assert.True(t, swapped)
		requireTTL(t, s, "42", time.Minute)

		time.Sleep(time.Second)
		require.NoError(t, users.Set(ctx, "42", ada, adaptor.WithKeepTTL()))
		requireTTL(t, s, "42", time.Minute-time.Second)
		got, found, err := users.Get(ctx, "42")
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, ada, got)

		alive, err := users.Expire(ctx, "42", 2*time.Hour)
		require.NoError(t, err)
		assert.True(t, alive)
		requireTTL(t, s, "42", 2*time.Hour)
		time.Sleep(2 * time.Hour)
		has, err := users.Has(ctx, "42")
		require.NoError(t, err)
		assert.False(t, has)

		require.NoError(t, users.Set(ctx, "42", ada))
		requireTTL(t, s, "42", time.Hour)
		require.NoError(t, users.Del(ctx, "42"))
		has, err = users.Has(ctx, "42")
		require.NoError(t, err)
		assert.False(t, has)
	})
}

// Expire sets the deadline of a value that other callers replace concurrently, and returns the store's errors.
func TestTypedExpireOfAChangingValue(t *testing.T) {
	p := newShelf().process()
	h := adaptor.Of[int](p.store(t))
	require.NoError(t, h.Set(ctx, "k", 1))
	rewrites := 3
	p.pause = func(op string) {
		if op == "CompareAndSwap" && rewrites > 0 {
			rewrites--
			p.entries["k"] = shelved{text: string(rune('5' + rewrites))}
		}
	}
	found, err := h.Expire(ctx, "k", time.Hour)
	require.NoError(t, err)
	assert.True(t, found)
	assert.False(t, p.entries["k"].deadline.IsZero())

	for _, op := range []string{"Get", "CompareAndSwap"} {
		p.fail = func(o string) error {
			if o == op {
				return driver.Unknown(errors.New("no answer"))
			}
			return nil
		}
		found, err = h.Expire(ctx, "k", time.Hour)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		assert.False(t, found)
	}
}

func requireTTL(t *testing.T, s *adaptor.AtomicKVStore, key string, want time.Duration) {
	t.Helper()
	ttl, found, err := s.TTL(ctx, key)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, want, ttl)
}

// A handle allocates no more than its store.
func TestTypedAllocatesNothing(t *testing.T) {
	s := openMemory(t, "ns")
	h := adaptor.Of[User](s, adaptor.DefaultTTL(time.Hour))
	ada := User{"42", "Ada"}
	require.NoError(t, h.Set(ctx, "k", ada))
	for name, tt := range map[string]struct{ typed, plain func() }{
		"Get":              {func() { _, _, _ = h.Get(ctx, "k") }, func() { _, _, _ = adaptor.Get[User](ctx, s, "k") }},
		"GetOrLoad, a hit": {func() { _, _, _ = h.GetOrLoad(ctx, "k", none[User]) }, func() { _, _, _ = adaptor.Get[User](ctx, s, "k") }},
		"Set":              {func() { _ = h.Set(ctx, "k", ada) }, func() { _ = s.Set(ctx, "k", ada, adaptor.WithTTL(time.Hour)) }},
		"CompareAndSwap":   {func() { _, _ = h.CompareAndSwap(ctx, "k", ada, ada) }, func() { _, _ = s.CompareAndSwap(ctx, "k", ada, ada) }},
		"Has":              {func() { _, _ = h.Has(ctx, "k") }, func() { _, _, _ = s.GetRaw(ctx, "k") }},
		"Del":              {func() { _ = h.Del(ctx, "x") }, func() { _ = s.Del(ctx, "x") }},
		"Of":               {func() { _ = adaptor.Of[User](s, adaptor.DefaultTTL(time.Hour)) }, func() {}},
	} {
		assert.LessOrEqual(t, allocs(tt.typed), allocs(tt.plain), name)
	}
}

// allocs returns the smallest of some counts, because pools drop items at random under the race detector.
func allocs(f func()) float64 {
	least := math.Inf(1)
	for range 100 {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}
