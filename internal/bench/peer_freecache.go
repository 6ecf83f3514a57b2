package main

import (
	"time"

	"github.com/coocood/freecache"
)

type freeCache struct{ c *freecache.Cache }

// The size is fixed, with room for twice the entries. Each entry has a header of 24 bytes in
// freecache.
func openFreecache(c config) store {
	return freeCache{freecache.NewCache(2 * c.entries * (keyLength + valueLength + 24))}
}

func (f freeCache) Set(key string, value []byte, ttl time.Duration) {
	must(f.c.Set([]byte(key), value, int(ttl.Seconds())))
}

func (f freeCache) Get(key string) ([]byte, bool) {
	value, err := f.c.Get([]byte(key))
	return value, err == nil
}

func (f freeCache) Has(key string) bool {
	_, err := f.c.TTL([]byte(key))
	return err == nil
}

func (f freeCache) Len() int { return int(f.c.EntryCount()) }
