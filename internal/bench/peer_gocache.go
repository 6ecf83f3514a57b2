package main

import (
	"bytes"
	"strings"
	"time"

	gocache "github.com/patrickmn/go-cache"
)

type goCache struct{ c *gocache.Cache }

func openGoCache(c config) store { return goCache{gocache.New(gocache.NoExpiration, c.sweep)} }

// For go-cache, a ttl of 0 means the default, which is no expiration.
func (g goCache) Set(key string, value []byte, ttl time.Duration) {
	g.c.Set(key, bytes.Clone(value), ttl)
}

func (g goCache) Get(key string) ([]byte, bool) {
	value, found := g.c.Get(key)
	if !found {
		return nil, false
	}
	return value.([]byte), true
}

func (g goCache) Has(key string) bool {
	_, found := g.c.Get(key)
	return found
}

// Incr stores a new counter if there is none, because IncrementInt64 needs an existing counter.
func (g goCache) Incr(key string) int64 {
	sum, err := g.c.IncrementInt64(key, 1)
	if err != nil {
		g.c.Set(key, int64(1), gocache.NoExpiration)
		return 1
	}
	return sum
}

func (g goCache) List(f func(key string)) {
	for key := range g.c.Items() {
		f(key)
	}
}

// otherPrefix marks the keys of the other namespace, because go-cache has no namespaces.
const otherPrefix = "benchmark:"

func (g goCache) Clear() {
	for key := range g.c.Items() {
		if !strings.HasPrefix(key, otherPrefix) {
			g.c.Delete(key)
		}
	}
}

func (g goCache) SetOther(key string, value []byte) { g.Set(otherPrefix+key, value, 0) }

func (g goCache) Len() int { return g.c.ItemCount() }

func (g goCache) Sweep() time.Duration {
	start := time.Now()
	g.c.DeleteExpired()
	return time.Since(start)
}
