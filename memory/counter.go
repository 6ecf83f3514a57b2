package memory

import (
	"sync/atomic"
	"unsafe"
)

// A stripedCounter counts reads, in several places, so that processors do not pass a counter's cache
// line among each other.
type stripedCounter [stripes]struct {
	hits, misses atomic.Uint64
	_            [cacheLine - 16]byte
}

const stripes = 32

// stripe is a goroutine's place: its stack is its own, so the address of a local variable tells
// goroutines apart.
func stripe() uintptr {
	var local byte
	return uintptr(unsafe.Pointer(&local)) >> 12 % stripes
}

// count counts a read that found something, or that did not.
func (c *stripedCounter) count(found bool) {
	if c := &c[stripe()]; found {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
}

func (c *stripedCounter) sums() (hits, misses uint64) {
	for i := range c {
		hits += c[i].hits.Load()
		misses += c[i].misses.Load()
	}
	return hits, misses
}
