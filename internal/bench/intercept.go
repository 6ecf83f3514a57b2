package main

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// intercept measures Has of hot keys with and without an interceptor that only calls Next. Short parts of both
// take turns in one process, so that a busy machine slows both. The ratio is the median over the parts.
func intercept(m setup) result {
	plain := m.open(config{entries: m.entries, sweep: time.Minute}).(*zelt)
	fillValues(0)(plain, m.entries)
	through, err := adaptor.Intercept(plain.kv, onlyNext).Namespace("bench")
	must(err)
	wrapped := &zelt{kv: plain.kv, store: through}
	order := uniform(m.entries, rand.New(rand.NewPCG(1, 1)))
	runtime.GC()
	part := order.slice(0, min(2*chunk, order.len()))
	took := func(z *zelt) float64 {
		begin := time.Now()
		has(z, part)
		return float64(time.Since(begin))
	}
	var ratios []float64
	for begin := time.Now(); len(ratios) < 3 || time.Since(begin) < m.span; {
		without := took(plain)
		ratios = append(ratios, took(wrapped)/without)
	}
	slices.Sort(ratios)
	return result{Values: map[metric]float64{interceptRatio: ratios[len(ratios)/2]}}
}

// onlyNext is an interceptor that only calls Next.
func onlyNext(ctx context.Context, call *driver.Call) error { return call.Next(ctx) }
