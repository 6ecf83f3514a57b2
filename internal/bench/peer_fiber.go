package main

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/gofiber/storage/memory/v2"
)

type fiberStorage struct{ s *memory.Storage }

// fiber treats an interval below a second as ten seconds.
func openFiber(c config) store {
	interval := c.sweep
	if interval == 0 {
		interval = time.Hour
	}
	return fiberStorage{memory.New(memory.Config{GCInterval: interval})}
}

func (f fiberStorage) Set(key string, value []byte, ttl time.Duration) {
	must(f.s.Set(key, bytes.Clone(value), ttl))
}

func (f fiberStorage) Get(key string) ([]byte, bool) {
	value, err := f.s.Get(key)
	must(err)
	return value, value != nil
}

func (f fiberStorage) Has(key string) bool {
	_, found := f.Get(key)
	return found
}

func (f fiberStorage) SetUser(key string, u user) {
	text, err := json.Marshal(u)
	must(err)
	must(f.s.Set(key, text, 0))
}

func (f fiberStorage) GetUser(key string) (u user, found bool) {
	text, found := f.Get(key)
	if found {
		must(json.Unmarshal(text, &u))
	}
	return u, found
}
