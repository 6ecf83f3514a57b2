package memory

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Removed entries are stored between live entries of another namespace. Clear, a batch of deletes
// and a sweep give their memory back: the rest takes little more than in a MemoryKV that never had
// the others.
func TestRemovedEntriesBetweenLiveEntriesTakeNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		const entries = 3000
		keys := make([]string, entries)
		for i := range keys {
			keys[i] = fmt.Sprint("key", i)
		}
		removals := map[string]func(s *store){
			"Clear":         func(s *store) { require.NoError(t, s.Clear(ctx, false)) },
			"ClearTree":     func(s *store) { require.NoError(t, s.Clear(ctx, true)) },
			"DelMany":       func(s *store) { require.Nil(t, s.DelMany(ctx, keys)) },
			"a sweep":       func(s *store) { time.Sleep(time.Hour); s.kv.sweep(nil) },
			"GetDel":        func(s *store) { each(t, keys, func(key string) error { _, _, err := s.GetDel(ctx, key); return err }) },
			"Del":           func(s *store) { each(t, keys, func(key string) error { return s.Del(ctx, key) }) },
			"a short Clear": func(s *store) { _ = s.Clear(endingAfter(1000), false); require.NoError(t, s.Clear(ctx, false)) },
		}
		// Del and DelMany leave garbage of up to a half of the log. Clear and sweeps leave an eighth. In addition, the last
		// segment of a shard may have room for a quarter of its log.
		most := map[string]float64{"DelMany": 2.6, "Del": 2.6, "GetDel": 2.6}
		for _, n := range []int{10, 300, 5000} {
			for _, config := range []Config{{}, {MaxBytes: 8 << 20}} { // 64 shards, 8 shards
				if config.MaxBytes > 0 && n == 5000 {
					continue // more than fits
				}
				fill := func(both bool) *store {
					s := openStore(t, config)
					o, err := opener{s.kv}.OpenAtomic([]string{"other"})
					require.NoError(t, err)
					for i := range entries {
						if both {
							require.NoError(t, s.Set(ctx, keys[i], textOf(i, n), time.Hour))
						}
						if i%3 == 0 {
							require.NoError(t, o.Set(ctx, keys[i], textOf(i, n), driver.NoTTL))
						}
					}
					return s
				}
				alone := fill(false).kv.Stats()
				for name, remove := range removals {
					s := fill(true)
					remove(s)
					verify(t, s.kv)
					stats := s.kv.Stats()
					require.Equal(t, alone.Entries, stats.Entries, name)
					limit := 1.5
					if most[name] > 0 {
						limit = most[name]
					}
					slack := int64(len(s.kv.shards) * (maxEmptySegment + segmentCost)) // a partly filled segment per shard
					if most[name] > 0 {
						slack += int64(len(s.kv.shards) * minGarbage)
					}
					assert.LessOrEqual(t, stats.Bytes, int64(limit*float64(alone.Bytes))+slack,
						"%s of texts of %d bytes; alone, the rest takes %d bytes", name, n, alone.Bytes)
					o, err := opener{s.kv}.OpenAtomic([]string{"other"})
					require.NoError(t, err)
					for i := 0; i < entries; i += 3 {
						got, found, err := o.Get(ctx, keys[i])
						require.NoError(t, err)
						require.True(t, found && bytes.Equal(textOf(i, n), got))
					}
				}
			}
		}
	})
}

func each(t *testing.T, keys []string, f func(key string) error) {
	t.Helper()
	for _, key := range keys {
		require.NoError(t, f(key))
	}
}

// The last removal gives back the whole memory, whatever the operation.
func TestEmptyMemoryKVTakesLittleMemory(t *testing.T) {
	ctx := context.Background()
	keys, values := make([]string, 3000), make([][]byte, 3000)
	for i := range keys {
		keys[i], values[i] = fmt.Sprint(i), textOf(i, 10+i%500)
	}
	for name, remove := range map[string]func(s *store){
		"Clear":   func(s *store) { require.NoError(t, s.Clear(ctx, false)) },
		"DelMany": func(s *store) { require.Nil(t, s.DelMany(ctx, keys)) },
		"GetDel":  func(s *store) { each(t, keys, func(key string) error { _, _, err := s.GetDel(ctx, key); return err }) },
		"CompareAndDelete": func(s *store) {
			for i, key := range keys {
				_, err := s.CompareAndDelete(ctx, key, values[i])
				require.NoError(t, err)
			}
		},
	} {
		s := openStore(t, Config{})
		batch := make([][]byte, len(values))
		for i := range values {
			batch[i] = bytes.Clone(values[i])
		}
		require.Nil(t, s.SetMany(ctx, keys, batch, driver.NoTTL))
		remove(s)
		verify(t, s.kv)
		assert.Zero(t, s.kv.Stats().Entries)
		for i := range s.kv.shards {
			sh := &s.kv.shards[i]
			assert.LessOrEqual(t, len(sh.view.Load().buckets), 4*minBuckets, name)
			assert.LessOrEqual(t, sh.log.sharedBytes, maxEmptySegment, "%s: one empty segment may stay", name)
		}
	}
}

// The current segment becomes empty before the other segments. When the others are gone, it is too long
// for an empty log.
func TestEmptyLogKeepsNoLongSegment(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 2<<20 - 1}) // one shard
	log := &s.kv.shards[0].log
	var keys []string
	for i := 0; len(keys) < 3000 || log.segments[log.current].room() < maxSegment*15/16; i++ {
		keys = append(keys, fmt.Sprint(i))
		require.NoError(t, s.Set(ctx, keys[i], textOf(i, 100), driver.NoTTL))
	}
	require.Equal(t, maxSegment, log.segments[log.current].length)
	each(t, currentKeys(s, keys), func(key string) error { return s.Del(ctx, key) })
	require.NotZero(t, log.current, "an empty segment stays, because the log is long")
	require.Zero(t, log.segments[log.current].live)
	each(t, keys, func(key string) error { return s.Del(ctx, key) })
	assert.LessOrEqual(t, log.sharedBytes, maxEmptySegment)
	verify(t, s.kv)
}
