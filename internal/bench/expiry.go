package main

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// resolution is the width of a step in the picture of latencies.
	resolution = 5 * time.Millisecond

	// maxWait is the longest time that the load continues if the expired entries are not removed.
	maxWait = 8 * time.Second

	// fixedWait is the time that the load continues for a store that cannot count its entries.
	fixedWait = 4 * time.Second
)

// expiry measures a load of Gets and Sets while all other entries expire at the same time. One
// goroutine gets and one sets, without a pause, while the store's own collector runs. The entries
// of the load never expire. There is one of these for ten entries that expire.
func expiry(m setup) result {
	staying := m.entries / 10
	s := m.open(config{entries: m.entries + staying, sweep: time.Second})
	start := time.Now()
	fillValues(0)(s, staying)
	getOrder, setOrder := shuffled(staying, 1), shuffled(staying, 2)
	// Three times the expected time to store the other entries.
	deadline := time.Now().Add(30*time.Since(start) + 250*time.Millisecond + m.span)
	for i := range m.entries {
		ttl := time.Until(deadline)
		if ttl < m.span {
			panic("it took too long to store the entries that expire: the machine is too busy")
		}
		s.Set(key(staying+i), sampleValue, ttl)
	}
	time.Sleep(time.Until(deadline.Add(-m.span)))

	stop := make(chan struct{})
	gets, sets := newLatencies(deadline, m.span), newLatencies(deadline, m.span)
	var wg sync.WaitGroup
	wg.Go(func() {
		gets.record(stop, getOrder, func(key string) {
			if v, found := s.Get(key); !found || !intact(v) {
				panic(m.name + " has lost an entry that never expires")
			}
		})
	})
	wg.Go(func() {
		sets.record(stop, setOrder, func(key string) { s.Set(key, sampleValue, 0) })
	})
	gone := waitUntilGone(s, staying, deadline)
	time.Sleep(m.span / 2)
	close(stop)
	wg.Wait()

	values := map[metric]float64{
		worstGet:     milliseconds(gets.worst),
		worstSet:     milliseconds(sets.worst),
		worstBoth:    milliseconds(max(gets.worst, sets.worst)),
		baselineBoth: milliseconds(max(gets.baseline, sets.baseline)),
		p999Get:      gets.after.quantile(0.999) / 1e3,
		p999Set:      sets.after.quantile(0.999) / 1e3,
	}
	if gone > 0 {
		values[goneAfter] = milliseconds(gone)
	}
	return result{values, map[string][]float64{"Get": gets.series, "Set": sets.series}}
}

// waitUntilGone waits until the store holds at most staying entries. It returns the time from the
// deadline until then, or 0 if the store cannot count its entries or takes too long.
func waitUntilGone(s store, staying int, deadline time.Time) time.Duration {
	l, ok := s.(lister)
	if !ok {
		time.Sleep(time.Until(deadline.Add(fixedWait)))
		return 0
	}
	time.Sleep(time.Until(deadline))
	for l.Len() > staying {
		if time.Since(deadline) > maxWait {
			return 0
		}
		time.Sleep(resolution)
	}
	return time.Since(deadline)
}

func shuffled(n int, seed uint64) keys { return uniform(n, rand.New(rand.NewPCG(seed, 2))) }

// latencies contains the latencies that one goroutine measures.
type latencies struct {
	start    time.Time
	deadline time.Duration // after start
	series   []float64     // the longest latency in each step since start, in ns
	baseline time.Duration // the longest latency that ended before the deadline
	worst    time.Duration // the longest latency that ended after the deadline
	after    histogram     // all latencies that ended after the deadline
}

func newLatencies(deadline time.Time, baseline time.Duration) *latencies {
	return &latencies{start: deadline.Add(-baseline), deadline: baseline, series: make([]float64, (2*baseline+maxWait+fixedWait)/resolution)}
}

// record calls op repeatedly until stop is closed. A latency lasts from the end of one call to the
// end of the next. It therefore includes the time that the goroutine waits for a processor.
func (l *latencies) record(stop <-chan struct{}, order keys, op func(key string)) {
	last := time.Since(l.start)
	for i := 0; ; i++ {
		if i%chunk == 0 {
			select {
			case <-stop:
				l.series = l.series[:min(int(last/resolution)+1, len(l.series))]
				return
			default:
			}
		}
		op(order.at(i % order.len()))
		now := time.Since(l.start)
		l.add(last, now)
		last = now
	}
}

// add records a call between two times, in each step that the call overlaps.
func (l *latencies) add(from, to time.Duration) {
	took := to - from
	if to < l.deadline {
		l.baseline = max(l.baseline, took)
	} else {
		l.worst = max(l.worst, took)
		l.after.add(took)
	}
	for i := max(from, 0) / resolution; i <= to/resolution && int(i) < len(l.series); i++ {
		l.series[i] = max(l.series[i], float64(took))
	}
}
