package memory

import (
	"sync/atomic"
	"unsafe"
)

// A stripedCounter counts reads. It has several stripes, each in its own cache line, so that
// processors seldom write to the same line.
type stripedCounter [stripes]struct {
	hits, misses atomic.Uint64
	_            [cacheLine - 16]byte
}

const stripes = 32

// stripeIndex returns the stripe of the calling goroutine. It is derived from the address of a
// local variable, because each goroutine has its own stack.
func stripeIndex() uintptr {
	var local byte
	return uintptr(unsafe.Pointer(&local)) >> 12 % stripes
}

// count counts a read as a hit or as a miss.
func (c *stripedCounter) count(found bool) {
	if c := &c[stripeIndex()]; found {
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
