package main

import (
	"runtime"
	"time"
)

// fill measures the cost of a full store that is not used: its memory, the time of Go's collector,
// and a search for expired entries that finds none.
func fill(m setup) result {
	s, costs := m.fill()
	if sweeper, ok := s.(sweeper); ok {
		costs[sweepTime] = milliseconds(sweeper.Sweep())
	}
	runtime.KeepAlive(s)
	return result{Values: costs}
}

// fill returns a full store, and its cost in memory and in garbage collection.
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

// forceGC returns the number of live bytes, and the median time of a forced collection.
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

// grow measures memory, garbage collection and reads of a store with many entries.
func grow(m setup) result {
	s, costs := m.fill()
	costs[getTime] = m.time(s, uniform, get, 1)[opTime]
	costs[hasTime] = m.time(s, uniform, has, 1)[opTime]
	return result{Values: costs}
}

// overview measures the operations that every store has, one after the other.
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
