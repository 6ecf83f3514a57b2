package memory

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// sameShard returns n keys of one shard.
func sameShard(s *store, n int) (keys []string) {
	want, _ := s.locate("first")
	for i := 0; len(keys) < n; i++ {
		key := fmt.Sprint("key", i)
		if sh, _ := s.locate(key); sh == want {
			keys = append(keys, key)
		}
	}
	return keys
}

// A batch unlocks the shard for a large text. When it locks the shard again, it reads the clock again: an
// entry that has expired in the meantime is absent for the rest of the batch.
func TestBatchDoesNotReviveAnEntryThatExpiresDuringALargeWrite(t *testing.T) {
	ctx := context.Background()
	for attempt := range 20 {
		s := openStore(t, Config{})
		keys := sameShard(s, 13)
		sh, _ := s.locate(keys[0])
		require.NoError(t, s.Set(ctx, keys[0], []byte(`"old"`), time.Hour)) // so that the batch reads the clock early
		for _, key := range keys[2:] {                                      // the large write removes four expired entries, the newest first
			require.NoError(t, s.Set(ctx, key, []byte(`"old"`), 100*time.Millisecond))
		}
		held := make(chan bool)
		go func() { // holds the lock while the batch writes the large text, until the deadline has passed
			for {
				if !sh.mu.TryLock() {
					continue
				}
				first, _ := sh.find(indexHash(s.hash(keys[0])), &s.namespace, keys[0])
				second, _ := sh.find(indexHash(s.hash(keys[1])), &s.namespace, keys[1])
				if string(first.value().text) == `"new"` || second != nil {
					time.Sleep(120 * time.Millisecond)
					sh.mu.Unlock()
					held <- second == nil
					return
				}
				sh.mu.Unlock()
			}
		}()
		large := textOf(0, 4<<20)
		start := time.Now()
		require.Nil(t, s.SetMany(ctx, keys[:3], [][]byte{[]byte(`"new"`), large, []byte(`"new"`)}, driver.KeepTTL))
		took := time.Since(start)
		if !<-held || took < 100*time.Millisecond {
			t.Log("the lock was not held during the large write, attempt", attempt)
			continue
		}
		got, found, err := s.Get(ctx, keys[2])
		require.NoError(t, err)
		require.True(t, found, "the batch kept the deadline of an expired entry")
		require.Equal(t, `"new"`, string(got))
		left, _, err := s.TTL(ctx, keys[2])
		require.NoError(t, err)
		require.Zero(t, left)
		return
	}
	t.Skip("this machine is too busy to interleave the two goroutines")
}

// A small write in a store full of expired entries succeeds: the write is applied once, and has no
// error.
func TestWriteSucceedsAfterItsFirstAttemptWasRefused(t *testing.T) {
	ctx := context.Background()
	text := textOf(0, 100)
	for name, write := range map[string]func(s *store) error{
		"Set":   func(s *store) error { return s.Set(ctx, "new", textOf(1, 100), driver.NoTTL) },
		"SetNX": func(s *store) error { return stored(s.SetNX(ctx, "new", textOf(1, 100), driver.NoTTL)) },
		"Swap": func(s *store) error {
			_, found, err := s.Swap(ctx, "new", textOf(1, 100), driver.NoTTL)
			if found {
				return fmt.Errorf("a missing key was found")
			}
			return err
		},
		"Incr": func(s *store) error {
			sum, _, err := s.Incr(ctx, "new", 7, driver.NoTTL)
			if err == nil && sum != 7 {
				return fmt.Errorf("the sum is %d", sum)
			}
			return err
		},
		"CompareAndSwap": func(s *store) error {
			return stored(s.CompareAndSwap(ctx, "n", []byte("1"), textOf(1, 100), driver.NoTTL))
		},
		"SetMany": func(s *store) error {
			if errs := s.SetMany(ctx, []string{"new"}, [][]byte{textOf(1, 100)}, driver.NoTTL); errs != nil {
				return errs[0]
			}
			return nil
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := openStore(t, Config{MaxBytes: 64 << 10})
			require.NoError(t, s.Set(ctx, "n", []byte("1"), driver.NoTTL))
			for i := 0; s.Set(ctx, fmt.Sprint(i), text, time.Second) == nil; i++ {
			}
			for i := 0; s.Set(ctx, fmt.Sprint("small", i), []byte("1"), time.Second) == nil; i++ {
			}
			require.ErrorIs(t, s.Set(ctx, "new", text, driver.NoTTL), ErrFull)
			time.Sleep(time.Second)
			// The write's own removal of expired entries comes after the write.
			require.NoError(t, write(s), name)
			verify(t, s.kv)
		})
	}
}

func stored(done bool, err error) error {
	if err == nil && !done {
		return fmt.Errorf("nothing was stored")
	}
	return err
}

// A text that is read once between two writes is overwritten in place, and leaves no garbage. Two reads
// seal it, and the next write starts again.
func TestTextsThatAreOftenWrittenLeaveNoGarbage(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 64 << 10})
	log := &s.kv.shards[0].log
	require.NoError(t, s.Set(ctx, "k", textOf(0, 20), driver.NoTTL))
	read := func() {
		_, _, err := s.Get(ctx, "k")
		require.NoError(t, err)
	}
	for i := range 20 {
		read()
		require.NoError(t, s.Set(ctx, "k", textOf(i, 20-i%3*wordSize), driver.NoTTL))
		require.Zero(t, log.garbage)
	}
	read()
	read()
	require.NoError(t, s.Set(ctx, "k", textOf(1, 20), driver.NoTTL))
	require.Positive(t, log.garbage, "a sealed text is not overwritten")
	garbage := log.garbage
	for i := range 20 {
		read()
		require.NoError(t, s.Set(ctx, "k", textOf(i, 20), driver.NoTTL))
		require.Equal(t, garbage, log.garbage)
	}
}

// In a full store, a large text can be replaced by a text of any shorter length, also by the longest
// one that shares a segment.
func TestFullStoreReplacesALargeTextByAnyShorterOne(t *testing.T) {
	ctx := context.Background()
	for _, n := range borderLengths(len("n:large0")) {
		if n >= 20_000 {
			continue
		}
		s := openStore(t, Config{MaxBytes: 1 << 20})
		large := 0
		for ; s.Set(ctx, fmt.Sprint("large", large), textOf(large, 20_000), driver.NoTTL) == nil; large++ {
		}
		for i := 0; s.Set(ctx, fmt.Sprint("small", i), textOf(i, 1000), driver.NoTTL) == nil; i++ {
		}
		for i := 0; s.Set(ctx, fmt.Sprint("number", i), []byte("1"), driver.NoTTL) == nil; i++ {
		}
		require.NoError(t, s.Set(ctx, "large0", textOf(7, n), driver.NoTTL), "%d bytes", n)
		got, found, err := s.Get(ctx, "large0")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, string(textOf(7, n)), string(got))
		verify(t, s.kv)
	}
}
