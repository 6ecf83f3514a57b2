package memory

import (
	"fmt"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A write is an operation that may change an entry. While it has the lock of the
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
type write struct {
	store  *store
	shard  *shard
	key    string
	hash   uint32 // of the key, for the index
	value  value
	size   int           // of the record of value
	large  memory        // that record if it is longer than maxSmall, written before the lock
	extra  bool          // large has not been counted: it can only be exchanged for one that is there
	ttl    time.Duration // a driver's
	clock  clock
	rooms  clock   // of makeRoom
	record *record // the live record, and where it is
	at     ref
	ended  bool
	err    error
}

// begin locks, and reports true, unless the write has ended, or err is why it can't be.
func (w *write) begin(s *store, key string, v value, ttl time.Duration) bool {
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
func (w *write) end() {
	w.unlock()
	if w.large != nil && !w.extra {
		w.store.kv.bound.give(w.large.cost())
	}
	w.large, w.extra = nil, false
	if w.ended = w.err != w.store.kv.bound.full; !w.ended {
		w.rooms.kv = w.store.kv
		w.ended = !w.store.kv.makeRoom(&w.rooms)
	}
}

// lock finds the live record of key.
func (w *write) lock(s *store, key string, ttl time.Duration) {
	w.store, w.key, w.ttl, w.clock = s, key, ttl, s.kv.clock()
	w.shard, w.hash = s.locate(key)
	w.shard.mu.Lock()
	w.shard.live(w)
}

// unlock unlocks, and frees a few entries that are due.
func (w *write) unlock() {
	w.shard.compact(2, slack)
	w.shard.mu.Unlock()
	w.store.kv.expireSome(&w.clock)
}

// holds reports whether v is what is stored.
func (w *write) holds(v value) bool { return w.at != 0 && w.record.value().equal(v) }

// put stores value, or, if the bound allows no more, reports false and changes nothing.
func (w *write) put() bool {
	if !w.shard.put(w) {
		w.err = w.store.kv.bound.full
		return false
	}
	return true
}

func (w *write) remove() {
	w.shard.remove(w.hash, w.record, w.shard.index.placeOf(w.hash, w.at))
}

// prepare writes a large record, and refuses a value that is too long.
func (w *write) prepare(key string) error {
	kv := w.store.kv
	if most := kv.config.MaxValueBytes; most > 0 && len(w.value.text) > most {
		return driver.Reason(driver.ErrInvalidValue,
			fmt.Sprintf("the value is of %d bytes, and memory.Config.MaxValueBytes is %d", len(w.value.text), most))
	}
	if w.size > maxRecord {
		return driver.Reason(driver.ErrInvalidValue, "namespace, key and value together are longer than 1 GiB")
	}
	if w.size <= maxSmall {
		return nil
	}
	// Go's heap rounds up by less than this: its sizes are steps of at most 4 KiB, and then
	// whole pages.
	most := w.size + 8<<10
	counted := kv.bound.take(most)
	if !counted && !w.store.holdsSingle(key, w.size) {
		return nil // put will tell, if it comes to that
	}
	w.key = key
	w.large = newRecord(w)
	if w.extra = !counted; counted {
		kv.bound.give(most - w.large.cost())
	}
	return nil
}

// holdsSingle reports whether key has a record of its own segment, of size bytes or more.
func (s *store) holdsSingle(key string, size int) bool {
	sh, hash := s.locate(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	r, p := sh.find(hash, &s.namespace, key)
	if r == nil {
		return false
	}
	segment := &sh.log.segments[p.ref().segment()]
	return segment.single && segment.counted >= size
}
