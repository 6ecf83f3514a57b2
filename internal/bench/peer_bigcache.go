package main

import (
	"time"

	"github.com/allegro/bigcache/v3"
)

type bigCache struct{ c *bigcache.BigCache }

func openBigcache(c config) store {
	cache, err := bigcache.New(background, bigcache.Config{
		Shards:             1024,
		LifeWindow:         time.Hour,
		CleanWindow:        c.sweep,
		MaxEntriesInWindow: c.entries,
		MaxEntrySize:       keyLength + valueLength + 64,
	})
	must(err)
	return bigCache{cache}
}

func (b bigCache) Set(key string, value []byte, _ time.Duration) { must(b.c.Set(key, value)) }

func (b bigCache) Get(key string) ([]byte, bool) {
	value, err := b.c.Get(key)
	return value, err == nil
}

func (b bigCache) Has(key string) bool {
	_, err := b.c.Get(key)
	return err == nil
}

func (b bigCache) Len() int { return b.c.Len() }
