package memory

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// longestSearch returns the largest number of buckets that a search for an entry of a shard
// examines.
func longestSearch(s *shard) (longest int) {
	v := s.view.Load()
	for i := range v.buckets {
		for _, word := range v.buckets[i].slots {
			if word == 0 {
				continue
			}
			n := 1
			for q := v.home(uint32(word >> 32)); q != i; q = v.next(q) {
				n++
			}
			longest = max(longest, n)
		}
	}
	return longest
}

// While a caller deletes entries in the order of Keys or Clear, the others are spread over the
// index. The index shrinks in the meantime, and searches stay short.
func TestSearchesStayShortWhileEntriesAreRemovedInOrder(t *testing.T) {
	background := context.Background()
	const entries = 15_000
	fill := func() *store {
		s := openStore(t, Config{MaxBytes: 2<<20 - 1}) // one shard
		for i := range entries {
			require.NoError(t, s.Set(background, fmt.Sprint(i), []byte("1"), driver.NoTTL))
		}
		return s
	}
	const limit = 30 // a range of 16 buckets has about 80 entries: 11 full buckets, and some more

	s, longest, n := fill(), 0, 0
	require.NoError(t, s.Keys(background, false, func(_ []string, key string) bool {
		require.NoError(t, s.Del(background, key))
		if n++; n%100 == 0 {
			longest = max(longest, longestSearch(&s.kv.shards[0]))
		}
		return true
	}))
	assert.LessOrEqual(t, longest, limit, "Del in the order of Keys")
	assert.Zero(t, s.kv.Stats().Entries)

	s, longest = fill(), 0
	ctx := endingAfter(1 << 30)
	ctx.onErr = func() { longest = max(longest, longestSearch(&s.kv.shards[0])) }
	require.NoError(t, s.Clear(ctx, false))
	assert.LessOrEqual(t, longest, limit, "Clear")
	assert.Zero(t, s.kv.Stats().Entries)
}

// The ranges of a shard contain each hash once, whatever the size of the index, and each range has
// few buckets.
func TestHashRangesContainEachHashOnce(t *testing.T) {
	for _, buckets := range []int{0, 1, minBuckets, 15, 16, 17, 31, 32, 33, 1000, 1 << 16} {
		for _, most := range []int{clearBuckets, keysBuckets} {
			s := &shard{}
			s.view.Store(&view{buckets: make([]bucket, buckets)})
			v := s.view.Load()
			visited, starts := uint64(0), map[uint64]bool{}
			for r := range s.hashRanges(most) {
				width := r.end - r.first
				if r.first%width != 0 || r.end > 1<<32 || starts[r.first] { // ranges of one width overlap only if they are equal
					t.Fatalf("%d buckets: the range %x to %x", buckets, r.first, r.end)
				}
				if n := v.home(uint32(r.end-1)) - v.home(uint32(r.first)); buckets > 0 && n > most {
					t.Fatalf("%d buckets: a range of %d buckets", buckets, n)
				}
				starts[r.first] = true
				visited += width
			}
			require.Equal(t, uint64(1<<32), visited)
		}
	}
}

// Keys and Clear visit every entry if the index grows or shrinks between two steps. The number of
// entries in one step stays limited.
func TestStepsStaySmallWhileTheIndexGrows(t *testing.T) {
	background := context.Background()
	s := openStore(t, Config{MaxBytes: 2<<20 - 1}) // one shard
	other, err := opener{s.kv}.OpenAtomic([]string{"other"})
	require.NoError(t, err)
	for i := range 1000 {
		require.NoError(t, s.Set(background, fmt.Sprint(i), []byte("1"), driver.NoTTL))
	}
	grow := func() {
		for i := range 10_000 {
			require.NoError(t, other.Set(background, fmt.Sprint(i), []byte("1"), driver.NoTTL))
		}
	}
	seen, steps := map[string]int{}, 0
	ctx := endingAfter(1 << 30)
	ctx.onErr = func() {
		if steps++; steps == 3 {
			grow()
		}
	}
	require.NoError(t, s.Keys(ctx, false, func(_ []string, key string) bool { seen[key]++; return true }))
	require.Len(t, seen, 1000)
	for _, n := range seen {
		require.Equal(t, 1, n)
	}
	assert.Greater(t, steps, 11_000/(2*keysBuckets*slotsPerBucket), "a step examines about 16 buckets")

	require.NoError(t, other.(*store).Clear(background, false))
	steps = 0
	require.NoError(t, s.Clear(ctx, false))
	assert.Equal(t, 10_000, s.kv.Stats().Entries)
	assert.Greater(t, steps, 11_000/(2*clearBuckets*slotsPerBucket), "a step examines about 8 buckets")
	verify(t, s.kv)
}
