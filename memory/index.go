package memory

import (
	"math/bits"
	"slices"
)

// An index finds the record of a key by the key's hash. It is a hash table with linear
// probing whose slots stay sorted by hash, each a hash in the upper half and a ref in
// the lower, 0 if free: a search ends at the first greater hash, and a resize copies
// from left to right without looking at any record. The records decide whether a
// key is the one that is sought.
type index struct {
	slots []uint64 // the homes and a margin for the last of them, of which the last step stays free
	homes int      // slots that a hash may be sent to; 0 for an empty index without memory
	count int
}

const slotSize = 8

func slotOf(hash uint32, r ref) uint64 { return uint64(hash)<<32 | uint64(r) }

// home is the first slot where hash may be. It rises with hash.
func (x *index) home(hash uint32) int { return int(uint64(hash) * uint64(x.homes) >> 32) }

// step is how many slots a search looks at in one go.
const step = 4

// search returns the first slot, from home on, that is free or whose hash is not less. It
// counts the slots before, without a branch for each: how many they are, no processor can
// guess. slots must not be empty.
func (x *index) search(hash uint32) int {
	i := x.home(hash)
	for {
		s := (*[step]uint64)(x.slots[i:])
		n := before(s[0], hash) + before(s[1], hash) + before(s[2], hash) + before(s[3], hash)
		i += int(n)
		if n < step {
			return i
		}
	}
}

// before is 1 for a slot with a smaller hash, and 0 for another and for a free one, which
// becomes the greatest number by the subtraction.
func before(slot uint64, hash uint32) uint64 {
	_, less := bits.Sub64(slot-1, slotOf(hash, 0), 0)
	return less
}

// dense reports whether another entry should have a larger table: 4 of 5 homes are taken.
func (x *index) dense() bool { return (x.count+1)*5 > x.homes*4 || x.full() }

// full reports whether another entry must have a larger table.
func (x *index) full() bool { return x.count >= x.homes || x.slots[len(x.slots)-step-1] != 0 }

// sparse reports whether a smaller table would do.
func (x *index) sparse() bool { return x.homes > minHomes && x.count*4 < x.homes }

const minHomes = 24

// homesFor is the size of a table after a resize for n entries.
func homesFor(n int) int { return max(minHomes, n+n*5/8) }

// tableSize is the length of a table's slots.
func tableSize(homes int) int { return homes + 8 + min(homes/4, 56) + step }

// resize moves all slots into a new table with that many homes, and reports whether they
// fitted; if not, nothing has changed.
func (x *index) resize(homes int) bool {
	size := tableSize(homes)
	grown := index{slots: slices.Grow([]uint64(nil), size)[:size], homes: homes, count: x.count}
	next := 0
	for _, slot := range x.slots {
		if slot == 0 {
			continue
		}
		next = max(next, grown.home(uint32(slot>>32)))
		if next >= size-step-1 {
			return false
		}
		grown.slots[next] = slot
		next++
	}
	*x = grown
	return true
}

// insert adds a slot; full was false.
func (x *index) insert(hash uint32, r ref) {
	i := x.search(hash)
	free := i
	for x.slots[free] != 0 {
		free++
	}
	copy(x.slots[i+1:free+1], x.slots[i:free])
	x.slots[i] = slotOf(hash, r)
	x.count++
}

// position is where the slot of r is; it is there.
func (x *index) position(hash uint32, r ref) int {
	i := x.search(hash)
	for x.slots[i] != slotOf(hash, r) {
		i++
	}
	return i
}

// move notes that a record is in another place.
func (x *index) move(hash uint32, from, to ref) {
	x.slots[x.position(hash, from)] = slotOf(hash, to)
}

// remove takes a slot out, and moves those behind it closer to their homes.
func (x *index) remove(hash uint32, r ref) {
	i := x.position(hash, r)
	end := i + 1
	for x.slots[end] != 0 && x.home(uint32(x.slots[end]>>32)) < end {
		end++
	}
	copy(x.slots[i:end-1], x.slots[i+1:end])
	x.slots[end-1] = 0
	x.count--
}
