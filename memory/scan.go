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
		for from := uint64(0); from <= mostHash; {
			if err := ctx.Err(); err != nil {
				return err
			}
			sh.mu.Lock()
			_, from = sh.hashes(uint32(from), stepBuckets, func(_ uint32, p place) {
				records = append(records, sh.log.at(p.ref()))
			})
			sh.mu.Unlock()
			for _, r := range records {
				if !s.reaches(r, below) || !s.isLive(r) && !s.isLiveNow(r) {
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
	mostHash    = 1<<32 - 1
	stepBuckets = 16 // of a step with the lock
)

// hashes calls f for the entries of a range of hashes, which begins at from and is that of some
// buckets, and returns how many they were, and where the next range begins. f may remove its entry.
func (s *shard) hashes(from uint32, buckets int, f func(hash uint32, p place)) (n int, next uint64) {
	v := s.view.Load()
	if len(v.buckets) == 0 {
		return 0, mostHash + 1
	}
	first := v.home(from)
	last := min(first+buckets, len(v.buckets)) // the first one that is not in the range
	// The least hash at home in a bucket: home(h) is h*len>>32.
	next = (uint64(last)<<32 + uint64(len(v.buckets)) - 1) / uint64(len(v.buckets))
	// Entries that found their bucket full are in those after it, which count them.
	i := first
	for k := first; (k < last || v.passes(i)) && k-first < len(v.buckets); k++ {
		if k > first {
			i = v.after(i)
		}
		b := &v.buckets[i]
		for used := b.tags & usedBits; used != 0; used &= used - 1 {
			p := place{b, slotAt(used)}
			if hash := uint32(b.slots[p.slot] >> 32); hash >= from && uint64(hash) < next {
				f(hash, p)
				n++
			}
		}
	}
	return n, next
}

// passes reports whether entries that are at home in a bucket, or before it, are after it.
func (v *view) passes(i int) bool { return v.buckets[i].tags >= passed }

// reaches reports whether r is in the namespace, or, if below, in one below it.
func (s *store) reaches(r *record, below bool) bool {
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
