package main

import (
	"testing"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// allocations measures how many times one operation of MemoryKV allocates.
func allocations(m setup) result {
	z := m.open(config{sweep: time.Minute}).(*zelt)
	fillValues(time.Hour)(z, m.entries)
	z.Incr("counter")
	through, err := adaptor.Intercept(z.kv, onlyNext).Namespace("bench")
	must(err)
	entry, point := key(0), struct{ X, Y int }{3, 4}
	perRun := func(op func()) float64 { return testing.AllocsPerRun(10_000, op) }
	return result{Values: map[metric]float64{
		hasAllocs:       perRun(func() { z.Has(entry) }),
		interceptAllocs: perRun(func() { mustDiscard(through.Has(background, entry)) }),
		getAllocs:       perRun(func() { z.Get(entry) }),
		incrAllocs:      perRun(func() { mustDiscard(z.store.Incr(background, "counter", 1, adaptor.WithTTL(time.Hour))) }),
		expireAllocs:    perRun(func() { mustDiscard(z.store.Expire(background, entry, time.Hour)) }),
		setAllocs:       perRun(func() { must(z.store.Set(background, entry, point, adaptor.WithTTL(time.Hour))) }),
	}}
}

func mustDiscard[T any](_ T, err error) { must(err) }
