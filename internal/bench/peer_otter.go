package main

import (
	"bytes"
	"context"
	"math"
	"time"

	"github.com/maypok86/otter/v2"
)

// An otterValue contains its time to live. otter asks for it at each write.
type otterValue struct {
	data []byte
	ttl  time.Duration
}

type otterCache struct {
	c *otter.Cache[string, otterValue]
}

// otter's collector ticks every second. The interval cannot be changed.
func openOtter(config) store {
	return otterCache{otter.Must(&otter.Options[string, otterValue]{
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, otterValue]) time.Duration { return e.Value.ttl }),
	})}
}

func (o otterCache) Set(key string, value []byte, ttl time.Duration) {
	if ttl == 0 {
		ttl = math.MaxInt64 / 2
	}
	o.c.Set(key, otterValue{bytes.Clone(value), ttl})
}

func (o otterCache) Get(key string) ([]byte, bool) {
	value, found := o.c.GetIfPresent(key)
	return value.data, found
}

func (o otterCache) Has(key string) bool {
	_, found := o.c.GetIfPresent(key)
	return found
}

// Load returns the value at key. A loaded value lives for an hour, as in all stores.
func (o otterCache) Load(key string) []byte {
	value, err := o.c.Get(background, key, otterLoader)
	must(err)
	return value.data
}

var otterLoader = otter.LoaderFunc[string, otterValue](func(context.Context, string) (otterValue, error) {
	return otterValue{bytes.Clone(sampleValue), time.Hour}, nil
})

func (o otterCache) Del(key string) { o.c.Invalidate(key) }

func (o otterCache) GetMany(keys []string) (found int) {
	values, err := o.c.BulkGet(background, keys, otter.BulkLoaderFunc[string, otterValue](func(context.Context, []string) (map[string]otterValue, error) {
		return nil, nil
	}))
	must(err)
	for _, key := range keys {
		if v, ok := values[key]; ok && intact(v.data) {
			found++
		}
	}
	return found
}

func (o otterCache) List(f func(key string)) {
	for key := range o.c.Keys() {
		f(key)
	}
}

func (o otterCache) Len() int { return o.c.EstimatedSize() }

func (o otterCache) Settle() { o.c.CleanUp() }
