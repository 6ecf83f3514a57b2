package memory

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A shard holds the entries whose keys hash to it. Reading needs the view only; who calls a
// shard's methods holds mu.
type shard struct {
	view    atomic.Pointer[view]
	_       [cacheLine - 8]byte // writers of other words do not disturb readers
	mu      lock
	index   index
	log     log
	kv      *MemoryKV
	number  int
	expired uint64
	wheel   *wheel
	_       [48]byte // up to a multiple of a line: the next shard's view has one of its own
}

// cacheLine is what processors pass among each other: two lines of 64 bytes, often.
const cacheLine = 128

func (s *shard) init(kv *MemoryKV, number int) {
	s.kv, s.number = kv, number
	s.view.Store(&view{})
	s.index.view = &s.view
	s.log.view, s.log.budget, s.log.onMove = &s.view, &kv.budget, s.recordMoved
	s.wheel = &wheel{log: &s.log}
}

// find is view.find.
func (s *shard) find(hash uint32, n *namespace, key string) (*record, position) {
	return s.view.Load().find(hash, n, key)
}

// lookUp fills in the live record of a write's key, and its place, or nil and 0. One that has
// expired is removed.
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

// put stores a write's value where it says, and updates its record and at. If the bound allows no
// more, it reports false, and no entry has changed. Records may move either way.
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

// replace keeps the deadline.
func (s *shard) replace(w *writeOp) bool {
	if w.record.overwrite(w.value) {
		return true
	}
	r, at := s.add(w)
	if at == 0 {
		return s.replaceSingle(w)
	}
	before, pos := s.find(w.hash, &w.store.namespace, w.key) // again, since adding moves records
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

// add writes a new record into the log. It returns 0 if the bound allows no more.
func (s *shard) add(w *writeOp) (*record, ref) {
	if w.size > maxSmall {
		if w.large == nil || w.unreserved {
			return nil, 0
		}
		at := s.log.addSingle(w.large)
		if at == 0 {
			return nil, 0
		}
		w.large = nil // it is the log's now
		return s.log.at(at), at
	}
	at := s.log.allocate(w.size)
	if at == 0 && w.at != 0 {
		r, pos := s.find(w.hash, &w.store.namespace, w.key) // again: records may have moved in vain
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

// replaceSingle is replace where there is no room for old and new: see log.exchange.
func (s *shard) replaceSingle(w *writeOp) bool {
	m := w.large
	if w.size <= maxSmall {
		m = newRecord(w)
	}
	if m == nil || !s.log.replaceSingle(w.at, m) {
		return false
	}
	if w.large != nil && !w.unreserved {
		s.kv.budget.release(w.large.allocated()) // it was counted as one more
	}
	w.record, w.large = s.log.at(w.at), nil
	return true
}

// newRecord makes the record of a write in memory of its own, sealed, so that nobody copies a long
// text with the lock.
func newRecord(w *writeOp) buffer {
	m := newBuffer(w.size)
	m.firstRecord().write(w.store.namespace.name, w.key, w.value, sealed)
	return m
}

// growIndex has room in the index for another entry. At the bound a dense one has to do.
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
		n = all // Go's heap has rounded up
	}
	s.kv.budget.release(len(s.index.buckets()) * bucketSize)
	s.index.resize(buckets[:n])
	return true
}

// setDeadline is the only place where the deadline of an entry changes.
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

// recordMoved is what the log tells of.
func (s *shard) recordMoved(r *record, from, to ref) {
	s.index.move(s.index.slotOf(s.kv.slotHash(r), from), to)
	if r.deadline != 0 {
		s.wheel.relink(r, to)
	}
}

// expire removes entries that are due, in a batch of no more than limit, and reports whether
// there was anything to do.
func (s *shard) expire(c *clock, limit int) bool {
	changed := s.wheel.expire(c, limit, func(r *record, at ref) {
		hash := s.kv.slotHash(r)
		s.index.remove(hash, s.index.slotOf(hash, at))
		s.log.markDead(at)
		s.expired++
	})
	_, due := s.wheel.earliest()
	s.kv.nextExpiry.set(s.number, due)
	return changed > 0
}

// compact gives back memory that removed entries took, a segment's worth at most, as
// long as garbage is more than a part-th of the log, and than most, and reports whether it did.
func (s *shard) compact(part, most int) bool {
	if s.index.sparse() {
		s.resizeIndex(s.index.count)
	}
	return s.log.garbage > max(s.log.sharedBytes/part, most) && s.log.clean(s.log.victim())
}

// deadlineAfter is now + ttl, saturated.
func deadlineAfter(now int64, ttl time.Duration) int64 {
	if int64(ttl) > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + int64(ttl)
}
