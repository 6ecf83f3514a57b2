package adaptor_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

// A bounded memory store evicts nothing: a cache in a full store stops caching, and OnUnstored hears
// of each load. The three remedies in the documentation of GetOrLoad help.
func TestACacheInAFullStoreStopsCaching(t *testing.T) { synctest.Test(t, cacheInAFullStore) }

func cacheInAFullStore(t *testing.T) {
	open := func(config memory.Config) *memory.MemoryKV {
		kv, err := memory.New(config)
		require.NoError(t, err)
		return kv
	}
	const bound = 64 << 10
	// fill stores 10,000 entries, or fewer if the store is full before.
	fill := func(kv *memory.MemoryKV, opts ...adaptor.Option) (isFull bool) {
		s, err := kv.Namespace("other")
		require.NoError(t, err)
		for i := range 10_000 {
			if err = s.Set(ctx, fmt.Sprint(i), "entry", opts...); err != nil {
				require.ErrorIs(t, err, memory.ErrFull)
				return true
			}
		}
		return false
	}
	// read reads the same key a hundred times, and returns the numbers of loads and of reports.
	read := func(kv *memory.MemoryKV) (loads, unstored int) {
		s, err := kv.Namespace("cache")
		require.NoError(t, err)
		h := adaptor.Of[string](s, adaptor.DefaultTTL(time.Hour), adaptor.OnUnstored(func(_ context.Context, err error) {
			assert.ErrorIs(t, err, memory.ErrFull)
			unstored++
		}))
		for range 100 {
			value, found, err := h.GetOrLoad(ctx, "hot", func(context.Context) (adaptor.Loaded[string], error) {
				loads++
				return adaptor.Loaded[string]{Value: "value"}, nil
			})
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, "value", value)
		}
		return loads, unstored
	}

	full := open(memory.Config{MaxBytes: bound})
	require.True(t, fill(full))
	loads, unstored := read(full)
	assert.Equal(t, 100, loads)
	assert.Equal(t, 100, unstored)

	for name, kv := range map[string]*memory.MemoryKV{
		"a TTL":            open(memory.Config{MaxBytes: bound}),
		"a bigger bound":   open(memory.Config{MaxBytes: 100 * bound}),
		"its own MemoryKV": open(memory.Config{MaxBytes: bound}),
	} {
		switch name {
		case "a TTL":
			require.True(t, fill(kv, adaptor.WithTTL(time.Hour)))
			time.Sleep(time.Hour)
		case "a bigger bound":
			require.False(t, fill(kv))
		}
		loads, unstored = read(kv)
		assert.Equal(t, 1, loads, name)
		assert.Zero(t, unstored, name)
	}
}
