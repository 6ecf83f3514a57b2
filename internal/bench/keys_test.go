package main

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPatterns(t *testing.T) {
	const n = 1000
	stored := map[string]bool{}
	for i := range n {
		assert.Len(t, key(i), keyLength)
		stored[key(i)] = true
	}
	assert.Len(t, stored, n, "each key once")

	asked := func(p pattern) (found int, often int) {
		order := p(n, rand.New(rand.NewPCG(1, 1)))
		times := map[string]int{}
		for i := range order.len() {
			k := order.at(i)
			require.Len(t, k, keyLength)
			if stored[k] {
				found++
			}
			times[k]++
			often = max(often, times[k])
		}
		return 100 * found / order.len(), 100 * often / order.len()
	}
	found, often := asked(uniform)
	assert.Equal(t, 100, found)
	assert.Zero(t, often, "percent for the most frequent key")
	found, often = asked(zipf)
	assert.Equal(t, 100, found)
	assert.Greater(t, often, 5, "percent for the most frequent key")
	found, _ = asked(missing)
	assert.Zero(t, found)
}

// The ranks of zipf are scattered over all keys, and no two ranks get the same key.
func TestZipfPermutes(t *testing.T) {
	for _, n := range []uint64{1, 1000, 1 << 16} {
		seen := map[uint64]bool{}
		for rank := range n {
			seen[scatter(rank, n)] = true
		}
		assert.Len(t, seen, int(n))
	}
}

func TestValues(t *testing.T) {
	for length := shortest; length <= longestValue; length++ {
		v := value(length)
		assert.Len(t, v, length)
		assert.True(t, json.Valid(v))
		assert.True(t, intact(v))
	}
	text, err := json.Marshal(sampleUser)
	require.NoError(t, err)
	assert.InDelta(t, 140, len(text), 5)
}

func TestChurnKeysAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for id := range 2 {
		c := newChurner(id, 10)
		for slot := range c.generations {
			for range 10 {
				k := c.key(slot)
				assert.Len(t, k, keyLength)
				seen[k] = true
				c.generations[slot]++
			}
		}
	}
	assert.Len(t, seen, 2*10*10)
}
