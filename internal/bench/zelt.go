package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

var background = context.Background()

// zelt is ours.
type zelt struct {
	kv    *memory.MemoryKV
	store *adaptor.AtomicKVStore
}

// idleSweep is the interval of a collector that runs in Sweep only.
const idleSweep = 20 * time.Millisecond

func openZelt(c config) store {
	interval := c.sweep
	if interval == 0 {
		interval = idleSweep
	}
	kv, err := memory.New(memory.Config{GCInterval: interval})
	must(err)
	s, err := kv.Namespace("bench")
	must(err)
	if c.sweep > 0 {
		must(kv.Start(background))
	}
	return &zelt{kv, s}
}

func (z *zelt) Set(key string, value []byte, ttl time.Duration) {
	if ttl == 0 {
		must(z.store.Set(background, key, json.RawMessage(value)))
		return
	}
	must(z.store.Set(background, key, json.RawMessage(value), adaptor.WithTTL(ttl)))
}

func (z *zelt) Get(key string) ([]byte, bool) {
	value, found, err := z.store.GetRaw(background, key)
	must(err)
	return value, found
}

func (z *zelt) Has(key string) bool {
	found, err := z.store.Has(background, key)
	must(err)
	return found
}

func (z *zelt) Incr(key string) int64 {
	sum, err := z.store.Incr(background, key, 1)
	must(err)
	return sum
}

func (z *zelt) SetUser(key string, u user) { must(z.store.Set(background, key, u)) }

func (z *zelt) GetUser(key string) (user, bool) {
	u, found, err := adaptor.Get[user](background, z.store, key)
	must(err)
	return u, found
}

func (z *zelt) Len() int { return z.kv.Stats().Entries }

// Sweep returns how long the third sweep took: the first may start anything.
func (z *zelt) Sweep() time.Duration {
	must(z.kv.Start(background))
	for z.kv.Stats().Sweeps < 3 {
		time.Sleep(idleSweep)
	}
	must(z.kv.Stop(background))
	return z.kv.Stats().LastSweep
}
