package main

import (
	"math/rand/v2"
	"strconv"
)

const keyLength = 16

// keys is a sequence of keys in one string. It is made before the clock starts and read in order.
// It contains no pointers that Go's collector would follow.
type keys string

func (k keys) len() int { return len(k) / keyLength }

func (k keys) at(i int) string { return string(k[i*keyLength : (i+1)*keyLength]) }

func (k keys) slice(from, to int) keys { return k[from*keyLength : to*keyLength] }

// key returns the i-th key in newly allocated memory.
func key(i int) string { return string(appendKey(nil, "user:", i)) }

func appendKey(b []byte, prefix string, i int) []byte {
	return strconv.AppendUint(append(b, prefix...), 10_000_000_000+uint64(i), 10)
}

// A pattern chooses which of the n stored keys a workload uses, and in which order.
type pattern func(n int, r *rand.Rand) keys

// uniform uses all keys equally often.
func uniform(n int, r *rand.Rand) keys {
	return sequence(n, "user:", func() int { return r.IntN(n) })
}

// missing uses keys that are not stored.
func missing(n int, r *rand.Rand) keys {
	return sequence(n, "none:", func() int { return r.IntN(n) })
}

// zipf uses few keys often and many keys rarely.
func zipf(n int, r *rand.Rand) keys {
	ranks := rand.NewZipf(r, 1.01, 1, uint64(n-1))
	return sequence(n, "user:", func() int { return int(scatter(ranks.Uint64(), uint64(n))) })
}

// scatter permutes the numbers below n: it multiplies by a prime larger than n. Otherwise the hot
// keys would be neighbors in memory, because they were stored one after the other.
func scatter(rank, n uint64) uint64 { return rank * 2_654_435_761 % n }

// sequence returns enough keys to show the pattern. For a small store, the sequence is short enough
// to stay in the processor's cache, like the store itself.
func sequence(n int, prefix string, next func() int) keys {
	length := min(max(16*n, 1<<14), 1<<20)
	b := make([]byte, 0, length*keyLength)
	for range length {
		b = appendKey(b, prefix, next())
	}
	return keys(b)
}
