package memory

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// whileLocked calls read in another goroutine while all shards are locked, and reports whether it
// returned before they were unlocked. A read without a lock returns after microseconds.
func whileLocked(s *store, read func()) bool {
	for i := range s.kv.shards {
		s.kv.shards[i].mu.Lock()
	}
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		read()
	}()
	ok := true
	select {
	case <-returned:
	case <-time.After(10 * time.Second):
		ok = false
	}
	for i := range s.kv.shards {
		s.kv.shards[i].mu.Unlock()
	}
	<-returned
	return ok
}

// Reads of sealed texts, large texts, numbers and missing keys take no lock, nor does Has of any live entry. A
// deadline in the future makes no difference.
func TestReadsTakeNoLock(t *testing.T) {
	ctx := context.Background()
	for _, ttl := range []time.Duration{driver.NoTTL, time.Hour} {
		s := openStore(t, Config{})
		long := "a key that is longer than two words, so that a search compares it"
		texts := map[string]string{"number": "42", "short": `"short"`, "long": string(textOf(0, 3000)), "large": string(textOf(1, 5000)), long: `"x"`}
		for key, text := range texts {
			require.NoError(t, s.Set(ctx, key, []byte(text), ttl))
		}
		for _, sealed := range []bool{false, true} {
			for key, text := range texts {
				require.True(t, whileLocked(s, func() {
					found, _ := s.Has(ctx, key)
					assert.True(t, found)
				}), "Has(%q) waits for the lock", key)
				if !sealed && key != "number" && key != "large" {
					continue
				}
				require.True(t, whileLocked(s, func() {
					got, _, _ := s.Get(ctx, key)
					assert.Equal(t, text, string(got))
				}), "Get(%q) waits for the lock", key)
			}
			for key := range texts { // the second read seals a text
				for range 2 {
					_, _, err := s.Get(ctx, key)
					require.NoError(t, err)
				}
			}
		}
		require.True(t, whileLocked(s, func() {
			for _, got := range s.GetMany(ctx, []string{"number", "short", "long", "large", "none", long}) {
				assert.NoError(t, got.Err)
			}
		}), "GetMany waits for the lock")
		require.True(t, whileLocked(s, func() {
			_, found, _ := s.Get(ctx, "none")
			assert.False(t, found)
			found, _ = s.Has(ctx, "none")
			assert.False(t, found)
		}), "a read of a missing key waits for the lock")
	}
}

// A sweep removes at most 64 entries of a shard before it unlocks the shard and yields the
// processor.
func TestSweepUnlocksAfter64Entries(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that another goroutine runs at each yield
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 1 << 20}) // one shard
	const entries = 1000
	for i := range entries {
		require.NoError(t, s.Set(ctx, fmt.Sprint(i), []byte("1"), time.Millisecond))
	}
	time.Sleep(2 * time.Millisecond)
	sh := &s.kv.shards[0]
	var swept atomic.Bool
	var most, before uint64
	var observer sync.WaitGroup
	started := make(chan struct{})
	observer.Go(func() {
		sh.mu.Lock()
		before = sh.expired // writes have removed some
		sh.mu.Unlock()
		close(started)
		for end := false; !end; runtime.Gosched() {
			end = swept.Load()
			if sh.mu.TryLock() {
				most, before = max(most, sh.expired-before), sh.expired
				sh.mu.Unlock()
			}
		}
	})
	<-started
	s.kv.sweep(nil)
	swept.Store(true)
	observer.Wait()
	assert.Equal(t, uint64(entries), before)
	assert.LessOrEqual(t, most, uint64(64), "entries that one step of a sweep removed")
}

// A write removes at most four expired entries in addition to its own.
func TestWriteRemovesFewExpiredEntries(t *testing.T) {
	ctx := context.Background()
	for name, write := range map[string]func(s *store) error{
		"Set":  func(s *store) error { return s.Set(ctx, "k", []byte("1"), driver.NoTTL) },
		"Del":  func(s *store) error { return s.Del(ctx, "none") },
		"Incr": func(s *store) error { _, _, err := s.Incr(ctx, "n", 1, driver.NoTTL); return err },
		"SetMany": func(s *store) error {
			s.SetMany(ctx, []string{"k"}, [][]byte{[]byte("1")}, driver.NoTTL)
			return nil
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := openStore(t, Config{})
			for i := range 2000 {
				require.NoError(t, s.Set(ctx, fmt.Sprint("due", i), []byte("1"), time.Second))
			}
			require.NoError(t, s.Set(ctx, "n", []byte("1"), driver.NoTTL))
			time.Sleep(time.Second)
			for range 100 {
				before := s.kv.Stats().Expired
				require.NoError(t, write(s))
				require.LessOrEqual(t, s.kv.Stats().Expired-before, uint64(4), name)
			}
			require.GreaterOrEqual(t, s.kv.Stats().Expired, uint64(100), name)
		})
	}
}

// A step of the wheel examines a bounded number of the entries that expire within the current tick but
// not yet. Otherwise, each write would examine all.
func TestWheelExaminesFewEntriesThatExpireWithinTheTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		s := openStore(t, Config{MaxBytes: 2<<20 - 1})
		wheel := s.kv.shards[0].wheel
		const tick = 1 << tickBits
		start := s.kv.now()/tick*tick + 1000*tick // all entries expire in the tick that begins here
		set := func(key string, deadline int64) {
			require.NoError(t, s.Set(ctx, key, []byte("1"), time.Duration(deadline-s.kv.now())))
		}
		for i := range 2000 {
			set(fmt.Sprint(i), start+tick-1)
		}
		set("first", start+tick/2)
		for i := range 2000 {
			set(fmt.Sprint("more", i), start+tick-1)
		}
		time.Sleep(time.Duration(start + tick/4 - s.kv.now()))
		c := s.kv.clock()
		wheel.expire(&c, 1<<20, func(*record, ref) { t.Error("an entry has expired early") }) // moves all to one bucket
		time.Sleep(tick / 2)
		c = s.kv.clock()
		removed := 0
		wheel.expire(&c, writeBatch, func(*record, ref) { removed++ })
		assert.Zero(t, removed, "the expired entry is behind more than 64 others")
		wheel.expire(&c, 1000, func(*record, ref) { removed++ })
		assert.Equal(t, 1, removed)
	})
}

// Batches, Clear and Keys look at their context without a lock, and after a bounded number of
// entries.
func TestLongOperationsUnlockBetweenSteps(t *testing.T) {
	background := context.Background()
	s := openStore(t, Config{MaxBytes: 2<<20 - 1}) // one shard
	sh := &s.kv.shards[0]
	keys, values := make([]string, 2000), make([][]byte, 2000)
	for i := range keys {
		keys[i], values[i] = fmt.Sprint(i), []byte(`"text"`)
	}
	// most returns the largest change of count between two looks at the context.
	most := func(count func() int, run func(context.Context)) (most int) {
		before := count()
		ctx := endingAfter(1 << 30)
		ctx.onErr = func() {
			if assert.True(t, sh.mu.TryLock(), "the shard is locked") {
				sh.mu.Unlock()
			}
			now := count()
			most, before = max(most, now-before, before-now), now
		}
		run(ctx)
		return max(most, count()-before, before-count())
	}
	entries := func() int { return sh.index.count }
	assert.LessOrEqual(t, most(entries, func(ctx context.Context) { require.Nil(t, s.SetMany(ctx, keys, values, driver.NoTTL)) }), 32, "SetMany")
	listed := 0
	assert.LessOrEqual(t, most(func() int { return listed }, func(ctx context.Context) {
		require.NoError(t, s.Keys(ctx, false, func([]string, string) bool {
			if assert.True(t, sh.mu.TryLock(), "the shard is locked") {
				sh.mu.Unlock()
			}
			listed++
			return true
		}))
	}), 2*keysBuckets*slotsPerBucket, "Keys")
	assert.Equal(t, len(keys), listed)
	assert.LessOrEqual(t, most(entries, func(ctx context.Context) { require.Nil(t, s.DelMany(ctx, keys[:1000])) }), 32, "DelMany")
	require.Nil(t, s.SetMany(background, keys, values, driver.NoTTL))
	assert.LessOrEqual(t, most(entries, func(ctx context.Context) { require.NoError(t, s.Clear(ctx, false)) }), 2*clearBuckets*slotsPerBucket, "Clear")
	assert.Zero(t, entries())
}

// A lock excludes other goroutines, also those that wait for long. After that, the lock is free, so
// that other waiting goroutines proceed.
func TestLockIsFreeAfterALongWait(t *testing.T) {
	var l lock
	for range 2 { // the second round needs the gate of the first
		l.Lock()
		inside, n := 0, 0
		var waiting sync.WaitGroup
		for range 4 {
			waiting.Go(func() {
				for range 100 {
					l.Lock()
					inside++
					assert.Equal(t, 1, inside)
					n++
					inside--
					l.Unlock()
				}
			})
		}
		for l.gate.TryLock() { // until a goroutine has waited for long
			l.gate.Unlock()
			runtime.Gosched()
		}
		l.Unlock()
		done := make(chan struct{})
		go func() { waiting.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("a goroutine waits for a free lock")
		}
		assert.Equal(t, 400, n)
		assert.True(t, l.TryLock())
		assert.False(t, l.TryLock())
		l.Unlock()
		assert.True(t, l.gate.TryLock())
		l.gate.Unlock()
	}
}
