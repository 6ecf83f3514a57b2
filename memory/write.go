package memory

import (
	"errors"
	"fmt"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A writeOp is one operation that may change an entry. While it holds the lock of the entry's
// shard, record and at refer to the live record. They are nil and 0 if there is none.
//
// An operation that stores a value is a loop. It runs again if the budget has refused the write and
// the store could reclaim memory:
//
//	var w writeOp
//	for w.begin(s, key, value, ttl) {
//		w.put()
//		w.end()
//	}
//	return w.err
type writeOp struct {
	store        *store
	shard        *shard
	key          string
	hash         uint32 // the index hash of the key
	value        value
	size         int           // of the record with value, in bytes
	large        buffer        // the record with value, if longer than maxSmall; written before the lock is taken
	unreserved   bool          // large is not reserved in the budget; it can only replace an existing record
	ttl          time.Duration // as in package driver
	clock        clock
	reclaimClock clock   // for MemoryKV.reclaim
	record       *record // the live record
	at           ref
	ended        bool
	err          error
}

// begin locks the shard and returns true. It returns false if the operation has ended or has
// failed.
func (w *writeOp) begin(s *store, key string, v value, ttl time.Duration) bool {
	if w.ended {
		return false
	}
	w.store, w.value, w.ttl, w.err = s, v, ttl, nil
	w.size = recordSize(len(s.namespace.name)+len(key), v)
	if w.size > maxSmall || !s.kv.config.allows(v.text) {
		if w.err = w.prepare(key); w.err != nil {
			return false
		}
	}
	w.lock(s, key, ttl)
	return true
}

// end unlocks the shard. The operation has then ended, unless the loop has to run again.
func (w *writeOp) end() {
	w.unlock()
	if w.large != nil && !w.unreserved {
		w.store.kv.budget.release(w.large.allocated())
	}
	w.large, w.unreserved = nil, false
	if w.ended = w.err == nil || !errors.Is(w.err, w.store.kv.budget.errFull); !w.ended {
		w.reclaimClock.kv = w.store.kv
		w.ended = !w.store.kv.reclaim(&w.reclaimClock)
	}
}

// lock locks the shard of key and finds the live record.
func (w *writeOp) lock(s *store, key string, ttl time.Duration) {
	w.store, w.key, w.ttl, w.clock = s, key, ttl, s.kv.clock()
	w.shard, w.hash = s.locate(key)
	w.shard.mu.Lock()
	w.shard.lookUp(w)
}

// unlock unlocks the shard, and removes a few expired entries.
func (w *writeOp) unlock() {
	w.shard.compact(2, minGarbage)
	w.shard.mu.Unlock()
	w.store.kv.expireSome(&w.clock)
}

// valueIs reports whether the stored value equals v.
func (w *writeOp) valueIs(v value) bool { return w.at != 0 && w.record.value().equal(v) }

// put stores value. If the budget is exhausted, it returns false, sets err, and changes nothing.
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

// prepare writes a large record into a new buffer. It returns an error if the value is too long.
func (w *writeOp) prepare(key string) error {
	kv := w.store.kv
	if !kv.config.allows(w.value.text) {
		return driver.Reason(driver.ErrInvalidValue,
			fmt.Sprintf("the value has %d bytes, and memory.Config.MaxValueBytes allows %d", len(w.value.text), kv.config.MaxValueBytes))
	}
	if w.size > maxRecord {
		return driver.Reason(driver.ErrInvalidValue, "namespace, key and value together are longer than 1 GiB")
	}
	if w.size <= maxSmall {
		return nil
	}
	// The Go heap rounds up by less than 8 KiB: its size classes are at most 4 KiB apart, and
	// larger sizes are whole pages.
	limit := w.size + 8<<10
	reserved := kv.budget.reserve(limit)
	if !reserved && !w.store.hasSingleSegment(key, w.size) {
		return nil // put returns the error, if it has to store the value
	}
	w.key = key
	w.large = newRecord(w)
	if w.unreserved = !reserved; reserved {
		kv.budget.release(limit - w.large.allocated())
	}
	return nil
}

// hasSingleSegment reports whether key has a record in a single segment of at least size bytes.
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
