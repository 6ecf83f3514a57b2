package main

import (
	"runtime"
	"time"
)

// fill measures what a filled store costs a program that leaves it alone: memory, the
// time of Go's collector, and the search for expired entries where there are none.
func fill(m setup) result {
	s, costs := m.fill()
	if sweeper, ok := s.(sweeper); ok {
		costs[sweepTime] = milliseconds(sweeper.Sweep())
	}
	runtime.KeepAlive(s)
	return result{Values: costs}
}

// fill returns a store that is full, and what that costs.
func (m setup) fill() (store, map[metric]float64) {
	heapBefore, gcBefore := forceGC()
	s := m.open(config{entries: m.entries})
	fillValues(time.Hour)(s, m.entries)
	heap, gc := forceGC()
	return s, map[metric]float64{
		heapEntry: (heap - heapBefore) / float64(m.entries),
		gcAdded:   milliseconds(gc - gcBefore),
	}
}

// forceGC returns the bytes that are live, and how long a forced collection takes.
func forceGC() (heap float64, took time.Duration) {
	var times []float64
	for range 5 {
		start := time.Now()
		runtime.GC()
		times = append(times, float64(time.Since(start)))
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc), time.Duration(summarize(times).median)
}

// grow measures reads, too, of a store of many entries.
func grow(m setup) result {
	s, costs := m.fill()
	costs[getTime] = m.time(s, uniform, get, 1)[opTime]
	costs[hasTime] = m.time(s, uniform, has, 1)[opTime]
	return result{Values: costs}
}

// overview measures the works that any store can do, one after the other.
func overview(m setup) result {
	s := m.open(config{entries: m.entries, sweep: time.Minute})
	fillValues(time.Hour)(s, m.entries)
	got := m.time(s, zipf, get, 1)
	return result{Values: map[metric]float64{
		hits:      got[hits],
		getTime:   got[opTime],
		hasTime:   m.time(s, zipf, has, 1)[opTime],
		missTime:  m.time(s, missing, get, 0)[opTime],
		mixedTime: m.time(s, zipf, mixed, 1)[opTime],
		setTime:   m.time(s, uniform, set, 1)[opTime],
	}}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
