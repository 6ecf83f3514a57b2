package main

import (
	"bytes"
	"sync"
	"time"
)

type syncMap struct{ m *sync.Map }

func openSyncMap(config) store { return syncMap{new(sync.Map)} }

func (s syncMap) Set(key string, value []byte, _ time.Duration) { s.m.Store(key, bytes.Clone(value)) }

func (s syncMap) Get(key string) ([]byte, bool) {
	value, found := s.m.Load(key)
	if !found {
		return nil, false
	}
	return value.([]byte), true
}

func (s syncMap) Has(key string) bool {
	_, found := s.m.Load(key)
	return found
}
