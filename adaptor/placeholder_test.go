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

// placeholderText is what GetOrLoad leaves at a key of which there is none.
const placeholderText = ` "kv:none"`

// What returns a value returns no note.
func TestNotesAreNoValues(t *testing.T) {
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
		require.True(t, has, "there is a note")
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

// A note at a key is a missing key, to every method of a handle and to Get and GetRaw.
func TestANoteIsAMissingKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[int](s, adaptor.NoneTTL(time.Minute))
		note := func() {
			t.Helper()
			require.NoError(t, s.Del(ctx, "k"))
			_, found, err := h.GetOrLoad(ctx, "k", none[int])
			require.NoError(t, err)
			require.False(t, found)
			there, err := s.Has(ctx, "k")
			require.NoError(t, err)
			require.True(t, there, "the plain store sees an entry")
		}

		note()
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
		assert.False(t, found, "Expire must not make a note live on")

		note()
		stored, err := h.SetNX(ctx, "k", 1, adaptor.WithTTL(time.Hour))
		assert.NoError(t, err)
		assert.True(t, stored)
		requireTTL(t, s, "k", time.Hour)

		note()
		require.NoError(t, h.Set(ctx, "k", 2, adaptor.WithKeepTTL()))
		requireTTL(t, s, "k", 0) // not the note's

		note()
		require.NoError(t, s.Set(ctx, "k", 3)) // a plain store's Set
		got, _, err := h.GetOrLoad(ctx, "k", none[int])
		assert.NoError(t, err)
		assert.Equal(t, 3, got)
	})
}

// What a user stores is never taken for a note.
func TestNoValueIsANote(t *testing.T) {
	s := openMemory(t, "ns")
	require.NoError(t, s.Set(ctx, "k", "kv:none"))
	_, found, err := s.GetRaw(ctx, "k")
	require.NoError(t, err)
	assert.True(t, found)
	require.NoError(t, s.Set(ctx, "k", rawJSON(placeholderText)))
	text, found, err := s.GetRaw(ctx, "k")
	require.NoError(t, err)
	assert.True(t, found, "text is compacted when it is stored")
	assert.Equal(t, `"kv:none"`, string(text))
}

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// Expire of a handle leaves a note as it is: the load goes on alone, "none" is remembered, and nothing lives longer.
func TestExpireLeavesNotes(t *testing.T) {
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

// To Swap a note is a missing key, and a new entry has no deadline to keep.
func TestSwapKeepsNoNotesDeadline(t *testing.T) {
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
