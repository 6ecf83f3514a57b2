package main

import (
	"fmt"
	"runtime"
	"time"
)

// A job is one measurement in a child process: a workload on a store.
type job struct {
	Workload string
	Store    string
	Entries  int // the number of stored entries
}

func (j job) String() string { return fmt.Sprintf("%s %s %s", j.Workload, j.Store, count(j.Entries)) }

// A result is the output of a child process.
type result struct {
	Values map[metric]float64
	Series map[string][]float64 `json:",omitempty"`
}

// A workload is one kind of measurement. It runs in its own process on procs processors.
type workload struct {
	procs int
	once  bool // run only one round: more rounds take too long, or give the same result
	run   func(setup) result
}

// A setup contains the store, the size and the time for a workload.
type setup struct {
	contender
	entries int
	span    time.Duration // of a timed part
}

var workloads = map[string]workload{
	"has-ttl-zipf":  {procs: 2, run: timed(zipf, fillValues(time.Hour), has)},
	"has-hot":       {procs: 1, run: timed(uniform, fillValues(0), has)},
	"has-ttl-hot":   {procs: 1, run: timed(uniform, fillValues(time.Hour), has)},
	"get-copy-zipf": {procs: 2, run: timed(zipf, fillValues(time.Hour), getCopy)},
	"set-json":      {procs: 2, run: timed(uniform, fillValues(time.Hour), setJSON)},
	"incr-hot":      {procs: 1, run: timed(uniform, fillCounters, incr)},
	"incr":          {procs: 2, run: timed(uniform, fillCounters, incr)},
	"typed-get":     {procs: 1, run: timed(uniform, fillUsers, getUser)},
	"typed-set":     {procs: 1, run: timed(uniform, fillUsers, setUser)},
	"fill":          {procs: 2, run: fill},
	"expiry":        {procs: 2, run: expiry},
	"churn":         {procs: 2, once: true, run: churn},
	"intercept":     {procs: 1, run: intercept},
	"allocs":        {procs: 1, once: true, run: allocations},
	"limit-hot":     {procs: 1, run: timed(uniform, fillClients, allow)},
	"limit":         {procs: 2, run: timed(uniform, fillClients, allow)},
	"limit-bytes":   {procs: 1, once: true, run: limitBytes},
	"limit-allocs":  {procs: 1, once: true, run: limitAllocations},
	"peers-1":       {procs: 1, run: overview},
	"peers-2":       {procs: 2, run: overview},
	"growth":        {procs: 1, run: grow},
	"load-hit":      {procs: 1, run: timed(uniform, fillValues(time.Hour), load)},
	"reload":        {procs: 1, run: timed(uniform, fillValues(time.Hour), reload)},
	"get-each":      {procs: 2, run: timed(zipf, fillValues(time.Hour), get)},
	"get-many":      {procs: 2, run: timed(zipf, fillValues(time.Hour), getMany)},
	"list":          {procs: 2, run: list},
	"clear":         {procs: 2, run: clearOne},
}

// measure runs the job in this process.
func measure(j job, span time.Duration) (result, error) {
	b, ok := workloads[j.Workload]
	if !ok {
		return result{}, fmt.Errorf("no workload %q", j.Workload)
	}
	c, ok := contenderOf(j.Store)
	if !ok {
		return result{}, fmt.Errorf("no store %q", j.Store)
	}
	if j.Entries < 1 {
		return result{}, fmt.Errorf("a store of %d entries can't be measured", j.Entries)
	}
	runtime.GOMAXPROCS(b.procs)
	return b.run(setup{c, j.Entries, span}), nil
}
