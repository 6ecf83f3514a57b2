package main

import (
	"fmt"
	"sync"
	"testing"
	"time"

	golimiter "github.com/sethvargo/go-limiter"
	golimitermemory "github.com/sethvargo/go-limiter/memorystore"
	ulule "github.com/ulule/limiter/v3"
	ululememory "github.com/ulule/limiter/v3/drivers/store/memory"
	"golang.org/x/time/rate"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/kvmodule/limit"
	"github.com/zelt-go/kv/memory"
)

// limiting stores count an event of key, and report whether it is allowed.
type limiting interface{ Allow(key string) bool }

// The rate of the limiters: a client never uses its burst up, and never regains all of it, so that every
// call counts an event.
const (
	limitEvents = 100
	limitPer    = time.Hour
	limitBurst  = 50_000_000
)

// limiters are the peers of kvmodule/limit. They store nothing else.
var limiters = []contender{
	{name: "go-limiter", module: "github.com/sethvargo/go-limiter", open: openGoLimiter},
	{name: "ulule", module: "github.com/ulule/limiter/v3", remark: "a fixed window", open: openUlule},
	{name: "x/time/rate", module: "golang.org/x/time", remark: "in a map under a mutex, from which nothing is removed", open: openTimeRate},
}

// A limiterStore is a store that can only limit.
type limiterStore struct {
	store
	allow func(key string) bool
}

func (s limiterStore) Allow(key string) bool { return s.allow(key) }

func openGoLimiter(config) store {
	s, err := golimitermemory.New(&golimitermemory.Config{Tokens: limitBurst, Interval: limitPer, SweepInterval: time.Minute})
	must(err)
	var _ golimiter.Store = s
	return limiterStore{allow: func(key string) bool {
		_, _, _, ok, err := s.Take(background, key)
		must(err)
		return ok
	}}
}

func openUlule(config) store {
	l := ulule.New(ululememory.NewStoreWithOptions(ulule.StoreOptions{CleanUpInterval: time.Minute}), ulule.Rate{Period: limitPer, Limit: limitBurst})
	return limiterStore{allow: func(key string) bool {
		c, err := l.Get(background, key)
		must(err)
		return !c.Reached
	}}
}

func openTimeRate(config) store {
	var mu sync.Mutex
	limiters := map[string]*rate.Limiter{}
	return limiterStore{allow: func(key string) bool {
		mu.Lock()
		l := limiters[key]
		if l == nil {
			l = rate.NewLimiter(rate.Every(limitPer/limitEvents), limitBurst)
			limiters[key] = l
		}
		mu.Unlock()
		return l.Allow()
	}}
}

// newZeltLimiter returns ours on the store.
func newZeltLimiter(kv adaptor.AtomicKVAdaptor) *limit.Limiter {
	l, err := limit.New(kv, limit.Config{Name: "bench", Rates: []limit.Rate{{Events: limitEvents, Per: limitPer, Burst: limitBurst}}})
	must(err)
	return l
}

func (z *zelt) Allow(key string) bool {
	d, err := z.limiter.Allow(background, key)
	must(err)
	return d.Allowed
}

func fillClients(s store, n int) {
	l := s.(limiting)
	for i := range n {
		l.Allow(key(i))
	}
}

func allow(s store, keys keys) (found int) {
	l := s.(limiting)
	for i := range keys.len() {
		if l.Allow(keys.at(i)) {
			found++
		}
	}
	return found
}

// limitBytes measures the memory of a client of ours against a counter with a TTL, by Stats.
func limitBytes(m setup) result {
	bytes := func(fill func(kv *memory.MemoryKV, key string)) float64 {
		kv, err := memory.New(memory.Config{})
		must(err)
		for i := range m.entries {
			fill(kv, key(i))
		}
		return float64(kv.Stats().Bytes)
	}
	var l *limit.Limiter
	client := bytes(func(kv *memory.MemoryKV, key string) {
		if l == nil {
			l = newZeltLimiter(kv)
		}
		mustDiscard(l.Allow(background, key))
	})
	var s *adaptor.AtomicKVStore
	counter := bytes(func(kv *memory.MemoryKV, key string) {
		if s == nil {
			parent, err := kv.Namespace("limit")
			must(err)
			s, err = parent.Namespace("bench")
			must(err)
		}
		mustDiscard(s.Incr(background, key, 1, adaptor.WithTTL(time.Hour)))
	})
	return result{Values: map[metric]float64{clientBytes: client / counter}}
}

func limitAllocations(m setup) result {
	z := m.open(config{sweep: time.Minute}).(*zelt)
	fillClients(z, m.entries)
	keys := make([]string, m.entries)
	for i := range keys {
		keys[i] = key(i)
	}
	next := 0
	return result{Values: map[metric]float64{allowAllocs: testing.AllocsPerRun(10_000, func() {
		if next++; !z.Allow(keys[next%len(keys)]) {
			panic(fmt.Sprint("refused: ", next))
		}
	})}}
}
