package memory

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// verify fails if the parts of a MemoryKV that nobody uses meanwhile contradict each other.
func verify(t testing.TB, m *MemoryKV) {
	t.Helper()
	held := 0
	for i := range m.shards {
		s := &m.shards[i]
		v := s.view.Load()
		held += len(v.buckets) * bucketSize

		// The index: each record once, in its home bucket or one that those before count it in.
		slots := map[ref]bool{}
		passes := make([]uint64, len(v.buckets))
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
					passes[q]++
				}
				slots[r] = true
				require.False(t, s.log.at(r).isDead())
				require.Equal(t, m.recordHash(s.log.at(r)), hash)
			}
		}
		require.Len(t, slots, s.index.count)
		for i := range v.buckets {
			if counted := v.buckets[i].tags / overflowUnit; counted < 255 {
				require.Equal(t, passes[i], counted)
			}
		}

		// The log: live and buried records fill each segment, and are counted. Readers see each, and
		// no number twice.
		logHeld, garbage, records := 0, 0, 0
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
			logHeld += g.length
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
		require.Equal(t, s.log.sharedBytes, logHeld)
		require.Equal(t, s.log.garbage, garbage)

		// The wheel: each record with a deadline once, in a bucket that comes in time.
		onIt := map[ref]bool{}
		due := m.nextExpiry.shards[i].Load()
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
				require.LessOrEqual(t, due, r.deadline)
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

// Random operations on values of all sizes, beside a map, with and without a bound.
// What was refused changed nothing; what was not is there, to the byte.
func TestEngine(t *testing.T) {
	t.Parallel()
	for _, config := range []Config{{}, {MaxBytes: 64 << 10}, {MaxBytes: 1 << 20}, {MaxBytes: 5 << 20}} {
		for range 8 {
			seed := rand.Uint64()
			name := fmt.Sprintf("MaxBytes=%d,seed=%d", config.MaxBytes, seed)
			t.Run(name, func(t *testing.T) { engine(t, config, rand.New(rand.NewPCG(seed, 0)), 6000) })
		}
	}
}

func engine(t *testing.T, config Config, r *rand.Rand, operations int) {
	ctx := context.Background()
	type entry struct {
		text     []byte
		deadline time.Time // zero: none
	}
	synctest.Test(t, func(t *testing.T) {
		m, err := New(config)
		require.NoError(t, err)
		var stores []driver.AtomicStore
		for _, name := range []string{"a", "tenants/a"} {
			s, err := opener{m}.OpenAtomic([]string{name})
			require.NoError(t, err)
			stores = append(stores, s)
		}
		model := map[string]entry{}
		keys := 20 + r.IntN(400)
		largest := []int{100, 2000, 10_000, 100_000}[r.IntN(4)]
		text := func() []byte {
			switch r.IntN(4) {
			case 0:
				return fmt.Append(nil, r.Int64N(1<<r.IntN(62)))
			case 1:
				return bytes.Repeat([]byte{'a' + byte(r.IntN(26))}, r.IntN(largest))
			}
			return bytes.Repeat([]byte{'a' + byte(r.IntN(26))}, r.IntN(100))
		}
		ttl := func() time.Duration {
			return []time.Duration{driver.NoTTL, driver.KeepTTL, time.Millisecond, time.Second, time.Minute, 26 * time.Hour,
				time.Duration(1 + r.Int64N(int64(time.Hour)))}[r.IntN(7)]
		}
		refused := 0
		for i := range operations {
			n := r.IntN(keys)
			key := fmt.Sprint("key:", n) // the first : of the physical key ends the namespace, and no other
			if n%50 == 0 {
				key += strings.Repeat("k", 5000)
			}
			which := r.IntN(2)
			s, id := stores[which], fmt.Sprint(which, key)
			e, found := model[id]
			if found && !e.deadline.IsZero() && !time.Now().Before(e.deadline) {
				e, found = entry{}, false
				delete(model, id)
			}
			put := func(text []byte, ttl time.Duration, err error) {
				if err != nil {
					require.ErrorIs(t, err, ErrFull)
					require.NotZero(t, config.MaxBytes)
					require.False(t, driver.IsUnknown(err))
					require.False(t, found && newValue(text).len() <= newValue(e.text).len(), "it would not have grown")
					refused++
					return
				}
				e.text = text
				switch ttl {
				case driver.KeepTTL:
				case driver.NoTTL:
					e.deadline = time.Time{}
				default:
					e.deadline = time.Now().Add(ttl)
				}
				model[id] = e
			}
			switch r.IntN(13) {
			case 10, 11, 12: // a text that is read twice is sealed
				for range r.IntN(4) {
					text, there, err := s.Get(ctx, key)
					require.NoError(t, err)
					require.Equal(t, found, there)
					require.True(t, bytes.Equal(e.text, text))
				}
			case 0, 1, 2, 3:
				text, ttl := text(), ttl()
				put(text, ttl, s.Set(ctx, key, bytes.Clone(text), ttl))
			case 4:
				text, ttl := text(), max(ttl(), 0)
				done, err := s.SetNX(ctx, key, bytes.Clone(text), ttl)
				if assert.Equal(t, !found && err == nil, done); !found {
					put(text, ttl, err)
				}
			case 5:
				text, ttl := text(), ttl()
				done, err := s.CompareAndSwap(ctx, key, e.text, bytes.Clone(text), ttl)
				if assert.Equal(t, found && err == nil, done); found {
					put(text, ttl, err)
				}
			case 6:
				by := r.Int64N(1000)
				sum, left, err := s.Incr(ctx, key, by, time.Minute)
				before, isInteger := driver.Integer(e.text)
				switch {
				case found && !isInteger:
					require.ErrorIs(t, err, driver.ErrInvalidValue)
				case found && before > 1<<62:
				case found:
					require.NoError(t, err)
					require.Equal(t, before+by, sum)
					require.Equal(t, e.deadline.IsZero(), left == 0)
					put(fmt.Append(nil, sum), driver.KeepTTL, nil)
				default:
					put(fmt.Append(nil, by), time.Minute, err)
				}
			case 7:
				require.NoError(t, s.Del(ctx, key))
				delete(model, id)
			case 8:
				ttl := time.Duration(1 + r.Int64N(int64(time.Minute)))
				done, err := s.Expire(ctx, key, ttl)
				require.NoError(t, err)
				if require.Equal(t, found, done); found {
					put(e.text, ttl, nil)
				}
			case 9:
				if r.IntN(4) == 0 {
					time.Sleep(time.Duration(r.Int64N(int64(time.Minute))))
				}
				if r.IntN(20) == 0 {
					m.sweep(nil)
				}
			}
			if i%500 == 0 {
				verify(t, m)
			}
		}
		verify(t, m)
		live := 0
		for id, e := range model {
			text, found, err := stores[id[0]-'0'].Get(ctx, id[1:])
			require.NoError(t, err)
			want := e.deadline.IsZero() || time.Now().Before(e.deadline)
			if require.Equal(t, want, found); found {
				require.True(t, bytes.Equal(e.text, text))
				live++
			}
		}
		m.sweep(nil)
		verify(t, m)
		require.Equal(t, live, m.Stats().Entries)
		t.Log("refused:", refused, "live:", live, "bytes:", m.Stats().Bytes)
		for id := range model {
			require.NoError(t, stores[id[0]-'0'].Del(ctx, id[1:]))
		}
		m.sweep(nil)
		verify(t, m)
		require.Zero(t, m.Stats().Entries)
	})
}

func openStore(t testing.TB, config Config) *store {
	t.Helper()
	m, err := New(config)
	require.NoError(t, err)
	s, err := opener{m}.OpenAtomic([]string{"n"})
	require.NoError(t, err)
	return s.(*store)
}

// A write that waits for its shard judges by the time when it has it: an entry that others
// have found expired meanwhile does not come back.
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

// A lock that comes and goes where the current segment is full costs no segment each time.
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

// Entries whose hashes are all alike are found, and leave no trace, around the end of the buckets.
func TestIndexWithEqualHashes(t *testing.T) {
	for _, hash := range []uint32{0, 1 << 31, 1<<32 - 1} {
		var v atomic.Pointer[view]
		v.Store(&view{})
		x := index{view: &v}
		for n := range 600 {
			if x.dense() {
				x.resize(make([]bucket, bucketsFor(n+1)))
			}
			x.insert(hash, ref(n+1))
		}
		for n := range 600 {
			p := x.slotOf(hash, ref(n+1))
			require.Equal(t, ref(n+1), p.ref())
			x.remove(hash, p)
		}
		for _, b := range x.buckets() {
			require.Zero(t, b.tags&usedBits)
		}
	}
}

// Entries that are due are found behind others of the same millisecond that are not.
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

// A store that was never started shrinks by its writes, even if the clock is a coarse one.
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

// Space that removed entries left, in whatever shard, is used before a write is refused.
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

// What can't be stored is refused before any work is done for it.
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

// At the bound, a segment may be cleaned in vain, and what is to be replaced has moved.
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

	// The dirtiest segment is the one of a sealed text, which must be written anew.
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

// Deleting and writing for ever does not grow the store.
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

// A text without a byte, which no JSON text is, lies inside its record all the same: at the end of a segment,
// what lies behind is somebody else's. The race detector's build checks that.
func TestEmptyTextIsInsideItsRecord(t *testing.T) {
	s := openStore(t, Config{MaxBytes: 1 << 20}) // one shard
	ctx := context.Background()
	for length := range 24 {
		for i := range 1200 { // more than a segment's
			key := fmt.Sprintf("%0*d", length, i)
			require.NoError(t, s.Set(ctx, key, []byte{}, driver.NoTTL))
			text, found, err := s.Get(ctx, key)
			require.NoError(t, err)
			require.True(t, found)
			require.Empty(t, text)
			require.NoError(t, s.Del(ctx, key))
		}
	}
}
