package main

import (
	"bytes"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

type ristrettoCache struct {
	c *ristretto.Cache[string, []byte]
}

// Each entry costs 1, and there is room for twice as many entries. ristretto therefore evicts
// nothing, but it may still drop a Set.
func openRistretto(c config) store {
	cache, err := ristretto.NewCache(&ristretto.Config[string, []byte]{
		NumCounters:        int64(10 * c.entries),
		MaxCost:            int64(2 * c.entries),
		BufferItems:        64,
		IgnoreInternalCost: true,
	})
	must(err)
	return ristrettoCache{cache}
}

func (r ristrettoCache) Set(key string, value []byte, ttl time.Duration) {
	r.c.SetWithTTL(key, bytes.Clone(value), 1, ttl)
}

func (r ristrettoCache) Get(key string) ([]byte, bool) { return r.c.Get(key) }

func (r ristrettoCache) Has(key string) bool {
	_, found := r.c.Get(key)
	return found
}

func (r ristrettoCache) Settle() { r.c.Wait() }
