package memory

import (
	"bytes"
	"context"
	"hash/maphash"
	"math"
	"strconv"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// store is one namespace of a MemoryKV. No operation waits for anything but a
// mutex, so contexts, which the front has looked at, are not looked at again.
type store struct {
	kv        *MemoryKV
	namespace string
	hash      uint64
}

var _ driver.AtomicStore = (*store)(nil)

func (s *store) lock(key string) (*shard, entryKey) {
	h := maphash.String(s.kv.seed, key) ^ s.hash
	sh := &s.kv.shards[h%shardCount]
	sh.mu.Lock()
	return sh, entryKey{s.namespace, key}
}

// freed is how many expired entries a write removes: more than one, so that a store
// whose collector never started shrinks faster than it grows.
const freed = 2

// unlock ends a write: it lets go of sh, and removes a few expired entries of one
// shard, in turn, so that every shard has its turn wherever the writes go.
func (s *store) unlock(sh *shard, now int64) {
	sh.next++
	turn := &s.kv.shards[sh.next%shardCount]
	sh.mu.Unlock()
	if turn.mu.TryLock() {
		turn.free(now, freed)
		turn.mu.Unlock()
	}
}

// Get implements [driver.Store].
func (s *store) Get(_ context.Context, key string) (value []byte, found bool, err error) {
	sh, k := s.lock(key)
	defer sh.mu.Unlock()
	e := sh.read(k, s.kv.now())
	if e == nil {
		return nil, false, nil
	}
	return bytes.Clone(e.value), true, nil
}

// Set implements [driver.Store].
func (s *store) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	sh, k := s.lock(key)
	now := s.kv.now()
	defer s.unlock(sh, now)
	sh.put(k, sh.live(k, now), value, ttl, now)
	return nil
}

// Del implements [driver.Store].
func (s *store) Del(_ context.Context, key string) error {
	sh, k := s.lock(key)
	now := s.kv.now()
	defer s.unlock(sh, now)
	if e := sh.live(k, now); e != nil {
		sh.remove(e)
	}
	return nil
}

// Has implements [driver.Store].
func (s *store) Has(_ context.Context, key string) (bool, error) {
	sh, k := s.lock(key)
	defer sh.mu.Unlock()
	return sh.read(k, s.kv.now()) != nil, nil
}

// Expire implements [driver.Store].
func (s *store) Expire(_ context.Context, key string, ttl time.Duration) (bool, error) {
	sh, k := s.lock(key)
	now := s.kv.now()
	defer s.unlock(sh, now)
	e := sh.live(k, now)
	if e == nil {
		return false, nil
	}
	sh.setDeadline(e, deadline(now, ttl))
	return true, nil
}

// TTL implements [driver.Store].
func (s *store) TTL(_ context.Context, key string) (ttl time.Duration, found bool, err error) {
	sh, k := s.lock(key)
	defer sh.mu.Unlock()
	now := s.kv.now()
	e := sh.live(k, now)
	if e == nil {
		return 0, false, nil
	}
	return e.left(now), true, nil
}

// left is what [driver.Store] TTL returns for e.
func (e *entry) left(now int64) time.Duration {
	switch e.deadline {
	case 0:
		return driver.NoTTL
	case math.MaxInt64: // saturated: further away than we know
		return math.MaxInt64
	}
	return time.Duration(e.deadline - now)
}

// Incr implements [driver.AtomicStore].
func (s *store) Incr(_ context.Context, key string, by int64, ttl time.Duration) (sum int64, left time.Duration, err error) {
	sh, k := s.lock(key)
	now := s.kv.now()
	defer s.unlock(sh, now)
	e := sh.live(k, now)
	if e == nil {
		e = sh.put(k, nil, strconv.AppendInt(nil, by, 10), ttl, now)
		return by, e.left(now), nil
	}
	sum, err = driver.Add(e.value, by)
	if err != nil {
		return 0, 0, err
	}
	sh.put(k, e, strconv.AppendInt(nil, sum, 10), driver.KeepTTL, now)
	return sum, e.left(now), nil
}

// SetNX implements [driver.AtomicStore].
func (s *store) SetNX(_ context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	sh, k := s.lock(key)
	now := s.kv.now()
	defer s.unlock(sh, now)
	if sh.live(k, now) != nil {
		return false, nil
	}
	sh.put(k, nil, value, ttl, now)
	return true, nil
}

// CompareAndSwap implements [driver.AtomicStore].
func (s *store) CompareAndSwap(_ context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	sh, k := s.lock(key)
	now := s.kv.now()
	defer s.unlock(sh, now)
	e := sh.live(k, now)
	if e == nil || !bytes.Equal(e.value, old) {
		return false, nil
	}
	sh.put(k, e, new, ttl, now)
	return true, nil
}

// CompareAndDelete implements [driver.AtomicStore].
func (s *store) CompareAndDelete(_ context.Context, key string, old []byte) (bool, error) {
	sh, k := s.lock(key)
	now := s.kv.now()
	defer s.unlock(sh, now)
	e := sh.live(k, now)
	if e == nil || !bytes.Equal(e.value, old) {
		return false, nil
	}
	sh.remove(e)
	return true, nil
}
