package memory

import "sync/atomic"

// An index is how writers change the buckets of a view. An entry is in its home bucket, or, if
// that is full, in the next one that is not; the buckets that it passed count it, as in
// Facebook's F14, so that a search need not go on for ever where entries come and go.
// No entry moves, but into other buckets when there are too few: then a view begins.
type index struct {
	view  *atomic.Pointer[view]
	count int
}

func (x *index) buckets() []bucket { return x.view.Load().buckets }

// capacityOf is how many entries n buckets should have at most: 6 of 7.
func capacityOf(buckets int) int { return buckets * 6 }

// dense reports whether another entry should have more buckets.
func (x *index) dense() bool { return x.count >= capacityOf(len(x.buckets())) }

// full reports whether another entry must have more buckets: searches grow long.
func (x *index) full() bool { return x.count >= len(x.buckets())*27/4 }

// sparse reports whether fewer buckets would do.
func (x *index) sparse() bool {
	n := len(x.buckets())
	return n > minBuckets && x.count*3 < capacityOf(n)
}

const minBuckets = 4

// bucketsFor is how many buckets there are after a resize for n entries: room for some more.
func bucketsFor(n int) int { return max(minBuckets, (n+n/4)/capacityOf(1)+1) }

// resize begins a view with other buckets, which are empty, and have room for all entries.
func (x *index) resize(buckets []bucket) {
	before := x.view.Load()
	after := &view{buckets: buckets, segments: before.segments}
	for i := range before.buckets {
		b := &before.buckets[i]
		for used := b.tags & usedBits; used != 0; used &= used - 1 {
			word := b.slots[slotNumber(used)]
			pos := after.claimSlot(uint32(word >> 32))
			pos.bucket.slots[pos.slot] = word // nobody sees it yet
			pos.bucket.tags |= pos.tag(tagOf(uint32(word >> 32)))
		}
	}
	x.view.Store(after)
}

// claimSlot finds a place for an entry, in buckets that are not all full, and has those that it passes
// count it.
func (v *view) claimSlot(hash uint32) position {
	for i := v.home(hash); ; i = v.next(i) {
		b := &v.buckets[i]
		if unused := ^b.tags & usedBits; unused != 0 {
			return position{b, slotNumber(unused)}
		}
		b.addOverflow(overflowUnit)
	}
}

// addOverflow counts an entry that passes the bucket, or that does so no more, unless there have
// been too many to count.
func (b *bucket) addOverflow(delta uint64) {
	if b.tags < 255*overflowUnit {
		atomic.StoreUint64(&b.tags, b.tags+delta)
	}
}

// tag is a byte for the place among its bucket's tags.
func (pos position) tag(tag uint64) uint64 { return tag << (8 * pos.slot) }

// insert adds an entry. It is there when its slot is filled, for all readers alike: also for one that has
// loaded the tags when another entry with the same tag was in that slot.
func (x *index) insert(hash uint32, r ref) {
	pos := x.view.Load().claimSlot(hash)
	atomic.StoreUint64(&pos.bucket.tags, pos.bucket.tags|pos.tag(tagOf(hash)))
	atomic.StoreUint64(&pos.bucket.slots[pos.slot], slotWord(hash, r))
	x.count++
}

// remove takes an entry out.
func (x *index) remove(hash uint32, pos position) {
	v := x.view.Load()
	for i := v.home(hash); &v.buckets[i] != pos.bucket; i = v.next(i) {
		v.buckets[i].addOverflow(1<<64 - overflowUnit)
	}
	atomic.StoreUint64(&pos.bucket.slots[pos.slot], 0) // or the next tag would lead to this entry once more
	atomic.StoreUint64(&pos.bucket.tags, pos.bucket.tags&^pos.tag(0xff))
	x.count--
}

// move notes that the record at p is in another place.
func (x *index) move(pos position, to ref) {
	atomic.StoreUint64(&pos.bucket.slots[pos.slot], pos.bucket.slots[pos.slot]>>32<<32|uint64(to))
}

// slotOf is where the entry of the record at r stands; it does.
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
