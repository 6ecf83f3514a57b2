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

// room is how many entries n buckets should have at most: 6 of 7.
func room(buckets int) int { return buckets * 6 }

// dense reports whether another entry should have more buckets.
func (x *index) dense() bool { return x.count >= room(len(x.buckets())) }

// full reports whether another entry must have more buckets: searches grow long.
func (x *index) full() bool { return x.count >= len(x.buckets())*27/4 }

// sparse reports whether fewer buckets would do.
func (x *index) sparse() bool {
	n := len(x.buckets())
	return n > leastBuckets && x.count*3 < room(n)
}

const leastBuckets = 4

// bucketsFor is how many buckets there are after a resize for n entries: room for some more.
func bucketsFor(n int) int { return max(leastBuckets, (n+n/4)/room(1)+1) }

// resize begins a view with other buckets, which are empty, and have room for all entries.
func (x *index) resize(buckets []bucket) {
	before := x.view.Load()
	after := &view{buckets: buckets, segments: before.segments}
	for i := range before.buckets {
		b := &before.buckets[i]
		for used := b.tags & usedBits; used != 0; used &= used - 1 {
			slot := b.slots[slotAt(used)]
			p := after.free(uint32(slot >> 32))
			p.bucket.slots[p.slot] = slot // nobody sees it yet
			p.bucket.tags |= p.tag(tagOf(uint32(slot >> 32)))
		}
	}
	x.view.Store(after)
}

// free finds a place for an entry, in buckets that are not all full, and has those that it passes
// count it.
func (v *view) free(hash uint32) place {
	for i := v.home(hash); ; i = v.after(i) {
		b := &v.buckets[i]
		if free := ^b.tags & usedBits; free != 0 {
			return place{b, slotAt(free)}
		}
		b.pass(passed)
	}
}

// pass counts an entry that passes the bucket, or that does so no more, unless there have
// been too many to count.
func (b *bucket) pass(by uint64) {
	if b.tags < 255*passed {
		atomic.StoreUint64(&b.tags, b.tags+by)
	}
}

// tag is a byte for the place among its bucket's tags.
func (p place) tag(tag uint64) uint64 { return tag << (8 * p.slot) }

// insert adds an entry. It is there when its slot is filled, for all readers alike: also for one that has
// loaded the tags when another entry with the same tag was in that slot.
func (x *index) insert(hash uint32, r ref) {
	p := x.view.Load().free(hash)
	atomic.StoreUint64(&p.bucket.tags, p.bucket.tags|p.tag(tagOf(hash)))
	atomic.StoreUint64(&p.bucket.slots[p.slot], slotOf(hash, r))
	x.count++
}

// remove takes an entry out.
func (x *index) remove(hash uint32, p place) {
	v := x.view.Load()
	for i := v.home(hash); &v.buckets[i] != p.bucket; i = v.after(i) {
		v.buckets[i].pass(1<<64 - passed)
	}
	atomic.StoreUint64(&p.bucket.slots[p.slot], 0) // or the next tag would lead to this entry once more
	atomic.StoreUint64(&p.bucket.tags, p.bucket.tags&^p.tag(0xff))
	x.count--
}

// move notes that the record at p is in another place.
func (x *index) move(p place, to ref) {
	atomic.StoreUint64(&p.bucket.slots[p.slot], p.bucket.slots[p.slot]>>32<<32|uint64(to))
}

// placeOf is where the entry of the record at r stands; it does.
func (x *index) placeOf(hash uint32, r ref) place {
	v := x.view.Load()
	for i := v.home(hash); ; i = v.after(i) {
		b := &v.buckets[i]
		for m := matches(b.tags, tagOf(hash)); m != 0; m &= m - 1 {
			if at := slotAt(m); b.slots[at] == slotOf(hash, r) {
				return place{b, at}
			}
		}
	}
}
