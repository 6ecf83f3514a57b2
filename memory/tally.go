package memory

import (
	"sync/atomic"
	"unsafe"
)

// A tally counts reads, in several places, so that processors do not pass a counter's cache
// line among each other.
type tally [places]struct {
	hits, misses atomic.Uint64
	_            [cacheLine - 16]byte
}

const places = 32

// here is a goroutine's place: its stack is its own, so the address of a local variable tells
// goroutines apart.
func here() uintptr {
	var local byte
	return uintptr(unsafe.Pointer(&local)) >> 12 % places
}

// count counts a read that found something, or that did not.
func (t *tally) count(found bool) {
	if t := &t[here()]; found {
		t.hits.Add(1)
	} else {
		t.misses.Add(1)
	}
}

func (t *tally) sums() (hits, misses uint64) {
	for i := range t {
		hits += t[i].hits.Load()
		misses += t[i].misses.Load()
	}
	return hits, misses
}
