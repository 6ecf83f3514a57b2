package main

import (
	"encoding/json"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

const (
	// replacements is the number of replacements per entry. Each deletes and sets, so 1M entries
	// make 100M operations.
	replacements = 50

	// namespaces is the number of namespaces per entry, each of which is used once: 10M for 1M
	// entries.
	namespaces = 10
)

// churn measures how a MemoryKV grows that always contains m.entries entries, while they are
// replaced by others.
func churn(m setup) result {
	const churners = 2
	parts := make([]*churner, churners)
	for i := range parts {
		parts[i] = newChurner(i, m.entries/churners)
	}
	empty, _ := forceGC()
	kv, err := memory.New(memory.Config{})
	must(err)
	must(kv.Start(background))
	s, err := kv.Namespace("churn")
	must(err)
	for _, c := range parts {
		c.load(s)
	}
	first, _ := forceGC()

	var wg sync.WaitGroup
	for _, c := range parts {
		wg.Go(func() {
			c.replace(s, valueLength, valueLength)
			c.replace(s, shortest, longestValue)
		})
	}
	wg.Wait()
	for i := range namespaces * m.entries {
		useOnce(kv, i)
	}
	last, _ := forceGC()
	runtime.KeepAlive(kv)
	runtime.KeepAlive(parts)
	return result{Values: map[metric]float64{
		heapGrown: (last - empty) / (first - empty),
	}}
}

// The lengths of the values vary around valueLength.
const shortest, longestValue = 40, 88

// A churner replaces its own entries. It has slots with one entry each. The key of an entry
// contains the number of the slot and the slot's generation.
type churner struct {
	id          uint64
	generations []uint32
	random      *rand.Rand
	values      [longestValue + 1]json.RawMessage // by length
}

func newChurner(id, slots int) *churner {
	c := &churner{id: uint64(id), generations: make([]uint32, slots), random: rand.New(rand.NewPCG(uint64(id), 3))}
	for length := shortest; length <= longestValue; length++ {
		c.values[length] = value(length)
	}
	return c
}

// key returns a key of 16 bytes that differs for all slots and generations.
func (c *churner) key(slot int) string {
	n := 1<<63 | c.id<<56 | uint64(slot)<<32 | uint64(c.generations[slot])
	return strconv.FormatUint(n, 16)
}

func (c *churner) set(s *adaptor.AtomicKVStore, slot, shortest, longest int) {
	length := shortest + c.random.IntN(longest-shortest+1)
	must(s.Set(background, c.key(slot), c.values[length], adaptor.WithTTL(time.Hour)))
}

func (c *churner) load(s *adaptor.AtomicKVStore) {
	for slot := range c.generations {
		c.set(s, slot, shortest, longestValue)
	}
}

// replace does half of the replacements.
func (c *churner) replace(s *adaptor.AtomicKVStore, shortest, longest int) {
	for range replacements / 2 * len(c.generations) {
		slot := c.random.IntN(len(c.generations))
		must(s.Del(background, c.key(slot)))
		c.generations[slot]++
		c.set(s, slot, shortest, longest)
	}
}

func useOnce(kv *memory.MemoryKV, i int) {
	s, err := kv.Namespace("n" + strconv.Itoa(i))
	must(err)
	must(s.Set(background, "k", i))
	must(s.Del(background, "k"))
}
