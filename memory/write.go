package memory

import (
	"fmt"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A writeOp is an operation that may change an entry. While it has the lock of the
// entry's shard, at is the place of the live record, or 0.
//
// One that stores something is a loop, which begins again when the bound has refused it
// and room could be made:
//
//	var w write
//	for w.begin(s, key, value, ttl) {
//		w.put()
//		w.end()
//	}
//	return w.err
type writeOp struct {
	store        *store
	shard        *shard
	key          string
	hash         uint32 // of the key, for the index
	value        value
	size         int           // of the record of value
	large        buffer        // that record if it is longer than maxSmall, written before the lock
	unreserved   bool          // large has not been counted: it can only be exchanged for one that is there
	ttl          time.Duration // a driver's
	clock        clock
	reclaimClock clock   // of makeRoom
	record       *record // the live record, and where it is
	at           ref
	ended        bool
	err          error
}

// begin locks, and reports true, unless the write has ended, or err is why it can't be.
func (w *writeOp) begin(s *store, key string, v value, ttl time.Duration) bool {
	if w.ended {
		return false
	}
	w.store, w.value, w.ttl, w.err = s, v, ttl, nil
	w.size = recordSize(len(s.namespace.name)+len(key), v)
	if w.size > maxSmall || s.kv.config.MaxValueBytes > 0 {
		if w.err = w.prepare(key); w.err != nil {
			return false
		}
	}
	w.lock(s, key, ttl)
	return true
}

// end unlocks. The write has ended, unless it is to begin again.
func (w *writeOp) end() {
	w.unlock()
	if w.large != nil && !w.unreserved {
		w.store.kv.budget.release(w.large.allocated())
	}
	w.large, w.unreserved = nil, false
	if w.ended = w.err != w.store.kv.budget.errFull; !w.ended {
		w.reclaimClock.kv = w.store.kv
		w.ended = !w.store.kv.reclaim(&w.reclaimClock)
	}
}

// lock finds the live record of key.
func (w *writeOp) lock(s *store, key string, ttl time.Duration) {
	w.store, w.key, w.ttl, w.clock = s, key, ttl, s.kv.clock()
	w.shard, w.hash = s.locate(key)
	w.shard.mu.Lock()
	w.shard.lookUp(w)
}

// unlock unlocks, and frees a few entries that are due.
func (w *writeOp) unlock() {
	w.shard.compact(2, minGarbage)
	w.shard.mu.Unlock()
	w.store.kv.expireSome(&w.clock)
}

// valueIs reports whether v is what is stored.
func (w *writeOp) valueIs(v value) bool { return w.at != 0 && w.record.value().equal(v) }

// put stores value, or, if the bound allows no more, reports false and changes nothing.
func (w *writeOp) put() bool {
	if !w.shard.put(w) {
		w.err = w.store.kv.budget.errFull
		return false
	}
	return true
}

func (w *writeOp) remove() {
	w.shard.remove(w.hash, w.record, w.shard.index.slotOf(w.hash, w.at))
}

// prepare writes a large record, and refuses a value that is too long.
func (w *writeOp) prepare(key string) error {
	kv := w.store.kv
	if limit := kv.config.MaxValueBytes; limit > 0 && len(w.value.text) > limit {
		return driver.Reason(driver.ErrInvalidValue,
			fmt.Sprintf("the value is of %d bytes, and memory.Config.MaxValueBytes is %d", len(w.value.text), limit))
	}
	if w.size > maxRecord {
		return driver.Reason(driver.ErrInvalidValue, "namespace, key and value together are longer than 1 GiB")
	}
	if w.size <= maxSmall {
		return nil
	}
	// Go's heap rounds up by less than this: its sizes are steps of at most 4 KiB, and then
	// whole pages.
	limit := w.size + 8<<10
	reserved := kv.budget.reserve(limit)
	if !reserved && !w.store.hasSingleSegment(key, w.size) {
		return nil // put will tell, if it comes to that
	}
	w.key = key
	w.large = newRecord(w)
	if w.unreserved = !reserved; reserved {
		kv.budget.release(limit - w.large.allocated())
	}
	return nil
}

// hasSingleSegment reports whether key has a record of its own segment, of size bytes or more.
func (s *store) hasSingleSegment(key string, size int) bool {
	sh, hash := s.locate(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	r, pos := sh.find(hash, &s.namespace, key)
	if r == nil {
		return false
	}
	segment := &sh.log.segments[pos.ref().segment()]
	return segment.single && segment.reserved >= size
}
