package main

import (
	"math"
	"math/bits"
	"time"
)

// A histogram counts durations in buckets. The bounds of a bucket differ by at most 1/8.
type histogram struct {
	counts [64 * 8]uint64
	total  uint64
}

func (h *histogram) add(d time.Duration) {
	h.counts[h.index(uint64(max(d, 0)))]++
	h.total++
}

// index returns the bucket of n: one for each number below 8, then eight for each power of two.
func (h *histogram) index(n uint64) int {
	if n < 8 {
		return int(n)
	}
	shift := bits.Len64(n) - 4
	return shift*8 + int(n>>shift)
}

// quantile returns the upper bound, in ns, of the bucket that holds the quantile q.
func (h *histogram) quantile(q float64) float64 {
	if h.total == 0 {
		return math.NaN()
	}
	left := uint64(math.Ceil(q * float64(h.total)))
	for i, n := range h.counts {
		if n >= left {
			return h.bound(i)
		}
		left -= n
	}
	return math.Inf(1)
}

func (h *histogram) bound(i int) float64 {
	if i < 16 {
		return float64(i)
	}
	shift := i/8 - 1
	return float64((uint64(i%8+8)+1)<<shift - 1)
}
