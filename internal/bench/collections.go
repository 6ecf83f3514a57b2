package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Interfaces of stores that work on many keys, or load values.
type (
	// A loader returns the value at key. If there is none, it loads and stores the value.
	loader interface {
		Load(key string) (value []byte)
		Del(key string)
	}

	// A batchGetter gets many values in one call.
	batchGetter interface {
		GetMany(keys []string) (found int)
	}

	// A keyLister calls f for each key.
	keyLister interface{ List(f func(key string)) }

	// A clearer deletes the entries of the namespace under test, and no others.
	clearer interface {
		Clear()
		// SetOther stores a value in another namespace.
		SetOther(key string, value []byte)
	}
)

// batchSize is the number of keys in one call.
const batchSize = 100

func load(s store, keys keys) (found int) {
	l := s.(loader)
	for i := range keys.len() {
		if intact(l.Load(keys.at(i))) {
			found++
		}
	}
	return found
}

// reload deletes each key and loads it again.
func reload(s store, keys keys) (found int) {
	l := s.(loader)
	for i := range keys.len() {
		l.Del(keys.at(i))
		if intact(l.Load(keys.at(i))) {
			found++
		}
	}
	return found
}

func getMany(s store, keys keys) (found int) {
	b := s.(batchGetter)
	batch := make([]string, 0, batchSize)
	for i := range keys.len() {
		if batch = append(batch, keys.at(i)); len(batch) == batchSize || i == keys.len()-1 {
			found += b.GetMany(batch)
			batch = batch[:0]
		}
	}
	return found
}

// list measures a goroutine that lists all keys, while another goroutine sets some keys without a
// pause. One listed key counts as an operation.
func list(m setup) result {
	s := m.open(config{entries: m.entries, sweep: time.Minute})
	fillValues(time.Hour)(s, m.entries)
	return beside(m, s, func() (n int) {
		s.(keyLister).List(func(string) { n++ })
		if n != m.entries {
			panic(fmt.Sprintf("%s listed %d keys of %d", m.name, n, m.entries))
		}
		return n
	})
}

// clearOne measures one Clear of half of the entries, while a goroutine sets some of the other
// half. One deleted entry counts as an operation.
func clearOne(m setup) result {
	s := m.open(config{entries: m.entries, sweep: time.Minute})
	c := s.(clearer)
	for i := range m.entries / 2 {
		c.SetOther(key(i), sampleValue)
	}
	fillValues(time.Hour)(s, m.entries/2)
	m.span = 0
	r := beside(m, others{s, c}, func() int {
		c.Clear()
		return m.entries / 2
	})
	if s.Has(key(0)) {
		panic(m.name + " cleared nothing")
	}
	return r
}

// others sets keys of the other namespace.
type others struct {
	store
	clearer
}

func (o others) Set(key string, value []byte, _ time.Duration) { o.SetOther(key, value) }

// beside measures op while a goroutine sets keys. It calls op repeatedly during the span, and at
// least once. The longest Set before op shows the delays that the machine causes by itself.
func beside(m setup, s store, op func() (n int)) result {
	calm := max(m.span/2, 100*time.Millisecond)
	deadline := time.Now().Add(calm)
	sets := newLatencies(deadline, calm)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		sets.record(stop, shuffled(max(1, min(m.entries/2, 100*thousand)), 1), func(key string) { s.Set(key, sampleValue, time.Hour) })
	})
	time.Sleep(time.Until(deadline))
	start, n := time.Now(), 0
	for first := true; first || time.Since(start) < m.span; first = false {
		n += op()
	}
	took := time.Since(start)
	close(stop)
	wg.Wait()
	return result{Values: map[metric]float64{
		opTime:      float64(took) / float64(n),
		worstSet:    milliseconds(sets.worst),
		p999Set:     sets.after.quantile(0.999) / 1e3,
		baselineSet: milliseconds(sets.baseline),
	}}
}

// collections lists the workloads of the report, with the stores that are compared.
var collections = []struct {
	workload string
	entries  int
	text     string
	peers    []string
	metrics  []metric
}{
	{"load-hit", thousand, "`GetOrLoad` that finds its key, 1,000 hot keys, 1 proc, of JSON text; otter: `Get` with a loader, of a value that is not copied", []string{ours, "otter"}, []metric{opTime}},
	{"reload", thousand, "`Del`, then `GetOrLoad` that loads, 1 proc: ours stores a placeholder while it loads, so that a concurrent `Del` wins", []string{ours, "otter"}, []metric{opTime}},
	{"get-each", million, "`GetRaw` with TTL, zipf over 1M keys, 2 procs, one by one", []string{ours}, []metric{opTime}},
	{"get-many", million, "the same by `GetMany` of 100 keys, ns for each; otter: `BulkGet`", []string{ours, "otter"}, []metric{opTime}},
	{"list", million, "all of 1M keys listed, ns for each, while a goroutine sets; go-cache: `Items`, a copy under its lock; otter: `Keys`; xsync: `Range`", []string{ours, "go-cache", "otter", "xsync"}, []metric{opTime, worstSet, p999Set, baselineSet}},
	{"clear", million, "`Clear` of 500,000 entries beside 500,000 of another namespace, ns for each deleted, while a goroutine sets the others; go-cache: `Items` and `Delete` by prefix", []string{ours, "go-cache"}, []metric{opTime, worstSet, p999Set, baselineSet}},
}

func collectionJobs() (jobs []job) {
	for _, c := range collections {
		for _, peer := range c.peers {
			jobs = append(jobs, job{c.workload, peer, c.entries})
		}
	}
	return jobs
}

// reportCollections measures operations on many keys. There are no bars, because the stores promise
// too different things.
func reportCollections(ctx context.Context, r rounds, w io.Writer) error {
	writeHead(w, "Loads, batches, lists")
	done := r.run(ctx, collectionJobs())
	fmt.Fprintf(w, "Medians of %s.\n", plural(r.n, "round"))
	for _, c := range collections {
		fmt.Fprintf(w, "\n%s:\n\n", c.text)
		var jobs []job
		for _, peer := range c.peers {
			jobs = append(jobs, job{c.workload, peer, c.entries})
		}
		done.writeMedians(w, "store", jobs, func(j job) string { return j.Store }, c.metrics...)
	}
	return errors.Join(done.failures()...)
}
