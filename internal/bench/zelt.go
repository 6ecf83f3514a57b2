package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/kvmodule/limit"
	"github.com/zelt-go/kv/memory"
)

var background = context.Background()

// zelt adapts MemoryKV to the interfaces of the benchmark.
type zelt struct {
	kv      *memory.MemoryKV
	store   *adaptor.AtomicKVStore
	others  *adaptor.AtomicKVStore
	texts   adaptor.Typed[json.RawMessage]
	limiter *limit.Limiter
}

// idleSweep is the collector's interval if only Sweep starts the collector.
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
	others, err := kv.Namespace("benchmark")
	must(err)
	return &zelt{kv, s, others, adaptor.Of[json.RawMessage](s, adaptor.DefaultTTL(time.Hour)), newZeltLimiter(kv)}
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

func (z *zelt) Load(key string) []byte {
	value, _, err := z.texts.GetOrLoad(background, key, func(context.Context) (adaptor.Loaded[json.RawMessage], error) {
		return adaptor.Loaded[json.RawMessage]{Value: sampleValue}, nil
	})
	must(err)
	return value
}

func (z *zelt) Del(key string) { must(z.store.Del(background, key)) }

func (z *zelt) GetMany(keys []string) (found int) {
	results, err := z.store.GetMany(background, keys)
	must(err)
	for _, r := range results {
		if r.Found && intact(r.Value) {
			found++
		}
	}
	return found
}

func (z *zelt) List(f func(key string)) {
	for key, err := range z.store.Keys(background) {
		must(err)
		f(key)
	}
}

func (z *zelt) Clear() { must(z.store.Clear(background)) }

func (z *zelt) SetOther(key string, value []byte) {
	must(z.others.Set(background, key, json.RawMessage(value)))
}

func (z *zelt) Len() int { return z.kv.Stats().Entries }

// Sweep returns the duration of the third sweep. The first sweeps may include work from before.
func (z *zelt) Sweep() time.Duration {
	must(z.kv.Start(background))
	for z.kv.Stats().Sweeps < 3 {
		time.Sleep(idleSweep)
	}
	must(z.kv.Stop(background))
	return z.kv.Stats().LastSweep
}
