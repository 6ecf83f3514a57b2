package main

import (
	"bytes"
	"time"

	"github.com/jellydator/ttlcache/v3"
)

type ttlCache struct {
	c *ttlcache.Cache[string, []byte]
}

// The collector of ttlcache has no interval: it wakes at the next deadline.
func openTTLCache(c config) store {
	cache := ttlcache.New(ttlcache.WithDisableTouchOnHit[string, []byte]())
	if c.sweep > 0 {
		go cache.Start()
	}
	return ttlCache{cache}
}

func (t ttlCache) Set(key string, value []byte, ttl time.Duration) {
	if ttl == 0 {
		ttl = ttlcache.NoTTL
	}
	t.c.Set(key, bytes.Clone(value), ttl)
}

func (t ttlCache) Get(key string) ([]byte, bool) {
	item := t.c.Get(key)
	if item == nil {
		return nil, false
	}
	return item.Value(), true
}

func (t ttlCache) Has(key string) bool { return t.c.Has(key) }

// Len counts insertions and evictions, because ttlcache's own Len omits expired entries.
func (t ttlCache) Len() int {
	m := t.c.Metrics()
	return int(m.Insertions - m.Evictions)
}

func (t ttlCache) Sweep() time.Duration {
	start := time.Now()
	t.c.DeleteExpired()
	return time.Since(start)
}
