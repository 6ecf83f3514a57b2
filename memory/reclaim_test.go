package memory_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

// fillExpiring stores n entries that expire after ttl, and one entry that does not expire.
func fillExpiring(t testing.TB, kv *memory.MemoryKV, n int, ttl time.Duration) *adaptor.AtomicKVStore {
	t.Helper()
	s, err := kv.Namespace("fill")
	require.NoError(t, err)
	require.NoError(t, s.Set(ctx, "stays", 1))
	for i := range n {
		require.NoError(t, s.Set(ctx, fmt.Sprint(i), i, adaptor.WithTTL(ttl)))
	}
	return s
}

// In a MemoryKV that was never started, any write to any key removes expired entries.
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
			s := fillExpiring(t, kv, 1000, time.Second)
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

// A store releases its memory when its last entry is deleted.
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
	s := fillExpiring(t, kv, n, time.Hour)
	full := heap() - before
	for i := range n {
		require.NoError(t, s.Del(ctx, fmt.Sprint(i)))
	}
	require.NoError(t, s.Del(ctx, "stays"))
	assert.Less(t, int64(heap())-int64(before), int64(full/10))
	runtime.KeepAlive(kv)
}
