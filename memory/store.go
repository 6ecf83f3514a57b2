package memory

import (
	"context"
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// store is one namespace of a MemoryKV. No operation waits for anything but a
// mutex, so contexts, which the front has looked at, are not looked at again.
type store struct {
	kv        *MemoryKV
	namespace namespace
	shards    []shard      // kv's, at hand as is
	keys      maphash.Seed // the seed
}

var (
	_ driver.AtomicStore = (*store)(nil)
	_ driver.Taker       = (*store)(nil)
	_ driver.Persister   = (*store)(nil)
)

// hash is what a key's shard and its slot there go by.
func (s *store) hash(key string) uint64 { return maphash.String(s.keys, key) ^ s.namespace.hash }

func (s *store) shardOf(hash uint64) *shard {
	return &s.shards[hash>>(64-maxShardBits)&uint64(len(s.shards)-1)]
}

// locate returns the shard where key belongs, and the hash of its slot there.
func (s *store) locate(key string) (*shard, uint32) {
	hash := s.hash(key)
	return s.shardOf(hash), slotHash(hash)
}

// Get implements [driver.Store].
func (s *store) Get(_ context.Context, key string) (text []byte, found bool, err error) {
	hash := s.hash(key)
	sh := s.shardOf(hash)
	switch r, pos := sh.find(slotHash(hash), &s.namespace, key); {
	case r == nil && pos.bucket == nil:
		s.kv.reads.count(false)
		return nil, false, nil
	case r != nil && r.kind() >= sealed && s.isLive(r):
		s.kv.reads.count(true)
		return r.value().copy(), true, nil
	}
	r := s.findLive(sh, slotHash(hash), key)
	if r == nil {
		sh.mu.Unlock()
		return nil, false, nil
	}
	r.wasRead()
	v := r.value()
	// Allocating may have to help Go's collector, so what may change is first copied to the stack.
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
	switch r, pos := sh.find(slotHash(hash), &s.namespace, key); {
	case r == nil && pos.bucket == nil:
		s.kv.reads.count(false)
		return false, nil
	case r != nil && s.isLive(r):
		s.kv.reads.count(true)
		return true, nil
	}
	r := s.findLive(sh, slotHash(hash), key)
	sh.mu.Unlock()
	return r != nil, nil
}

// isLive reports whether r has not expired, without the lock.
func (s *store) isLive(r *record) bool {
	d := atomic.LoadInt64(&r.deadline)
	return d == 0 || s.isFuture(d)
}

// isFuture reads the clock, after a deadline that may be put off at any time.
//
//go:noinline
func (s *store) isFuture(deadline int64) bool { return deadline > s.kv.now() }

// findLive locks the shard of key, and returns the live record, or nil. It counts a hit or a miss.
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

// remaining is what [driver.Store] TTL returns for a live record.
func remaining(r *record, c *clock) time.Duration {
	switch d := r.deadline; d {
	case 0:
		return driver.NoTTL
	case math.MaxInt64: // saturated: further away than we know
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

// add is Incr of a counter that is there, the short way: it needs no room, and nothing moves.
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
