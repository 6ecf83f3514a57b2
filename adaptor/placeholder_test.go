package adaptor_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

// placeholderText is the placeholder of GetOrLoad at a key for which there is no value.
const placeholderText = ` "kv:none"`

// Operations of a plain store that return a value do not return a placeholder.
func TestStoreReturnsNoPlaceholder(t *testing.T) {
	store := openMemory(t, "ns")
	users := adaptor.Of[string](store, adaptor.NoneTTL(time.Hour))
	remember := func(key string) {
		_, found, err := users.GetOrLoad(ctx, key, func(context.Context) (adaptor.Loaded[string], error) {
			return adaptor.Loaded[string]{None: true}, nil
		})
		require.NoError(t, err)
		require.False(t, found)
		has, err := store.Has(ctx, key)
		require.NoError(t, err)
		require.True(t, has, "there is a placeholder")
	}
	for name, read := range map[string]func() (any, bool, error){
		"GetRaw": func() (any, bool, error) { return store.GetRaw(ctx, "k") },
		"GetDel": func() (any, bool, error) { return store.GetDel(ctx, "k") },
		"Swap":   func() (any, bool, error) { return store.Swap(ctx, "k", "v") },
		"GetMany": func() (any, bool, error) {
			results, err := store.GetMany(ctx, []string{"k"})
			return results[0].Value, results[0].Found, err
		},
	} {
		require.NoError(t, store.Del(ctx, "k"))
		remember("k")
		value, found, err := read()
		require.NoError(t, err, name)
		assert.False(t, found, name)
		assert.Empty(t, value, name)
	}
}

// Every method of a handle, Get and GetRaw treat a placeholder as a missing key.
func TestTypedTreatsAPlaceholderAsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[int](s, adaptor.NoneTTL(time.Minute))
		remember := func() {
			t.Helper()
			require.NoError(t, s.Del(ctx, "k"))
			_, found, err := h.GetOrLoad(ctx, "k", none[int])
			require.NoError(t, err)
			require.False(t, found)
			there, err := s.Has(ctx, "k")
			require.NoError(t, err)
			require.True(t, there, "the plain store sees the placeholder")
		}

		remember()
		_, found, err := h.Get(ctx, "k")
		assert.NoError(t, err)
		assert.False(t, found)
		_, found, err = adaptor.Get[any](ctx, s, "k")
		assert.NoError(t, err)
		assert.False(t, found)
		_, found, err = s.GetRaw(ctx, "k")
		assert.NoError(t, err)
		assert.False(t, found)
		found, err = h.Has(ctx, "k")
		assert.NoError(t, err)
		assert.False(t, found)
		swapped, err := h.CompareAndSwap(ctx, "k", 0, 1)
		assert.NoError(t, err)
		assert.False(t, swapped)

		found, err = h.Expire(ctx, "k", time.Hour)
		assert.NoError(t, err)
		assert.False(t, found)
		time.Sleep(time.Minute)
		found, err = s.Has(ctx, "k")
		assert.NoError(t, err)
		assert.False(t, found, "Expire must not prolong a placeholder")

		remember()
		stored, err := h.SetNX(ctx, "k", 1, adaptor.WithTTL(time.Hour))
		assert.NoError(t, err)
		assert.True(t, stored)
		requireTTL(t, s, "k", time.Hour)

		remember()
		require.NoError(t, h.Set(ctx, "k", 2, adaptor.WithKeepTTL()))
		requireTTL(t, s, "k", 0) // not the placeholder's deadline

		remember()
		require.NoError(t, s.Set(ctx, "k", 3)) // through the plain store
		got, _, err := h.GetOrLoad(ctx, "k", none[int])
		assert.NoError(t, err)
		assert.Equal(t, 3, got)
	})
}

// No stored value of a user is taken for a placeholder.
func TestStoredValueIsNeverAPlaceholder(t *testing.T) {
	s := openMemory(t, "ns")
	require.NoError(t, s.Set(ctx, "k", "kv:none"))
	_, found, err := s.GetRaw(ctx, "k")
	require.NoError(t, err)
	assert.True(t, found)
	require.NoError(t, s.Set(ctx, "k", rawJSON(placeholderText)))
	text, found, err := s.GetRaw(ctx, "k")
	require.NoError(t, err)
	assert.True(t, found, "Set compacts the text")
	assert.Equal(t, `"kv:none"`, string(text))
}

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// Expire of a handle does not change a placeholder: callers still share the load, and a remembered "none"
// keeps its deadline.
func TestTypedExpireKeepsAPlaceholder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := adaptor.Of[int](openMemory(t, "ns"), adaptor.NoneTTL(time.Minute))
		expire := func(key string) {
			for _, ttl := range []time.Duration{time.Millisecond, time.Hour} {
				found, err := h.Expire(ctx, key, ttl)
				assert.NoError(t, err)
				assert.False(t, found)
			}
		}
		var loads atomic.Int64
		together(3, func(i int) {
			time.Sleep(time.Duration(i) * time.Second)
			if i == 1 {
				expire("k")
				return
			}
			_, _, err := h.GetOrLoad(ctx, "k", counted(&loads, slowly(10*time.Second, 7)))
			assert.NoError(t, err)
		})
		assert.EqualValues(t, 1, loads.Load())

		_, _, err := h.GetOrLoad(ctx, "none", none[int])
		require.NoError(t, err)
		expire("none")
		time.Sleep(time.Minute - 1)
		_, found, err := h.GetOrLoad(ctx, "none", refuse[int](t))
		require.NoError(t, err)
		assert.False(t, found)
		time.Sleep(time.Nanosecond)
		_, found, err = h.GetOrLoad(ctx, "none", slowly(0, 7))
		require.NoError(t, err)
		assert.True(t, found)
	})
}

// Swap WithKeepTTL over a placeholder stores a new entry, which never expires.
func TestSwapKeepsNoDeadlineOfAPlaceholder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[string](s, adaptor.NoneTTL(time.Minute))
		_, _, err := h.GetOrLoad(ctx, "k", none[string])
		require.NoError(t, err)
		_, found, err := s.Swap(ctx, "k", "v", adaptor.WithKeepTTL())
		require.NoError(t, err)
		assert.False(t, found)
		time.Sleep(time.Hour)
		value, _, err := h.Get(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, "v", value)
	})
}
