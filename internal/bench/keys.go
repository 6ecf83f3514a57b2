package main

import (
	"math/rand/v2"
	"strconv"
)

const keyLength = 16

// keys is a sequence of keys, end to end: made before the clock starts, read in order,
// and without a pointer that Go's collector would follow.
type keys string

func (k keys) len() int { return len(k) / keyLength }

func (k keys) at(i int) string { return string(k[i*keyLength : (i+1)*keyLength]) }

func (k keys) slice(from, to int) keys { return k[from*keyLength : to*keyLength] }

// key returns the i-th key, in memory of its own.
func key(i int) string { return string(appendKey(nil, "user:", i)) }

func appendKey(b []byte, prefix string, i int) []byte {
	return strconv.AppendUint(append(b, prefix...), 10_000_000_000+uint64(i), 10)
}

// pattern chooses the keys of a work among the n that a store holds.
type pattern func(n int, r *rand.Rand) keys

// uniform asks for all keys alike.
func uniform(n int, r *rand.Rand) keys {
	return sequence(n, "user:", func() int { return r.IntN(n) })
}

// missing asks for keys that are not there.
func missing(n int, r *rand.Rand) keys {
	return sequence(n, "none:", func() int { return r.IntN(n) })
}

// zipf asks for few keys often and for many rarely.
func zipf(n int, r *rand.Rand) keys {
	ranks := rand.NewZipf(r, 1.01, 1, uint64(n-1))
	return sequence(n, "user:", func() int { return int(scatter(ranks.Uint64(), uint64(n))) })
}

// scatter permutes the numbers below n, so that the hot keys do not lie together because
// they were stored together: multiplying by a prime larger than n does that.
func scatter(rank, n uint64) uint64 { return rank * 2_654_435_761 % n }

// sequence is long enough to show the pattern, and for few keys short enough to stay
// in the processor's cache, as they do.
func sequence(n int, prefix string, next func() int) keys {
	length := min(max(16*n, 1<<14), 1<<20)
	b := make([]byte, 0, length*keyLength)
	for range length {
		b = appendKey(b, prefix, next())
	}
	return keys(b)
}
