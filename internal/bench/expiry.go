package main

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// resolution is how finely the latency is drawn.
	resolution = 5 * time.Millisecond

	// maxWait is how long the load goes on if the expired entries do not go.
	maxWait = 8 * time.Second

	// fixedWait is how long it goes on for a store that can't tell when they are gone.
	fixedWait = 4 * time.Second
)

// expiry measures a load of Gets and Sets while all other entries expire at once: one
// goroutine gets, one sets, without a pause, beside the store's own collector. The load's
// own entries, one for ten, never expire.
func expiry(m setup) result {
	staying := m.entries / 10
	s := m.open(config{entries: m.entries + staying, sweep: time.Second})
	start := time.Now()
	fillValues(0)(s, staying)
	getOrder, setOrder := shuffled(staying, 1), shuffled(staying, 2)
	// Thrice what it should take to store the others.
	deadline := time.Now().Add(30*time.Since(start) + 250*time.Millisecond + m.span)
	for i := range m.entries {
		ttl := time.Until(deadline)
		if ttl < m.span {
			panic("it took too long to store what is to expire: the machine is too busy")
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

// waitUntilGone returns how long after the deadline the store held no more than what
// stays; 0 if that can't be told.
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

// latencies is what one goroutine sees.
type latencies struct {
	start    time.Time
	deadline time.Duration // after start
	series   []float64     // the longest in each bucket since start, in ns
	baseline time.Duration // the longest that ended before the deadline
	worst    time.Duration // the longest that ended after
	after    histogram     // all that ended after
}

func newLatencies(deadline time.Time, baseline time.Duration) *latencies {
	return &latencies{start: deadline.Add(-baseline), deadline: baseline, series: make([]float64, (2*baseline+maxWait+fixedWait)/resolution)}
}

// record calls op again and again until stop is closed. A latency lasts from the end of
// the previous call to the end of the next: a goroutine that was not let run waited, too.
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

// add records a call that lasted from one time to another, in each bucket that it
// touches.
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
