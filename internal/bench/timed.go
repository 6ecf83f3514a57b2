package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// A pass uses all keys once. It returns the number of keys whose value was found and correct.
type pass func(s store, keys keys) (found int)

// timed returns a measurement of w. Each processor has a goroutine, and each goroutine its own
// order of keys.
func timed(p pattern, fill func(store, int), w pass) func(setup) result {
	return func(m setup) result {
		s := m.open(config{entries: m.entries, sweep: time.Minute})
		fill(s, m.entries)
		return result{Values: m.time(s, p, w, 1)}
	}
}

// time measures w on a full store. The given share of the keys must be found.
func (m setup) time(s store, p pattern, w pass, share float64) map[metric]float64 {
	orders := make([]keys, runtime.GOMAXPROCS(0))
	for i := range orders {
		orders[i] = p(m.entries, rand.New(rand.NewPCG(uint64(i), 1)))
	}
	runtime.GC()
	runFor(m.span/5, s, orders, w) // to warm up
	ops, found, took := runFor(m.span, s, orders, w)
	got := float64(found) / float64(ops)
	if !m.lossy && got != share {
		panic(fmt.Sprintf("%s found %d of %d", m.name, found, ops))
	}
	return map[metric]float64{
		opTime: float64(took) / float64(ops),
		hits:   100 * got,
	}
}

// chunk is the number of operations between two reads of the clock.
const chunk = 1024

// runFor runs w on each order in its own goroutine, repeatedly, for the given time.
func runFor(span time.Duration, s store, orders []keys, w pass) (ops, found int, took time.Duration) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	start := time.Now()
	for _, order := range orders {
		wg.Go(func() {
			o, f := 0, 0
			for from := 0; o == 0 || time.Since(start) < span; {
				to := min(from+chunk, order.len())
				f += w(s, order.slice(from, to))
				o += to - from
				from = to % order.len()
			}
			mu.Lock()
			defer mu.Unlock()
			ops, found = ops+o, found+f
		})
	}
	wg.Wait()
	return ops, found, time.Since(start)
}

// fillValues returns a function that stores n values with the given time to live.
func fillValues(ttl time.Duration) func(store, int) {
	return func(s store, n int) {
		for i := range n {
			s.Set(key(i), sampleValue, ttl)
			if i%1024 == 1023 {
				settle(s)
			}
		}
		settle(s)
	}
}

func settle(s store) {
	if s, ok := s.(settler); ok {
		s.Settle()
	}
}

func fillCounters(s store, n int) {
	c := s.(counter)
	for i := range n {
		c.Incr(key(i))
	}
}

func fillUsers(s store, n int) {
	t := s.(typed)
	for i := range n {
		t.SetUser(key(i), sampleUser)
	}
}

func has(s store, keys keys) (found int) {
	for i := range keys.len() {
		if s.Has(keys.at(i)) {
			found++
		}
	}
	return found
}

func get(s store, keys keys) (found int) {
	for i := range keys.len() {
		if v, ok := s.Get(keys.at(i)); ok && intact(v) {
			found++
		}
	}
	return found
}

// getCopy gets a value that the caller owns.
func getCopy(s store, keys keys) (found int) {
	_, owned := s.(*zelt)
	for i := range keys.len() {
		v, ok := s.Get(keys.at(i))
		if ok && !owned {
			v = bytes.Clone(v)
		}
		if ok && intact(v) {
			found++
		}
	}
	return found
}

func set(s store, keys keys) (found int) {
	for i := range keys.len() {
		s.Set(keys.at(i), sampleValue, time.Hour)
	}
	return keys.len()
}

// setJSON sets a JSON text after a check and a compaction. MemoryKV does both by itself.
func setJSON(s store, keys keys) (found int) {
	if _, checks := s.(*zelt); checks {
		return set(s, keys)
	}
	var compact bytes.Buffer
	for i := range keys.len() {
		compact.Reset()
		must(json.Compact(&compact, sampleValue))
		s.Set(keys.at(i), compact.Bytes(), time.Hour)
	}
	return keys.len()
}

// mixed does nine Gets for each Set.
func mixed(s store, keys keys) (found int) {
	for from := 0; from < keys.len(); from += 10 {
		to := min(from+10, keys.len())
		found += set(s, keys.slice(from, from+1)) + get(s, keys.slice(from+1, to))
	}
	return found
}

func incr(s store, keys keys) (found int) {
	c := s.(counter)
	for i := range keys.len() {
		if c.Incr(keys.at(i)) > 1 {
			found++
		}
	}
	return found
}

func getUser(s store, keys keys) (found int) {
	t := s.(typed)
	for i := range keys.len() {
		if u, ok := t.GetUser(keys.at(i)); ok && u.Visits == sampleUser.Visits {
			found++
		}
	}
	return found
}

func setUser(s store, keys keys) (found int) {
	t := s.(typed)
	for i := range keys.len() {
		t.SetUser(keys.at(i), sampleUser)
	}
	return keys.len()
}
