package memory

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Repeated Set and Del of a lock, while the current segment is full, do not allocate a segment each
// time.
func TestRepeatedSetAndDelAllocateNoSegment(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 1 << 20}) // one shard
	text := bytes.Repeat([]byte("x"), 100)
	for i := range 3000 {
		require.NoError(t, s.Set(ctx, fmt.Sprint(i), text, 0))
	}
	log := &s.kv.shards[0].log
	for i := 0; log.segments[log.current].room() >= 200; i++ {
		require.NoError(t, s.Set(ctx, fmt.Sprint("more", i), text, 0))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 1000 {
		require.NoError(t, s.Set(ctx, "lock", text, 0))
		require.NoError(t, s.Del(ctx, "lock"))
		require.NoError(t, s.Set(ctx, "lock2", text, 0))
		require.NoError(t, s.Set(ctx, "lock3", text, 0))
		require.NoError(t, s.Del(ctx, "lock2"))
		require.NoError(t, s.Del(ctx, "lock3"))
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1000*maxSegment/10))
}

// The space of removed entries in all shards is reused before the store refuses a write.
func TestGarbageIsReclaimedBeforeAWriteIsRefused(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 8 << 20})
	text := bytes.Repeat([]byte("x"), 100)
	n := 0
	for ; s.Set(ctx, fmt.Sprint(n), text, 0) == nil; n++ {
	}
	for i := range n / 5 {
		require.NoError(t, s.Del(ctx, fmt.Sprint(5*i)))
	}
	large, stored := make([]byte, 20_000), 0
	for ; s.Set(ctx, fmt.Sprint("large", stored), large, 0) == nil; stored++ {
	}
	assert.Greater(t, stored*20_000, 8<<20/10, "a fifth was deleted")
	verify(t, s.kv)
}

// A value that is larger than MaxBytes is refused before a record is written for it.
func TestTooLargeValueIsRefusedWithoutAllocation(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 1 << 20})
	require.NoError(t, s.Set(ctx, "k", make([]byte, 5000), 0))
	text := make([]byte, 100<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	assert.ErrorIs(t, s.Set(ctx, "k", text, 0), ErrFull)
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

// In a full store, an allocation may clean a segment and still fail. The record to replace has then
// moved.
func TestReplaceAfterTheRecordHasMoved(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 1 << 20}) // one shard
	shard := &s.kv.shards[0]
	log := &shard.log
	segmentOf := func(key string) uint32 {
		_, p := shard.find(indexHash(s.hash(key)), &s.namespace, key)
		return p.ref().segment()
	}
	fill := func(name string, text []byte) (n int) {
		for s.Set(ctx, fmt.Sprint(name, n), text, driver.NoTTL) == nil {
			n++
		}
		return n
	}
	long, short := bytes.Repeat([]byte("l"), 3900), bytes.Repeat([]byte("s"), 500)
	n := 0
	for s.Set(ctx, fmt.Sprint("long", n), long, driver.NoTTL) == nil {
		for i := range 40 {
			_ = s.Set(ctx, fmt.Sprint("short", 40*n+i), short, driver.NoTTL)
		}
		n++
	}
	fill("fill", short)
	fill("tiny", []byte("1"))

	// The segment with the most garbage contains a sealed text, so that cleaning must rewrite the
	// segment.
	victim := ""
	for i := range n {
		key := fmt.Sprint("long", i)
		if number := segmentOf(key); victim == "" && log.segments[number].length == maxSegment && number != log.current {
			victim = key
		}
	}
	for range 2 {
		_, _, err := s.Get(ctx, victim)
		require.NoError(t, err)
	}
	deleted := map[uint32]int{}
	for i := 0; i < 40*n && log.garbage <= max(log.sharedBytes/12, minGarbage); i++ {
		key := fmt.Sprint("short", i)
		if found, _ := s.Has(ctx, key); !found {
			continue
		}
		most := 5
		if segmentOf(key) == segmentOf(victim) {
			most = 6
		}
		if number := segmentOf(key); deleted[number] < most {
			deleted[number]++
			require.NoError(t, s.Del(ctx, key))
		}
	}
	text := bytes.Repeat([]byte("c"), len(long))
	require.NoError(t, s.Set(ctx, victim, text, driver.NoTTL))
	got, _, err := s.Get(ctx, victim)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(text, got))
	verify(t, s.kv)
}

// Many deletes and writes do not make the store larger.
func TestChurnDoesNotGrowTheStore(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := openStore(t, Config{})
	r := rand.New(rand.NewPCG(1, 2))
	texts := bytes.Repeat([]byte("x"), 100)
	key := func(i int) string { return fmt.Sprint("key", i) }
	const entries = 100_000
	for i := range entries {
		require.NoError(t, s.Set(ctx, key(i), texts[:50+i%50], time.Hour))
	}
	full := s.kv.Stats().Bytes
	next := entries
	live := r.Perm(entries)
	for range 2 * entries {
		i := r.IntN(entries)
		require.NoError(t, s.Del(ctx, key(live[i])))
		live[i] = next
		require.NoError(t, s.Set(ctx, key(next), texts[:50+r.IntN(50)], time.Hour))
		next++
	}
	assert.Less(t, float64(s.kv.Stats().Bytes), 1.15*float64(full))
	verify(t, s.kv)
	for _, i := range live[entries/10:] {
		require.NoError(t, s.Del(ctx, key(i)))
	}
	assert.Less(t, s.kv.Stats().Bytes, full*4/10, "a tenth is left")
	s.kv.sweep(nil)
	assert.Less(t, s.kv.Stats().Bytes, full*3/10, "and a sweep puts it together")
}
