package memory

import (
	"bytes"
	"context"
	"sync/atomic"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Scanner = (*store)(nil)

// Keys implements [driver.Scanner].
//
// It goes through each shard by hash. A key's hash never changes, so a key is in one range of hashes
// only, however often the index is resized in between: it comes once, and nothing has to be
// remembered. The lock is held to note where the records of a range are, some 100 of them, and not to
// look at them: keys never change, and no record's memory is used again while we point to it.
func (s *store) Keys(ctx context.Context, below bool, yield func(path []string, key string) bool) error {
	var records []*record
	for i := range s.kv.shards {
		sh := &s.kv.shards[i]
		for from := uint64(0); from <= maxHash; {
			if err := ctx.Err(); err != nil {
				return err
			}
			sh.mu.Lock()
			from = sh.eachInRange(uint32(from), keysBuckets, func(_ uint32, pos position) {
				records = append(records, sh.log.at(pos.ref()))
			})
			sh.mu.Unlock()
			for _, r := range records {
				if !s.includes(r, below) || !s.isLive(r) && !s.isLiveNow(r) {
					continue
				}
				path, key, ok := driver.Under(s.namespace.name, string(r.key()))
				if ok && !yield(path, key) {
					return nil
				}
			}
			clear(records)
			records = records[:0]
		}
	}
	return nil
}

const (
	maxHash     = 1<<32 - 1
	keysBuckets = 16 // of a step with the lock
)

// eachInRange calls f for the entries of a range of hashes, which begins at from and is that of some
// buckets, and returns where the next range begins. f may remove its entry.
func (s *shard) eachInRange(from uint32, buckets int, f func(hash uint32, pos position)) (next uint64) {
	v := s.view.Load()
	if len(v.buckets) == 0 {
		return maxHash + 1
	}
	first := v.home(from)
	last := min(first+buckets, len(v.buckets)) // the first one that is not in the range
	// The least hash at home in a bucket: home(h) is h*len>>32.
	next = (uint64(last)<<32 + uint64(len(v.buckets)) - 1) / uint64(len(v.buckets))
	// Entries that found their bucket full are in those after it, which count them.
	i := first
	for k := first; (k < last || v.overflows(i)) && k-first < len(v.buckets); k++ {
		if k > first {
			i = v.next(i)
		}
		b := &v.buckets[i]
		for used := b.tags & usedBits; used != 0; used &= used - 1 {
			pos := position{b, slotNumber(used)}
			if hash := uint32(b.slots[pos.slot] >> 32); hash >= from && uint64(hash) < next {
				f(hash, pos)
			}
		}
	}
	return next
}

// overflows reports whether entries that are at home in a bucket, or before it, are after it.
func (v *view) overflows(i int) bool { return v.buckets[i].tags >= overflowUnit }

// includes reports whether r is in the namespace, or, if below, in one below it.
func (s *store) includes(r *record, below bool) bool {
	name, key := s.namespace.name, r.key()
	stem := len(name) - 1
	if len(key) <= stem || string(key[:stem]) != name[:stem] {
		return false
	}
	return key[stem] == ':' || below && key[stem] == '/'
}

// isLiveNow is isLive of the record that the key of r has now: the deadline may have been put off in
// another one.
func (s *store) isLiveNow(r *record) bool {
	physical := r.key()
	n := bytes.IndexByte(physical, ':') + 1
	name, key := string(physical[:n]), string(physical[n:])
	other := s.kv.open(name)
	sh, hash := other.locate(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now, _ := sh.find(hash, &other.namespace, key)
	if now == nil {
		return false
	}
	d := atomic.LoadInt64(&now.deadline)
	return d == 0 || d > s.kv.now()
}
