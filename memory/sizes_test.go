package memory

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A budget can be used up to the last byte.
func TestBudgetAllowsExactlyItsLimit(t *testing.T) {
	var b budget
	b.init(100)
	require.False(t, b.reserve(101))
	require.True(t, b.reserve(60))
	require.False(t, b.reserve(41))
	require.True(t, b.reserve(40))
	require.False(t, b.reserve(1))
	require.Equal(t, int64(100), b.used.Load())
	b.release(1)
	require.True(t, b.reserve(1))
	var unlimited budget
	unlimited.init(0)
	require.True(t, unlimited.reserve(1<<30))
	require.Equal(t, int64(1<<30), unlimited.used.Load())
}

// The size of an index: 6 entries of 7 slots, at most 6.75 if the budget is exhausted, and fewer buckets below a third of the
// entries. A new size has room for a quarter more entries, so that it neither grows nor shrinks soon.
func TestSizesOfTheIndex(t *testing.T) {
	indexOf := func(buckets, entries int) *index {
		s := &shard{}
		s.view.Store(&view{buckets: make([]bucket, buckets)})
		return &index{view: &s.view, count: entries}
	}
	assert.True(t, indexOf(0, 0).dense())
	assert.True(t, indexOf(0, 0).full())
	for _, n := range []int{minBuckets, 5, 100} {
		assert.False(t, indexOf(n, 6*n-1).dense())
		assert.True(t, indexOf(n, 6*n).dense())
		most := 27 * n / 4
		assert.False(t, indexOf(n, most-1).full())
		assert.True(t, indexOf(n, most).full())
		assert.Less(t, most, slotsPerBucket*n, "at least one slot is free")
		assert.Equal(t, n > minBuckets, indexOf(n, 2*n-1).sparse())
		assert.False(t, indexOf(n, 2*n).sparse())
	}
	for entries := range 5000 {
		n := bucketsFor(entries)
		x := indexOf(n, entries)
		require.False(t, x.dense())
		require.False(t, x.sparse(), "%d entries", entries)
		require.GreaterOrEqual(t, n*6, entries+entries/4)
		require.True(t, n == minBuckets || (n-1)*6 <= entries+entries/4, "%d buckets for %d entries", n, entries)
	}
}

// A segment has at least 512 bytes, and at most a quarter of the log before it or 32 KiB. A record that fits into a segment
// is not larger than 4 KiB.
func TestSizesOfSegments(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 2<<20 - 1}) // one shard
	log := &s.kv.shards[0].log
	longest := 0
	for i := range 15_000 {
		before := log.sharedBytes
		require.NoError(t, s.Set(ctx, fmt.Sprintf("%06d", i), textOf(i, 10), driver.NoTTL))
		length := log.segments[log.current].length
		longest = max(longest, length)
		require.GreaterOrEqual(t, length, minSegment)
		require.LessOrEqual(t, length, max(minSegment, min(maxSegment, before/2)))
	}
	assert.Equal(t, maxSegment, longest)
	for n := 4000; n < 4100; n++ {
		require.NoError(t, s.Set(ctx, "k", textOf(n, n), driver.NoTTL))
		_, pos := s.kv.shards[0].find(indexHash(s.hash("k")), &s.namespace, "k")
		size := recordSize(len("n:k"), newValue(textOf(n, n)))
		require.Equal(t, size > 4<<10, log.segments[pos.ref().segment()].single, "a record of %d bytes", size)
	}
}

// The number of shards is a power of two: 64, or one for each MiB of a smaller limit.
func TestNumberOfShards(t *testing.T) {
	for maxBytes, want := range map[int64]int{
		0: 64, 64 << 10: 1, 1 << 20: 1, 2<<20 - 1: 1, 2 << 20: 2, 3 << 20: 2, 4 << 20: 4, 63 << 20: 32, 64<<20 - 1: 32, 64 << 20: 64, 1 << 40: 64,
	} {
		assert.Equal(t, want, shardCount(maxBytes), "MaxBytes %d", maxBytes)
	}
}
