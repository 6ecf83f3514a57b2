package memory_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newKV(t)
		assert.Zero(t, kv.Stats())
		s, err := kv.Namespace("n")
		require.NoError(t, err)
		require.NoError(t, s.Set(ctx, "key", "v", adaptor.WithTTL(time.Second)))
		require.NoError(t, s.Set(ctx, "k", 12345))
		stats := func() memory.Stats {
			st := kv.Stats()
			assert.Positive(t, st.Bytes)
			st.Bytes = 0
			return st
		}
		assert.Equal(t, memory.Stats{Entries: 2}, stats())
		raw(t, s, "key")
		ok(t)(s.Has(ctx, "k"))
		no(t)(s.Has(ctx, "x"))
		time.Sleep(time.Second)
		assert.Equal(t, memory.Stats{Entries: 2, Hits: 2, Misses: 1}, stats(), "unswept entries count")
		raw(t, s, "key")
		assert.Equal(t, memory.Stats{Entries: 2, Hits: 2, Misses: 2}, stats(), "a read removes nothing")
		require.NoError(t, s.Set(ctx, "k", 1))
		assert.Equal(t, memory.Stats{Entries: 1, Hits: 2, Misses: 2, Expired: 1}, stats(), "a write does")
		require.NoError(t, s.Del(ctx, "k"))
		assert.Equal(t, memory.Stats{Hits: 2, Misses: 2, Expired: 1}, stats())
	})
}

// Get, GetRaw, GetMany and Has count a hit or a miss for each key, whichever way they take: without the
// lock, or under it. Other operations count nothing.
func TestReadsAreCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newKV(t)
		s, err := kv.Namespace("n")
		require.NoError(t, err)
		texts := map[string]any{"number": 1, "short": "text", "long": strings.Repeat("x", 1000), "large": strings.Repeat("x", 5000)}
		for key, v := range texts {
			require.NoError(t, s.Set(ctx, key, v))
		}
		require.NoError(t, s.Set(ctx, "due", "text", adaptor.WithTTL(time.Second)))
		time.Sleep(time.Second)
		counts := func(hits, misses uint64, name string, read func()) {
			t.Helper()
			before := kv.Stats()
			read()
			after := kv.Stats()
			assert.Equal(t, [2]uint64{hits, misses}, [2]uint64{after.Hits - before.Hits, after.Misses - before.Misses}, name)
		}
		for key := range texts {
			for n := range 3 { // unread, read once, sealed
				counts(1, 0, "Has "+key, func() { ok(t)(s.Has(ctx, key)) })
				counts(1, 0, fmt.Sprint("GetRaw ", key, n), func() { raw(t, s, key) })
			}
			counts(1, 0, "Get "+key, func() { _, _, _ = adaptor.Get[any](ctx, s, key) })
		}
		for _, key := range []string{"none", "due"} {
			counts(0, 1, "Has "+key, func() { no(t)(s.Has(ctx, key)) })
			counts(0, 1, "GetRaw "+key, func() { raw(t, s, key) })
		}
		counts(4, 2, "GetMany", func() {
			_, err := s.GetMany(ctx, []string{"number", "none", "short", "long", "due", "large"})
			require.NoError(t, err)
		})
		counts(0, 0, "other operations", func() {
			for _, key := range []string{"number", "short", "none"} {
				_, _, err := s.TTL(ctx, key)
				require.NoError(t, err)
				_, err = s.Expire(ctx, key, time.Hour)
				require.NoError(t, err)
				_, err = s.Persist(ctx, key)
				require.NoError(t, err)
				_, err = s.SetNX(ctx, key, 1)
				require.NoError(t, err)
				_, err = s.CompareAndSwap(ctx, key, 1, 2)
				require.NoError(t, err)
				_, _, err = s.Swap(ctx, key, 1)
				require.NoError(t, err)
				_, err = s.Incr(ctx, key, 1)
				require.NoError(t, err)
				_, err = s.CompareAndDelete(ctx, key, 0)
				require.NoError(t, err)
				_, _, err = s.GetDel(ctx, key)
				require.NoError(t, err)
				require.NoError(t, s.Del(ctx, key))
			}
			for _, err := range s.Keys(ctx) {
				require.NoError(t, err)
			}
			require.NoError(t, s.Clear(ctx))
		})
	})
}

// Expired counts each entry that an operation removes because of its deadline, once, and no deleted entry.
func TestExpiredEntriesAreCountedOnce(t *testing.T) {
	for name, remove := range map[string]func(kv *memory.MemoryKV, s *adaptor.AtomicKVStore){
		"writes to the keys": func(_ *memory.MemoryKV, s *adaptor.AtomicKVStore) {
			for i := range 100 {
				require.NoError(t, s.Del(ctx, fmt.Sprint(i)))
			}
		},
		"writes to a counter": func(_ *memory.MemoryKV, s *adaptor.AtomicKVStore) {
			for range 1000 {
				_, _ = s.Incr(ctx, "n", 1)
			}
		},
		"a batch": func(_ *memory.MemoryKV, s *adaptor.AtomicKVStore) {
			keys := make([]string, 100)
			for i := range keys {
				keys[i] = fmt.Sprint(i)
			}
			require.NoError(t, s.DelMany(ctx, keys))
		},
		"a sweep": func(kv *memory.MemoryKV, _ *adaptor.AtomicKVStore) {
			require.NoError(t, kv.Start(ctx))
			time.Sleep(time.Minute)
			synctest.Wait()
			require.NoError(t, kv.Stop(ctx))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			kv := newKV(t)
			s, err := kv.Namespace("n")
			require.NoError(t, err)
			for i := range 110 {
				require.NoError(t, s.Set(ctx, fmt.Sprint(i), i, adaptor.WithTTL(time.Second)))
			}
			for i := range 10 {
				require.NoError(t, s.Del(ctx, fmt.Sprint(100+i)))
			}
			time.Sleep(time.Second)
			remove(kv, s)
			assert.Equal(t, uint64(100), kv.Stats().Expired, name)
		})
	}
}
