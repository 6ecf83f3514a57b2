package memory

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A shard holds the entries whose keys hash to it. Reads need only the view. The caller of any
// other method holds mu.
type shard struct {
	view    atomic.Pointer[view]
	_       [cacheLine - 8]byte // padding: writes to the other fields do not invalidate the cache line of view
	mu      lock
	index   index
	log     log
	kv      *MemoryKV
	number  int
	expired uint64
	wheel   *wheel
	scratch []byte   // for the text of a rate limiter's state
	_       [24]byte // padding to a multiple of cacheLine: the view of the next shard begins a new line
}

// cacheLine is the number of bytes that processors exchange at a time: often two lines of 64 bytes.
const cacheLine = 128

func (s *shard) init(kv *MemoryKV, number int) {
	s.kv, s.number = kv, number
	s.view.Store(&view{})
	s.index.view = &s.view
	s.log.view, s.log.budget, s.log.onMove = &s.view, &kv.budget, s.recordMoved
	s.wheel = &wheel{log: &s.log}
}

// find calls view.find on the current view.
func (s *shard) find(hash uint32, n *namespace, key string) (*record, position) {
	return s.view.Load().find(hash, n, key)
}

// lookUp sets w.record and w.at to the live record of the key, or to nil and 0. It removes an
// expired record.
func (s *shard) lookUp(w *writeOp) {
	r, pos := s.find(w.hash, &w.store.namespace, w.key)
	switch {
	case r == nil:
	case r.expired(&w.clock):
		s.remove(w.hash, r, pos)
		s.expired++
	default:
		w.record, w.at = r, pos.ref()
		return
	}
	w.record, w.at = nil, 0
}

// put stores the value of w and updates w.record and w.at. If the budget is exhausted, put returns
// false and no entry has changed. Records may move in both cases.
func (s *shard) put(w *writeOp) bool {
	if w.at != 0 && !s.replace(w) || w.at == 0 && !s.insert(w) {
		return false
	}
	switch w.ttl {
	case driver.KeepTTL:
	case driver.NoTTL:
		s.setDeadline(w.record, w.at, 0)
	default:
		s.setDeadline(w.record, w.at, deadlineAfter(w.clock.now(), w.ttl))
	}
	return true
}

func (s *shard) insert(w *writeOp) bool {
	if !s.growIndex() {
		return false
	}
	r, at := s.add(w)
	if at == 0 {
		return false
	}
	s.index.insert(w.hash, at)
	w.record, w.at = r, at
	return true
}

// replace replaces the value of an existing entry. The deadline stays.
func (s *shard) replace(w *writeOp) bool {
	if w.record.overwrite(w.value) {
		return true
	}
	r, at := s.add(w)
	if at == 0 {
		return s.replaceSingle(w)
	}
	before, pos := s.find(w.hash, &w.store.namespace, w.key) // once more, because add moves records
	if before.deadline != 0 {
		r.deadline, r.next, r.prev = before.deadline, before.next, before.prev
		s.wheel.relink(r, at)
	}
	old := pos.ref()
	s.index.move(pos, at)
	s.log.markDead(old)
	w.record, w.at = r, at
	return true
}

// add writes a new record into the log. It returns nil and 0 if the budget is exhausted.
func (s *shard) add(w *writeOp) (*record, ref) {
	if w.size > maxSmall {
		if w.large == nil || w.unreserved {
			return nil, 0
		}
		at := s.log.addSingle(w.large)
		if at == 0 {
			return nil, 0
		}
		w.large = nil // from here on, the log owns the buffer
		return s.log.at(at), at
	}
	at := s.log.allocate(w.size)
	if at == 0 && w.at != 0 {
		r, pos := s.find(w.hash, &w.store.namespace, w.key) // once more: records may have moved although allocate failed
		w.record, w.at = r, pos.ref()
		at = s.log.allocateReplacing(w.at, w.size)
	}
	if at == 0 {
		return nil, 0
	}
	r := s.log.at(at)
	r.write(w.store.namespace.name, w.key, w.value, unread)
	return r, at
}

// replaceSingle replaces a record if the budget has no room for the old and the new record
// together. See log.replaceSingle.
func (s *shard) replaceSingle(w *writeOp) bool {
	m := w.large
	if w.size <= maxSmall {
		m = newRecord(w)
	}
	if m == nil || !s.log.replaceSingle(w.at, m) {
		return false
	}
	if w.large != nil && !w.unreserved {
		s.kv.budget.release(w.large.allocated()) // it was reserved in addition to the old record
	}
	w.record, w.large = s.log.at(w.at), nil
	return true
}

// newRecord writes the record of w into a new buffer. The record is sealed, so that no reader
// copies a long text under the lock.
func newRecord(w *writeOp) buffer {
	m := newBuffer(w.size)
	m.firstRecord().write(w.store.namespace.name, w.key, w.value, sealed)
	return m
}

// growIndex makes sure that the index has a slot for another entry. If the budget is exhausted, a
// dense index must suffice.
func (s *shard) growIndex() bool {
	return !s.index.dense() || s.resizeIndex(s.index.count+1) || !s.index.full()
}

func (s *shard) resizeIndex(entries int) bool {
	n := bucketsFor(entries)
	if !s.kv.budget.reserve(n * bucketSize) {
		return false
	}
	buckets := slices.Grow([]bucket(nil), n)
	if all := cap(buckets); s.kv.budget.reserve((all - n) * bucketSize) {
		n = all // use all of the memory, because Go's heap has rounded up
	}
	s.kv.budget.release(len(s.index.buckets()) * bucketSize)
	s.index.resize(buckets[:n])
	return true
}

// setDeadline sets or clears the deadline of an entry. No other function changes a deadline.
func (s *shard) setDeadline(r *record, at ref, deadline int64) {
	before := r.deadline
	if deadline == before {
		return
	}
	if before != 0 && deadline < before {
		s.wheel.remove(r)
		before = 0
	}
	r.setDeadline(deadline)
	if deadline == 0 {
		return
	}
	if before == 0 {
		s.wheel.add(r, at)
	}
	s.kv.nextExpiry.add(s.number, deadline)
}

func (s *shard) remove(hash uint32, r *record, pos position) {
	at := pos.ref()
	if r.deadline != 0 {
		s.wheel.remove(r)
	}
	s.index.remove(hash, pos)
	s.log.markDead(at)
}

// recordMoved updates index and wheel after the log has moved a record.
func (s *shard) recordMoved(r *record, from, to ref) {
	s.index.move(s.index.slotOf(s.kv.recordHash(r), from), to)
	if r.deadline != 0 {
		s.wheel.relink(r, to)
	}
}

// expire removes at most limit expired entries, and reports whether it changed anything.
func (s *shard) expire(c *clock, limit int) bool {
	changed := s.wheel.expire(c, limit, func(r *record, at ref) {
		hash := s.kv.recordHash(r)
		s.index.remove(hash, s.index.slotOf(hash, at))
		s.log.markDead(at)
		s.expired++
	})
	_, due := s.wheel.earliest()
	s.kv.nextExpiry.set(s.number, due)
	return changed > 0
}

// compact gives back the memory of removed entries, at most one segment per call. It cleans a
// segment if the garbage exceeds both minimum bytes and the given fraction of the log, 1/divisor.
// It reports whether it cleaned one.
func (s *shard) compact(divisor, minimum int) bool {
	if s.index.sparse() {
		s.resizeIndex(s.index.count)
	}
	return s.log.garbage > max(s.log.sharedBytes/divisor, minimum) && s.log.clean(s.log.victim())
}

// deadlineAfter returns now + ttl, or math.MaxInt64 if the sum overflows.
func deadlineAfter(now int64, ttl time.Duration) int64 {
	if int64(ttl) > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + int64(ttl)
}
