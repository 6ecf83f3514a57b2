package main

import (
	"time"

	"github.com/VictoriaMetrics/fastcache"
)

type fastCache struct{ c *fastcache.Cache }

// The size is fixed, with room for at least twice the entries.
func openFastcache(c config) store {
	return fastCache{fastcache.New(2 * c.entries * (keyLength + valueLength + 16))}
}

func (f fastCache) Set(key string, value []byte, _ time.Duration) { f.c.Set([]byte(key), value) }

func (f fastCache) Get(key string) ([]byte, bool) { return f.c.HasGet(nil, []byte(key)) }

func (f fastCache) Has(key string) bool { return f.c.Has([]byte(key)) }
