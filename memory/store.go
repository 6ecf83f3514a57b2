package memory

import (
	"context"
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// store is one namespace of a MemoryKV. Its methods wait for nothing but the lock of a shard. They
// do not look at contexts, because the front has checked the context before.
type store struct {
	kv        *MemoryKV
	namespace namespace
	shards    []shard      // the MemoryKV's shards, copied here to save a memory access
	keys      maphash.Seed // the MemoryKV's seed for keys, copied for the same reason
}

var (
	_ driver.AtomicStore = (*store)(nil)
	_ driver.Taker       = (*store)(nil)
	_ driver.Persister   = (*store)(nil)
	_ driver.Instant     = (*store)(nil)
)

// hash returns the hash of a key, from which its shard and its index hash follow.
func (s *store) hash(key string) uint64 { return maphash.String(s.keys, key) ^ s.namespace.hash }

func (s *store) shardOf(hash uint64) *shard {
	return &s.shards[hash>>(64-maxShardBits)&uint64(len(s.shards)-1)]
}

// locate returns the shard of key, and the hash by which the shard's index finds it.
func (s *store) locate(key string) (*shard, uint32) {
	hash := s.hash(key)
	return s.shardOf(hash), indexHash(hash)
}

// Get implements [driver.Store].
func (s *store) Get(_ context.Context, key string) (text []byte, found bool, err error) {
	hash := s.hash(key)
	sh := s.shardOf(hash)
	switch r, pos := sh.find(indexHash(hash), &s.namespace, key); {
	case r == nil && pos.bucket == nil:
		s.kv.reads.count(false)
		return nil, false, nil
	case r != nil && r.kind() >= sealed && s.isLive(r):
		s.kv.reads.count(true)
		return r.value().copy(), true, nil
	}
	r := s.findLive(sh, indexHash(hash), key)
	if r == nil {
		sh.mu.Unlock()
		return nil, false, nil
	}
	r.wasRead()
	v := r.value()
	// An allocation under the lock may have to assist Go's collector. A text that may change is
	// therefore first copied to the stack.
	var small [256]byte
	switch {
	case r.kind() >= sealed:
		sh.mu.Unlock()
		text = v.copy()
	case len(v.text) <= len(small):
		v.text = small[:copy(small[:], v.text)]
		sh.mu.Unlock()
		text = v.copy()
	default:
		text = v.copy()
		sh.mu.Unlock()
	}
	return text, true, nil
}

// Has implements [driver.Store].
func (s *store) Has(_ context.Context, key string) (bool, error) {
	hash := s.hash(key)
	sh := s.shardOf(hash)
	switch r, pos := sh.find(indexHash(hash), &s.namespace, key); {
	case r == nil && pos.bucket == nil:
		s.kv.reads.count(false)
		return false, nil
	case r != nil && s.isLive(r):
		s.kv.reads.count(true)
		return true, nil
	}
	r := s.findLive(sh, indexHash(hash), key)
	sh.mu.Unlock()
	return r != nil, nil
}

// isLive reports whether r has not expired. It needs no lock.
func (s *store) isLive(r *record) bool {
	d := atomic.LoadInt64(&r.deadline)
	return d == 0 || s.isFuture(d)
}

// isFuture reads the clock. The caller must have loaded the deadline before, because a writer may
// extend the deadline at any time.
//
//go:noinline
func (s *store) isFuture(deadline int64) bool { return deadline > s.kv.now() }

// findLive locks the shard of key, and returns the live record or nil. It counts a hit or a miss.
// The caller unlocks the shard.
func (s *store) findLive(sh *shard, hash uint32, key string) *record {
	c := s.kv.clock()
	sh.mu.Lock()
	r, _ := sh.find(hash, &s.namespace, key)
	if r != nil && r.expired(&c) {
		r = nil
	}
	s.kv.reads.count(r != nil)
	return r
}

// TTL implements [driver.Store].
func (s *store) TTL(_ context.Context, key string) (ttl time.Duration, found bool, err error) {
	c := s.kv.clock()
	sh, hash := s.locate(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	r, _ := sh.find(hash, &s.namespace, key)
	if r == nil || r.expired(&c) {
		return 0, false, nil
	}
	return remaining(r, &c), true, nil
}

// remaining returns the time to live of a live record, in the form of the method TTL of
// [driver.Store].
func remaining(r *record, c *clock) time.Duration {
	switch d := r.deadline; d {
	case 0:
		return driver.NoTTL
	case math.MaxInt64: // saturated: a longer time than an int64 can represent
		return math.MaxInt64
	default:
		return time.Duration(d - c.now())
	}
}

// Set implements [driver.Store].
func (s *store) Set(_ context.Context, key string, text []byte, ttl time.Duration) error {
	v := newValue(text)
	var w writeOp
	for w.begin(s, key, v, ttl) {
		w.put()
		w.end()
	}
	return w.err
}

// Del implements [driver.Store].
func (s *store) Del(_ context.Context, key string) error {
	var w writeOp
	w.lock(s, key, driver.NoTTL)
	if w.at != 0 {
		w.remove()
	}
	w.unlock()
	return nil
}

// Expire implements [driver.Store].
func (s *store) Expire(_ context.Context, key string, ttl time.Duration) (found bool, err error) {
	var w writeOp
	w.lock(s, key, ttl)
	if found = w.at != 0; found {
		w.shard.setDeadline(w.record, w.at, deadlineAfter(w.clock.now(), ttl))
	}
	w.unlock()
	return found, nil
}

// Incr implements [driver.AtomicStore].
func (s *store) Incr(_ context.Context, key string, by int64, ttl time.Duration) (sum int64, ttlLeft time.Duration, err error) {
	if sum, ttlLeft, ok := s.add(key, by); ok {
		return sum, ttlLeft, nil
	}
	v := value{n: by}
	var w writeOp
	for w.begin(s, key, v, ttl) {
		if w.at == 0 {
			sum = by
			w.put()
		} else {
			sum, w.err = w.record.add(by)
		}
		if w.err == nil {
			ttlLeft = remaining(w.record, &w.clock)
		}
		w.end()
	}
	if w.err != nil {
		return 0, 0, w.err
	}
	return sum, ttlLeft, nil
}

// add adds to an existing counter. It needs no memory and moves no record, so it is faster than a
// writeOp. ok is false if there is no counter at key.
func (s *store) add(key string, by int64) (sum int64, ttlLeft time.Duration, ok bool) {
	c := s.kv.clock()
	sh, hash := s.locate(key)
	sh.mu.Lock()
	r, _ := sh.find(hash, &s.namespace, key)
	if r != nil && !r.expired(&c) {
		var err error
		sum, err = r.add(by)
		ttlLeft, ok = remaining(r, &c), err == nil
	}
	sh.mu.Unlock()
	if ok {
		s.kv.expireSome(&c)
	}
	return sum, ttlLeft, ok
}

// SetNX implements [driver.AtomicStore].
func (s *store) SetNX(_ context.Context, key string, text []byte, ttl time.Duration) (stored bool, err error) {
	v := newValue(text)
	var w writeOp
	for w.begin(s, key, v, ttl) {
		stored = w.at == 0 && w.put()
		w.end()
	}
	return stored, w.err
}

// CompareAndSwap implements [driver.AtomicStore].
func (s *store) CompareAndSwap(_ context.Context, key string, old, new []byte, ttl time.Duration) (swapped bool, err error) {
	expected, v := newValue(old), newValue(new)
	var w writeOp
	for w.begin(s, key, v, ttl) {
		swapped = w.valueIs(expected) && w.put()
		w.end()
	}
	return swapped, w.err
}

// CompareAndDelete implements [driver.AtomicStore].
func (s *store) CompareAndDelete(_ context.Context, key string, old []byte) (deleted bool, err error) {
	expected := newValue(old)
	var w writeOp
	w.lock(s, key, driver.NoTTL)
	if deleted = w.valueIs(expected); deleted {
		w.remove()
	}
	w.unlock()
	return deleted, nil
}
