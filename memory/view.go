package memory

import (
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// A view is the part of a shard that readers use without a lock: the index, and the addresses of
// the segments.
//
// A reader loads the view, then a slot, then the address of the segment in the slot's ref, and then
// compares the whole key. It has the record that belonged to the key when it loaded the slot or the
// address. This needs one rule: while buckets and segments are in use together, a segment number
// never names another segment. A number is used again only in a view with new buckets and new
// segments (see log.recycleNumbers, and log.removeSegment when all segments are removed). A reader
// that finds no segment, or an expired record, looks again under the lock.
type view struct {
	buckets  []bucket
	segments []atomic.Pointer[record] // by number: the first record of each segment, or nil
}

// A bucket is a cache line of the index: up to 7 entries, in no order. Once the bucket is in a
// view, all words are stored atomically.
type bucket struct {
	// tags has one byte for each slot: 0 if the slot is free, otherwise a 1 bit and 7 bits of the
	// hash. The last byte is the overflow count: the number of entries that are in later buckets
	// because this bucket was full. 255 means that the number is unknown.
	tags  uint64
	slots [slotsPerBucket]uint64 // the hash in the high half, the ref in the low half
}

const (
	slotsPerBucket = 7
	bucketSize     = int(unsafe.Sizeof(bucket{}))

	lowBits      = 1<<56/255 | 1<<56  // 0x0101…
	usedBits     = 1 << 56 / 255 << 7 // the highest bit of each slot's tag
	overflowUnit = 1 << 56            // 1 in the overflow count
)

func slotWord(hash uint32, r ref) uint64 { return uint64(hash)<<32 | uint64(r) }

// tagOf returns the tag of a hash. It uses the lowest bits, because the highest bits choose the
// bucket.
func tagOf(hash uint32) uint64 { return uint64(hash)&0x7f | 0x80 }

// home returns the number of the home bucket of a hash. A larger hash never has a smaller number.
func (v *view) home(hash uint32) int { return int(uint64(hash) * uint64(len(v.buckets)) >> 32) }

// next returns the number of the bucket after i. The first bucket comes after the last one.
func (v *view) next(i int) int {
	if i++; i < len(v.buckets) {
		return i
	}
	return 0
}

// matchingTags returns a bit for each slot that may have the tag. The result contains all slots
// with the tag, and perhaps the slot after one. This is Mycroft's test for a zero byte (1987).
func matchingTags(tags, tag uint64) uint64 {
	x := tags ^ tag*lowBits
	return (x - lowBits) & ^x & usedBits
}

// slotNumber returns the number of the slot that the lowest bit belongs to.
func slotNumber(bit uint64) int { return bits.TrailingZeros64(bit) / 8 }

// A position is the place of an entry in the index: a bucket, and the number of a slot.
type position struct {
	bucket *bucket
	slot   int
}

func (pos position) ref() ref { return ref(pos.bucket.slots[pos.slot]) }

// find returns the record of key in n, expired or not, and its position. If it finds none, it
// returns nil. For a caller without the lock, the record may then still exist if the position has a
// bucket.
func (v *view) find(hash uint32, n *namespace, key string) (*record, position) {
	if len(v.buckets) == 0 {
		return nil, position{}
	}
	// Most entries are in their home bucket, and no earlier slot has the same tag. For most missing
	// keys, no slot has the tag. This path calls no function that the compiler does not inline.
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

// search works like find, but for keys of any length and in all buckets.
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

// at returns the record at r. It returns nil if the segment was removed, or is newer than v.
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

// atOffset returns the record at r's offset from first, which is the first record of the segment.
func (first *record) atOffset(r ref) *record {
	return (*record)(unsafe.Add(unsafe.Pointer(first), r&offsetMask*wordSize))
}
