package memory

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A write that waits for its shard reads the clock when it has the lock. It does not revive an
// entry that another operation may have found expired in the meantime.
func TestExpiredEntryIsNotRevived(t *testing.T) {
	ctx := context.Background()
	for name, write := range map[string]func(*store) (bool, error){
		"Expire": func(s *store) (bool, error) { return s.Expire(ctx, "k", time.Hour) },
		"CompareAndSwap": func(s *store) (bool, error) {
			return s.CompareAndSwap(ctx, "k", []byte(`"v"`), []byte(`"w"`), time.Hour)
		},
		"Incr": func(s *store) (bool, error) {
			sum, _, err := s.Incr(ctx, "n", 1, time.Hour)
			return sum > 1, err
		},
	} {
		s := openStore(t, Config{})
		require.NoError(t, s.Set(ctx, "k", []byte(`"v"`), 50*time.Millisecond))
		require.NoError(t, s.Set(ctx, "n", []byte("1"), 50*time.Millisecond))
		for i := range s.kv.shards {
			s.kv.shards[i].mu.Lock()
		}
		applied := make(chan bool)
		go func() {
			done, err := write(s)
			assert.NoError(t, err)
			applied <- done
		}()
		time.Sleep(60 * time.Millisecond) // the write waits, and the deadline passes
		for i := range s.kv.shards {
			s.kv.shards[i].mu.Unlock()
		}
		assert.False(t, <-applied, name)
	}
}

// A sweep finds the expired entries among live entries that expire in the same millisecond.
func TestSweepFindsExpiredEntriesWithinATick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		s := openStore(t, Config{MaxBytes: 1 << 20}) // one shard
		toNextTick := func(from int64) time.Duration { return 1<<tickBits - time.Duration(from%(1<<tickBits)) }
		time.Sleep(toNextTick(s.kv.now() + int64(time.Second)))
		for i := range 100 {
			require.NoError(t, s.Set(ctx, fmt.Sprint("due", i), []byte("1"), time.Second))
		}
		time.Sleep(100 * time.Nanosecond)
		for i := range 100 {
			require.NoError(t, s.Set(ctx, fmt.Sprint("later", i), []byte("1"), time.Second))
		}
		time.Sleep(time.Second - 100*time.Nanosecond)
		s.kv.sweep(nil)
		assert.Equal(t, 100, s.kv.Stats().Entries)
		time.Sleep(100 * time.Nanosecond)
		s.kv.sweep(nil)
		assert.Zero(t, s.kv.Stats().Entries)

		ttl := toNextTick(s.kv.now())
		require.NoError(t, s.Set(ctx, "at the start of a tick", []byte("1"), ttl))
		time.Sleep(ttl)
		s.kv.sweep(nil)
		assert.Zero(t, s.kv.Stats().Entries)
	})
}

// The writes to a store without a collector remove expired entries, even if the clock is coarse.
func TestWritesKeepPaceWithExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		s := openStore(t, Config{})
		const live = 5000
		for i := range 10 * live {
			require.NoError(t, s.Set(ctx, fmt.Sprint(i), []byte("1"), time.Second))
			time.Sleep(time.Second / live)
		}
		assert.Less(t, s.kv.Stats().Entries, live*13/10)
	})
}
