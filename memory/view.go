package memory

import (
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// A view is what there is to see of a shard without its lock: which hashes there are, and where
// the records are.
//
// A reader loads the view, a slot, the segment that the slot's ref names, and compares the
// whole key: what it then has was the record of the key when it loaded the slot or the segment. That
// needs one rule. As long as buckets and segments are in use together, a number of a segment names no
// other one: it comes back only in a view in which both are new (log.renew, and log.close when
// all are closed). A reader that finds no segment, or a record that has expired, looks again with
// the lock.
type view struct {
	buckets  []bucket
	segments []atomic.Pointer[record] // by number, the first record in each; nil: there is none
}

// A bucket is a cache line of an index: up to 7 entries, in no order. All words are
// stored atomically once the bucket is in a view.
type bucket struct {
	// tags has a byte for each slot: 0 if it is free, else 7 bits of the hash below a 1. The last byte
	// counts the entries that passed this bucket because it was full; 255 means no one knows.
	tags  uint64
	slots [slotsPerBucket]uint64 // the hash above the ref
}

const (
	slotsPerBucket = 7
	bucketSize     = int(unsafe.Sizeof(bucket{}))

	lowBits      = 1<<56/255 | 1<<56  // 0x0101…
	usedBits     = 1 << 56 / 255 << 7 // the 1 of each slot's tag
	overflowUnit = 1 << 56            // one entry more that passed
)

func slotWord(hash uint32, r ref) uint64 { return uint64(hash)<<32 | uint64(r) }

// tagOf takes the lowest bits of a hash, since the highest choose the bucket.
func tagOf(hash uint32) uint64 { return uint64(hash)&0x7f | 0x80 }

// home is the bucket where hash belongs. It rises with hash.
func (v *view) home(hash uint32) int { return int(uint64(hash) * uint64(len(v.buckets)) >> 32) }

// next is the bucket that entries for which i has no place try next.
func (v *view) next(i int) int {
	if i++; i < len(v.buckets) {
		return i
	}
	return 0
}

// matchingTags has a bit for each slot that may have the tag: all that do, and perhaps the one after.
// (Mycroft's test for a zero byte, 1987.)
func matchingTags(tags, tag uint64) uint64 {
	x := tags ^ tag*lowBits
	return (x - lowBits) & ^x & usedBits
}

// slotNumber is the number of the slot of the lowest bit.
func slotNumber(bit uint64) int { return bits.TrailingZeros64(bit) / 8 }

// A position is where an entry stands in the index.
type position struct {
	bucket *bucket
	slot   int
}

func (pos position) ref() ref { return ref(pos.bucket.slots[pos.slot]) }

// find returns the record of key in n, expired or not, and its place, or nil. Then, without
// the lock, there may be one all the same if place has a bucket.
func (v *view) find(hash uint32, n *namespace, key string) (*record, position) {
	if len(v.buckets) == 0 {
		return nil, position{}
	}
	// Most entries are in their home bucket, and are the first with their tag; and most keys are not
	// there if their tag isn't. What calls nothing is fast.
	b := &v.buckets[v.home(hash)]
	tags := atomic.LoadUint64(&b.tags)
	if m := matchingTags(tags, tagOf(hash)); m != 0 {
		number := slotNumber(m)
		word := atomic.LoadUint64(&b.slots[number])
		if uint32(word>>32) == hash {
			r := v.at(ref(word))
			if r != nil && n.endsSuffice(key) && n.mayMatch(r, key) && sameEnds(r.at(headerSize+len(n.name)), key) {
				return r, position{b, number}
			}
		}
	} else if tags < overflowUnit {
		return nil, position{}
	}
	return v.search(hash, n, key)
}

// search is find of any key in any bucket.
func (v *view) search(hash uint32, n *namespace, key string) (*record, position) {
	home := v.home(hash)
	for i := home; ; {
		b := &v.buckets[i]
		tags := atomic.LoadUint64(&b.tags)
		for m := matchingTags(tags, tagOf(hash)); m != 0; m &= m - 1 {
			number := slotNumber(m)
			word := atomic.LoadUint64(&b.slots[number])
			if uint32(word>>32) != hash {
				continue
			}
			if r := v.at(ref(word)); r == nil || n.matches(r, key) {
				return r, position{b, number}
			}
		}
		if tags < overflowUnit {
			return nil, position{}
		}
		if i = v.next(i); i == home {
			return nil, position{}
		}
	}
}

// at is the record at r, or nil if its segment is gone, or younger than v.
func (v *view) at(r ref) *record {
	number := int(r >> offsetBits)
	if number >= len(v.segments) {
		return nil
	}
	first := v.segments[number].Load()
	if first == nil {
		return nil
	}
	return first.atOffset(r)
}

// atOffset is the record at r's offset from first, the first of its segment.
func (first *record) atOffset(r ref) *record {
	return (*record)(unsafe.Add(unsafe.Pointer(first), r&offsetMask*wordSize))
}
