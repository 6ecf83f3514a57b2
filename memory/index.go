package memory

import "sync/atomic"

// An index changes the buckets of a view. An entry is in its home bucket or, if that is full, in
// the next bucket with a free slot. The full buckets in between count the entry in their overflow
// count, as in Facebook's F14 hash table. The count tells a search where to stop, although entries
// come and go. Entries never move between buckets, except into the new buckets of a new view.
type index struct {
	view  *atomic.Pointer[view]
	count int
}

func (x *index) buckets() []bucket { return x.view.Load().buckets }

// capacityOf returns how many entries n buckets should hold at most: 6 for each 7 slots.
func capacityOf(buckets int) int { return buckets * 6 }

// dense reports whether the index should grow before the next entry.
func (x *index) dense() bool { return x.count >= capacityOf(len(x.buckets())) }

// full reports whether the index must grow before the next entry, because searches become long.
func (x *index) full() bool { return x.count >= len(x.buckets())*27/4 }

// sparse reports whether fewer buckets suffice.
func (x *index) sparse() bool {
	n := len(x.buckets())
	return n > minBuckets && x.count*3 < capacityOf(n)
}

const minBuckets = 4

// bucketsFor returns the number of buckets for n entries, with room for some more.
func bucketsFor(n int) int { return max(minBuckets, (n+n/4)/capacityOf(1)+1) }

// resize starts a view with other buckets. They must be empty, and have room for all entries.
func (x *index) resize(buckets []bucket) {
	before := x.view.Load()
	after := &view{buckets: buckets, segments: before.segments}
	for i := range before.buckets {
		b := &before.buckets[i]
		for used := b.tags & usedBits; used != 0; used &= used - 1 {
			word := b.slots[slotNumber(used)]
			pos := after.claimSlot(uint32(word >> 32))
			pos.bucket.slots[pos.slot] = word // a plain store suffices: no reader has this view yet
			pos.bucket.tags |= pos.tag(tagOf(uint32(word >> 32)))
		}
	}
	x.view.Store(after)
}

// claimSlot finds a free slot for an entry, and counts the entry in the full buckets before. At
// least one bucket must have a free slot.
func (v *view) claimSlot(hash uint32) position {
	for i := v.home(hash); ; i = v.next(i) {
		b := &v.buckets[i]
		if unused := ^b.tags & usedBits; unused != 0 {
			return position{b, slotNumber(unused)}
		}
		b.addOverflow(overflowUnit)
	}
}

// addOverflow changes the overflow count by 1 or -1. A count of 255 is unknown and stays.
func (b *bucket) addOverflow(delta uint64) {
	if b.tags < 255*overflowUnit {
		atomic.StoreUint64(&b.tags, b.tags+delta)
	}
}

// tag shifts a tag to the byte of the slot among the tags of its bucket.
func (pos position) tag(tag uint64) uint64 { return tag << (8 * pos.slot) }

// insert adds an entry. Readers see the entry when its slot is filled. A reader with older tags
// sees it at the same time, if the previous entry in the slot had the same tag.
func (x *index) insert(hash uint32, r ref) {
	pos := x.view.Load().claimSlot(hash)
	atomic.StoreUint64(&pos.bucket.tags, pos.bucket.tags|pos.tag(tagOf(hash)))
	atomic.StoreUint64(&pos.bucket.slots[pos.slot], slotWord(hash, r))
	x.count++
}

// remove removes an entry.
func (x *index) remove(hash uint32, pos position) {
	v := x.view.Load()
	for i := v.home(hash); &v.buckets[i] != pos.bucket; i = v.next(i) {
		v.buckets[i].addOverflow(1<<64 - overflowUnit)
	}
	atomic.StoreUint64(&pos.bucket.slots[pos.slot], 0) // otherwise the next entry's tag would lead to this entry again
	atomic.StoreUint64(&pos.bucket.tags, pos.bucket.tags&^pos.tag(0xff))
	x.count--
}

// move stores the new ref of a record that has moved.
func (x *index) move(pos position, to ref) {
	atomic.StoreUint64(&pos.bucket.slots[pos.slot], pos.bucket.slots[pos.slot]>>32<<32|uint64(to))
}

// slotOf returns the position of a record in the index. The record must be there.
func (x *index) slotOf(hash uint32, r ref) position {
	v := x.view.Load()
	for i := v.home(hash); ; i = v.next(i) {
		b := &v.buckets[i]
		for m := matchingTags(b.tags, tagOf(hash)); m != 0; m &= m - 1 {
			if number := slotNumber(m); b.slots[number] == slotWord(hash, r) {
				return position{b, number}
			}
		}
	}
}
