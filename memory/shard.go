package memory

import (
	"container/heap"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

const shardCount = 64 // a power of two

// A shard holds the entries whose keys hash to it. Its methods need mu.
type shard struct {
	mu      sync.Mutex
	entries map[entryKey]*entry
	due     dueHeap // the entries that have a deadline
	most    int     // entries at a time, since the shard was empty
	bytes   int64
	hits    uint64
	misses  uint64
	expired uint64
	next    uint // the shard that the next write here frees entries of
}

// entryKey keeps namespace and key apart: pairs that differ never meet, and no
// operation joins strings.
type entryKey struct{ namespace, key string }

func (k entryKey) size() int64 { return int64(len(k.namespace) + len(k.key)) }

type entry struct {
	entryKey
	value    []byte
	deadline int64 // in MemoryKV.now's time; 0 if it never expires
	position int   // in the shard's heap, if it has a deadline
}

// live returns the entry at k, or nil. An expired one is removed.
func (s *shard) live(k entryKey, now int64) *entry {
	e := s.entries[k]
	if e != nil && e.deadline != 0 && e.deadline <= now {
		s.remove(e)
		s.expired++
		return nil
	}
	return e
}

// read is live, counted.
func (s *shard) read(k entryKey, now int64) *entry {
	e := s.live(k, now)
	if e == nil {
		s.misses++
	} else {
		s.hits++
	}
	return e
}

// put stores value at k, where e is what is live there, with a driver's ttl, and
// returns the entry.
func (s *shard) put(k entryKey, e *entry, value []byte, ttl time.Duration, now int64) *entry {
	if e == nil {
		// The key is the caller's, who may reuse its memory.
		e = &entry{entryKey: entryKey{k.namespace, strings.Clone(k.key)}}
		s.entries[e.entryKey] = e
		s.bytes += e.size()
		s.most = max(s.most, len(s.entries))
	}
	s.bytes += int64(len(value) - len(e.value))
	e.value = value
	switch ttl {
	case driver.KeepTTL:
	case driver.NoTTL:
		s.setDeadline(e, 0)
	default:
		s.setDeadline(e, deadline(now, ttl))
	}
	return e
}

// setDeadline is the only place where a deadline changes.
func (s *shard) setDeadline(e *entry, deadline int64) {
	had := e.deadline != 0
	e.deadline = deadline
	switch has := deadline != 0; {
	case had && has:
		heap.Fix(&s.due, e.position)
	case has:
		heap.Push(&s.due, e)
	case had:
		heap.Remove(&s.due, e.position)
	}
}

func (s *shard) remove(e *entry) {
	s.setDeadline(e, 0)
	delete(s.entries, e.entryKey)
	s.bytes -= e.size() + int64(len(e.value))
	if len(s.entries) == 0 && s.most > keptEmpty {
		// Neither a map nor a slice gives memory back by itself.
		s.entries, s.due, s.most = make(map[entryKey]*entry), nil, 0
	}
}

// keptEmpty is how many entries an empty shard keeps room for.
const keptEmpty = 64

// free removes up to limit expired entries and returns how many it did.
func (s *shard) free(now int64, limit int) (removed int) {
	for removed < limit && len(s.due) > 0 && s.due[0].deadline <= now {
		s.remove(s.due[0])
		removed++
	}
	s.expired += uint64(removed)
	return removed
}

// deadline is now + ttl, saturated.
func deadline(now int64, ttl time.Duration) int64 {
	if int64(ttl) > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + int64(ttl)
}

// dueHeap implements heap.Interface: the earliest deadline is at index 0.
type dueHeap []*entry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].deadline < h[j].deadline }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].position, h[j].position = i, j
}

// Push appends an *entry.
func (h *dueHeap) Push(x any) {
	e := x.(*entry)
	e.position = len(*h)
	*h = append(*h, e)
}

// Pop removes the last one.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
