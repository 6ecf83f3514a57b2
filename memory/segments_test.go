package memory

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// currentKeys returns the keys whose records are in the current segment of a shard.
func currentKeys(s *store, keys []string) (current []string) {
	sh := &s.kv.shards[0]
	for _, key := range keys {
		if r, pos := sh.find(indexHash(s.hash(key)), &s.namespace, key); r != nil && pos.ref().segment() == sh.log.current {
			current = append(current, key)
		}
	}
	return current
}

// In a full store, a write follows the deletion of the only record in the current segment. The
// empty segment is either kept or removed, depending on its length. Each write succeeds or returns
// ErrFull, and changes nothing else.
func TestWritesAfterTheCurrentSegmentHasBecomeEmpty(t *testing.T) {
	ctx := context.Background()
	for _, length := range []int{100, 470, 900, 1000, 1900, 2500, 3000, 3900, 4040} {
		for _, written := range []int{1, 100, 470, 1000, 2000, 3000, 3900, 4040, 5000} {
			s := openStore(t, Config{MaxBytes: 64 << 10})
			log := &s.kv.shards[0].log
			var keys []string
			for i := 0; ; i++ {
				key := fmt.Sprintf("key%04d", i)
				if s.Set(ctx, key, textOf(i, length), driver.NoTTL) != nil {
					break
				}
				keys = append(keys, key)
			}
			for i, key := range currentKeys(s, keys) {
				require.NotZero(t, log.current, "the record %d is in the current segment", i)
				require.NoError(t, s.Del(ctx, key))
			}
			verify(t, s.kv)
			entries := s.kv.Stats().Entries
			for i := range 8 {
				key := fmt.Sprint("new", i)
				err := s.Set(ctx, key, textOf(i, written), driver.NoTTL)
				if err != nil {
					require.ErrorIs(t, err, ErrFull)
				} else {
					entries++
				}
				verify(t, s.kv)
				require.Equal(t, entries, s.kv.Stats().Entries, "texts of %d, then %d bytes", length, written)
				if i%2 == 1 && err == nil { // the current segment becomes empty again
					require.NoError(t, s.Del(ctx, key))
					entries--
				}
			}
			for i, key := range keys {
				if got, found, _ := s.Get(ctx, key); found {
					require.True(t, bytes.Equal(textOf(i, length), got))
				}
			}
		}
	}
}

// In a store of one entry, the current segment becomes empty and has other records in turn.
func TestOneEntryThatComesAndGoes(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 64 << 10})
	for i, n := range append(borderLengths(len("n:k")), borderLengths(len("n:k"))...) {
		if n > 16<<10 {
			continue
		}
		require.NoError(t, s.Set(ctx, "k", textOf(i, n), driver.NoTTL))
		if i%3 == 0 {
			require.NoError(t, s.Set(ctx, "other", textOf(i, n/2), driver.NoTTL))
		}
		require.NoError(t, s.Del(ctx, "k"))
		verify(t, s.kv)
		require.NoError(t, s.Del(ctx, "other"))
		verify(t, s.kv)
	}
}

// withoutNumbers makes the log of an empty shard use up all segment numbers but left.
func withoutNumbers(s *store, left int) {
	log := &s.kv.shards[0].log
	log.segments = make([]segment, maxSegments)
	for number := range left {
		log.freeNumbers = append(log.freeNumbers, uint32(number+1))
	}
	s.kv.shards[0].view.Store(&view{segments: copySegments(nil, maxSegments)})
}

// A shard has a limited number of segments. Beyond it, writes that need a segment return ErrFull
// and change nothing, no memory stays reserved, and other writes succeed. A removed segment makes
// its number free.
func TestSegmentNumbersAreLimited(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 2<<20 - 1}) // one shard
	withoutNumbers(s, 5)
	large := textOf(0, 5000)
	stored := 0
	require.NoError(t, s.Set(ctx, "small", []byte("1"), driver.NoTTL))
	for ; s.Set(ctx, fmt.Sprint("large", stored), large, driver.NoTTL) == nil; stored++ {
		require.Less(t, stored, 5)
	}
	assert.Equal(t, 3, stored, "of five numbers, a shared segment takes one, and cleaning needs one")
	held := s.kv.Stats().Bytes
	for range 10 {
		err := s.Set(ctx, "another", large, driver.NoTTL)
		require.ErrorIs(t, err, ErrFull)
		require.False(t, driver.IsUnknown(err))
		require.Equal(t, held, s.kv.Stats().Bytes, "a refused write reserves nothing")
	}
	n := 0
	for ; s.Set(ctx, fmt.Sprint("small", n), textOf(0, 20), driver.NoTTL) == nil; n++ {
		require.Less(t, n, 10_000)
	}
	assert.Positive(t, n, "there is room in the shared segment")
	held = s.kv.Stats().Bytes
	for range 10 {
		require.ErrorIs(t, s.Set(ctx, "more", textOf(0, 20), driver.NoTTL), ErrFull)
		require.Equal(t, held, s.kv.Stats().Bytes, "a refused write reserves nothing")
	}
	assert.Equal(t, 4+n, s.kv.Stats().Entries)
	require.NoError(t, s.Set(ctx, "large0", textOf(1, 4990), driver.NoTTL))
	held = s.kv.Stats().Bytes
	for range 20 {
		require.NoError(t, s.Set(ctx, "large0", textOf(1, 4990), driver.NoTTL), "a replacement of a large text")
		require.NoError(t, s.Set(ctx, "small0", textOf(1, 20), driver.NoTTL), "a replacement in place")
		_, _, err := s.Get(ctx, "small0")
		require.NoError(t, err)
		_, _, err = s.Get(ctx, "small0")
		require.NoError(t, err)
		require.NoError(t, s.Set(ctx, "small0", textOf(2, 20), driver.NoTTL), "a replacement of a sealed text rewrites the segment")
		require.Equal(t, held, s.kv.Stats().Bytes, "a replacement takes no more memory")
	}
	require.NoError(t, s.Del(ctx, "large1"))
	require.NoError(t, s.Set(ctx, "another", large, driver.NoTTL), "the number of a removed segment is free")
	require.ErrorIs(t, s.Set(ctx, "another2", large, driver.NoTTL), ErrFull)
	text, found, err := s.Get(ctx, "large2")
	require.NoError(t, err)
	require.True(t, found && bytes.Equal(large, text))
}

// In a MemoryKV without a limit, the error states that the number of large values is limited.
func TestSegmentNumbersAreLimitedWithoutMaxBytes(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{})
	for i := range s.kv.shards {
		withoutNumbersIn(&s.kv.shards[i])
	}
	err := s.Set(ctx, "k", textOf(0, 5000), driver.NoTTL)
	require.ErrorIs(t, err, ErrFull)
	assert.Equal(t, "the store cannot hold more large values", driver.ReasonOf(err))
}

func withoutNumbersIn(s *shard) { s.log.segments = make([]segment, maxSegments) }

// Segments come and go in a shard that has entries all the time. Their numbers are used again, so
// that the lists of the log stay short. The buckets are not copied for each removed segment.
func TestSegmentNumbersAreUsedAgain(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 2<<20 - 1}) // one shard
	for i := range 10_000 {
		require.NoError(t, s.Set(ctx, fmt.Sprint(i), []byte("1"), driver.NoTTL))
	}
	sh := &s.kv.shards[0]
	buckets := uint64(len(sh.view.Load().buckets) * bucketSize)
	large := textOf(0, 5000)
	numbers := len(sh.log.segments)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 2000
	for i := range rounds {
		require.NoError(t, s.Set(ctx, fmt.Sprint("large", i%2), large, driver.NoTTL))
		if i%3 == 0 {
			require.NoError(t, s.Del(ctx, fmt.Sprint("large", i%2)))
		}
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, len(sh.log.segments), 3*numbers+10)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(rounds*3*5000)+rounds/10*buckets, "bytes allocated")
	verify(t, s.kv)
}
