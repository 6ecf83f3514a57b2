package memory

import (
	"bytes"
	"context"
	"iter"
	"math/bits"
	"sync/atomic"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Scanner = (*store)(nil)

// Keys implements [driver.Scanner].
//
// Keys visits the hashes of each shard in ranges. The hash of a key never changes, so each key is in
// one range only, even if the index is resized. Keys therefore yields each key once without a list of
// the keys so far. Under the lock, Keys collects pointers to the records of a range, about 100. It
// reads the records without the lock: their keys never change, and their memory is not used again
// while there is a pointer to it.
func (s *store) Keys(ctx context.Context, below bool, yield func(path []string, key string) bool) error {
	var records []*record
	for i := range s.kv.shards {
		sh := &s.kv.shards[i]
		for r := range sh.hashRanges(keysBuckets) {
			for from := r.first; from < r.end; {
				if err := ctx.Err(); err != nil {
					return err
				}
				sh.mu.Lock()
				from = sh.eachInRange(hashRange{from, r.end}, keysBuckets, func(_ uint32, pos position) {
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
	}
	return nil
}

const keysBuckets = 16 // the number of buckets that Keys examines in one step under the lock

// A hashRange contains the hashes from first to end-1.
type hashRange struct{ first, end uint64 }

// hashRanges returns ranges that contain each hash once. Each range covers at most the given number
// of buckets, as long as the index does not grow.
//
// The ranges are not in ascending order: their numbers are counted with reversed bits. If a caller
// removes the visited entries, the others are therefore spread over the whole index. In ascending
// order, they would be at its end: after the index has shrunk, they would fill the same few
// buckets, and each search would examine thousands of buckets.
func (s *shard) hashRanges(buckets int) iter.Seq[hashRange] {
	return func(yield func(hashRange) bool) {
		width := 32 - bits.Len(uint(len(s.view.Load().buckets)/buckets))
		for number := range uint64(1) << (32 - width) {
			first := uint64(bits.Reverse32(uint32(number)))
			if !yield(hashRange{first, first + 1<<width}) {
				return
			}
		}
	}
}

// eachInRange calls f for the entries whose hashes are at the begin of r. It examines the given
// number of buckets. f may remove its entry. eachInRange returns the first hash that remains to be
// visited, or r.end.
func (s *shard) eachInRange(r hashRange, buckets int, f func(hash uint32, pos position)) (next uint64) {
	v := s.view.Load()
	if len(v.buckets) == 0 {
		return r.end
	}
	from := uint32(r.first)
	first := v.home(from)
	last := min(first+buckets, len(v.buckets)) // the first bucket after the range
	// The lowest hash whose home is the bucket last: home(h) is h*len>>32.
	next = min(r.end, (uint64(last)<<32+uint64(len(v.buckets))-1)/uint64(len(v.buckets)))
	// An entry whose home bucket was full is in a later bucket; the full buckets count it.
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

// overflows reports whether entries with bucket i, or an earlier bucket, as home are after bucket
// i.
func (v *view) overflows(i int) bool { return v.buckets[i].tags >= overflowUnit }

// includes reports whether r is in the namespace or, if below is true, in a namespace below.
func (s *store) includes(r *record, below bool) bool {
	name, key := s.namespace.name, r.key()
	stem := len(name) - 1
	if len(key) <= stem || string(key[:stem]) != name[:stem] {
		return false
	}
	return key[stem] == ':' || below && key[stem] == '/'
}

// isLiveNow reports whether the key of r is live in the store. Unlike isLive, it looks for the
// current record of the key: a write may have replaced r and extended the deadline.
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
