package memory

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// verify fails if the parts of a MemoryKV are inconsistent. No other goroutine may use the
// MemoryKV.
func verify(t testing.TB, m *MemoryKV) {
	t.Helper()
	held := 0
	for i := range m.shards {
		s := &m.shards[i]
		require.True(t, s.mu.TryLock(), "an operation has left a shard locked")
		s.mu.Unlock()
		v := s.view.Load()
		held += len(v.buckets) * bucketSize

		// The index contains each record once, in its home bucket or in a later one. The buckets in
		// between count the entry in their overflow count.
		slots := map[ref]bool{}
		overflows := make([]uint64, len(v.buckets))
		for i := range v.buckets {
			b := &v.buckets[i]
			for at, slot := range b.slots {
				require.Equal(t, slot == 0, b.tags>>(8*at)&0xff == 0)
				if slot == 0 {
					continue
				}
				hash, r := uint32(b.slots[at]>>32), ref(b.slots[at])
				require.Equal(t, tagOf(hash), b.tags>>(8*at)&0xff)
				for q := v.home(hash); q != i; q = v.next(q) {
					overflows[q]++
				}
				slots[r] = true
				require.False(t, s.log.at(r).isDead())
				require.Equal(t, m.recordHash(s.log.at(r)), hash)
			}
		}
		require.Len(t, slots, s.index.count)
		for i := range v.buckets {
			if counted := v.buckets[i].tags / overflowUnit; counted < 255 {
				require.Equal(t, overflows[i], counted)
			}
		}

		// The log's segments consist of live and dead records, and both are counted. The view
		// contains each segment, and no segment number is free and used.
		sharedBytes, garbage, records := 0, 0, 0
		free := map[uint32]bool{}
		for _, number := range append(slices.Clone(s.log.freeNumbers), s.log.retiredNumbers...) {
			require.False(t, free[number])
			free[number] = true
		}
		for number := 1; number < len(s.log.segments); number++ {
			g := &s.log.segments[number]
			first := v.segments[number].Load()
			require.Equal(t, g.length == 0, free[uint32(number)])
			require.Equal(t, g.length == 0, first == nil)
			if g.length == 0 {
				continue
			}
			require.GreaterOrEqual(t, g.reserved, g.length+segmentCost)
			held += g.reserved
			if g.single {
				require.True(t, slots[refTo(uint32(number), 0)])
				records++
				continue
			}
			sharedBytes += g.length
			garbage += g.garbage()
			live, offset := 0, 0
			for offset < int(g.end) {
				r := first.atOffset(refTo(0, offset))
				if !r.isDead() {
					require.True(t, slots[refTo(uint32(number), offset)])
					live += r.size()
					records++
				}
				offset += r.size()
			}
			require.Equal(t, int(g.end), offset)
			require.Equal(t, int(g.live), live)
		}
		require.Equal(t, s.index.count, records)
		require.Equal(t, s.log.sharedBytes, sharedBytes)
		require.Equal(t, s.log.garbage, garbage)

		// The wheel contains each record with a deadline once, in a bucket that is not too late.
		onIt := map[ref]bool{}
		next := m.nextExpiry.shards[i].Load()
		for bucket, at := range s.wheel.heads {
			if bucket != cascading {
				require.Equal(t, at != 0, s.wheel.used[bucket/64]&(1<<(bucket%64)) != 0)
			}
			prev := bucketFlag | ref(bucket)
			for ; at != 0; at = s.log.at(at).next {
				r := s.log.at(at)
				require.Equal(t, prev, r.prev)
				require.True(t, slots[at])
				require.False(t, onIt[at])
				require.LessOrEqual(t, next, r.deadline)
				require.LessOrEqual(t, m.nextExpiry.all.Load(), r.deadline)
				if bucket != cascading {
					require.LessOrEqual(t, bucket, s.wheel.bucket(r.deadline))
				}
				onIt[at] = true
				prev = at
			}
		}
		for at := range slots {
			require.Equal(t, s.log.at(at).deadline != 0, onIt[at])
		}
	}
	require.Equal(t, int64(held), m.budget.used.Load())
	if most := m.config.MaxBytes; most > 0 {
		require.LessOrEqual(t, m.budget.used.Load(), most)
	}
}

func openStore(t testing.TB, config Config) *store {
	t.Helper()
	m, err := New(config)
	require.NoError(t, err)
	s, err := opener{m}.OpenAtomic([]string{"n"})
	require.NoError(t, err)
	return s.(*store)
}
