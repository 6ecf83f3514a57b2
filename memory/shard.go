package memory

import (
	"math"
	"slices"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A shard holds the entries whose keys hash to it. Who calls its methods holds mu. It is
// not for readers and writers: sync.RWMutex costs a write four atomic operations instead of
// two, a read one more for its counter, and readers who meet in a shard stay for a moment only.
type shard struct {
	mu      lock
	hits    uint64
	misses  uint64
	index   index
	log     log
	kv      *MemoryKV
	number  int
	expired uint64
	wheel   *wheel
	_       [40]byte // fills 256 bytes: shards share no cache line
}

func (s *shard) init(kv *MemoryKV, number int) {
	s.kv, s.number = kv, number
	s.log.bound, s.log.moved = &kv.bound, s.moved
	s.wheel = &wheel{log: &s.log}
}

// find returns the record of key in n, expired or not, and its place; or nil, and 0.
func (s *shard) find(hash uint32, n *namespace, key string) (record, ref) {
	if s.index.count == 0 {
		return nil, 0
	}
	for i := s.index.search(hash); ; i++ {
		slot := s.index.slots[i]
		if uint32(slot>>32) != hash {
			return nil, 0
		}
		if r := s.log.at(ref(slot)); r.is(n, key) {
			return r, ref(slot)
		}
	}
}

// live fills in the live record of a write's key, and its place, or nil and 0. One that has
// expired is removed.
func (s *shard) live(w *write) {
	w.record, w.at = s.find(w.hash, &w.store.namespace, w.key)
	if w.at == 0 || !w.record.expired(&w.clock) {
		return
	}
	s.remove(w.hash, w.record, w.at)
	s.expired++
	w.record, w.at = nil, 0
}

// put stores a write's value where it says, and updates its record and at. Other records
// may move. If the bound allows no more, it reports false, and nothing has changed.
func (s *shard) put(w *write) bool {
	if w.at != 0 && !s.replace(w) || w.at == 0 && !s.insert(w) {
		return false
	}
	switch w.ttl {
	case driver.KeepTTL:
	case driver.NoTTL:
		s.setDeadline(w.record, w.at, 0)
	default:
		s.setDeadline(w.record, w.at, deadline(w.clock.now(), w.ttl))
	}
	return true
}

func (s *shard) insert(w *write) bool {
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
func (s *shard) replace(w *write) bool {
	if w.size <= maxSmall && s.log.overwrite(w.record, w.at, w.value, w.size) {
		return true
	}
	r, at := s.add(w)
	if at == 0 {
		return s.exchange(w)
	}
	before, old := s.find(w.hash, &w.store.namespace, w.key) // again, since adding moves records
	if deadline := before.deadline(); deadline != 0 {
		r.setDeadline(deadline)
		r.setNext(before.next())
		r.setPrev(before.prev())
		s.wheel.moved(r, at)
	}
	s.index.move(w.hash, old, at)
	s.log.bury(old)
	w.record, w.at = r, at
	return true
}

// add writes a new record into the log. It returns 0 if the bound allows no more.
func (s *shard) add(w *write) (record, ref) {
	if w.size > maxSmall {
		if w.large == nil || w.extra {
			return nil, 0
		}
		at := s.log.adopt(w.large)
		if at == 0 {
			return nil, 0
		}
		w.large = nil // it is the log's now
		return s.log.at(at), at
	}
	at := s.log.append(w.size)
	if at == 0 {
		return nil, 0
	}
	r := s.log.at(at)
	r.setDeadline(0)
	writeRecord(r, w.store.namespace.name, w.key, w.value)
	return r, at
}

// exchange is replace where there is no room for old and new: see log.exchange.
func (s *shard) exchange(w *write) bool {
	r := w.large
	if w.size <= maxSmall {
		r = slices.Grow([]byte(nil), w.size)[:w.size]
		writeRecord(r, w.store.namespace.name, w.key, w.value)
	}
	if r == nil || !s.log.exchange(w.at, r) {
		return false
	}
	if w.large != nil && !w.extra {
		s.kv.bound.give(cap(w.large)) // it was counted as one more
	}
	w.record, w.large = r, nil
	return true
}

// growIndex has room in the index for another entry. At the bound a dense one has to do.
func (s *shard) growIndex() bool {
	if s.index.homes != 0 && !s.index.dense() {
		return true
	}
	return s.resizeIndex(s.index.count+1) || s.index.homes != 0 && !s.index.full()
}

func (s *shard) resizeIndex(entries int) bool {
	for homes := homesFor(entries); ; homes += homes / 4 {
		size := tableSize(homes) * slotSize
		if !s.kv.bound.take(size) {
			return false
		}
		before := len(s.index.slots) * slotSize
		if s.index.resize(homes) {
			s.kv.bound.give(before)
			return true
		}
		s.kv.bound.give(size)
	}
}

// setDeadline is the only place where the deadline of an entry changes.
func (s *shard) setDeadline(r record, at ref, deadline int64) {
	before := r.deadline()
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
	s.kv.due.add(s.number, deadline)
}

func (s *shard) remove(hash uint32, r record, at ref) {
	if r.deadline() != 0 {
		s.wheel.remove(r)
	}
	s.index.remove(hash, at)
	s.log.bury(at)
}

// moved is what the log tells of.
func (s *shard) moved(r record, from, to ref) {
	s.index.move(s.kv.slotHash(r), from, to)
	if r.deadline() != 0 {
		s.wheel.moved(r, to)
	}
}

// expire removes entries that are due, in a batch of no more than limit, and reports whether
// there was anything to do.
func (s *shard) expire(c *clock, limit int) bool {
	changed := s.wheel.expire(c, limit, func(r record, at ref) {
		s.index.remove(s.kv.slotHash(r), at)
		s.log.bury(at)
		s.expired++
	})
	_, due := s.wheel.earliest()
	s.kv.due.set(s.number, due)
	return changed > 0
}

// compact gives back memory that removed entries took, a segment's worth at most, as
// long as garbage is more than a part-th of the log, and reports whether it did.
func (s *shard) compact(part int) bool {
	if s.index.sparse() {
		s.resizeIndex(s.index.count)
	}
	if s.log.garbage*part <= s.log.held || s.log.garbage == 0 {
		return false
	}
	s.log.clean(s.log.dirtiest())
	return true
}

// deadline is now + ttl, saturated.
func deadline(now int64, ttl time.Duration) int64 {
	if int64(ttl) > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + int64(ttl)
}
