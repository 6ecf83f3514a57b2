package main

import (
	"bytes"
	"time"

	"github.com/puzpuzpuz/xsync/v4"
)

type xsyncMap struct{ m *xsync.Map[string, []byte] }

func openXsync(config) store { return xsyncMap{xsync.NewMap[string, []byte]()} }

func (x xsyncMap) Set(key string, value []byte, _ time.Duration) { x.m.Store(key, bytes.Clone(value)) }

func (x xsyncMap) Get(key string) ([]byte, bool) { return x.m.Load(key) }

func (x xsyncMap) Has(key string) bool {
	_, found := x.m.Load(key)
	return found
}

func (x xsyncMap) List(f func(key string)) {
	x.m.Range(func(key string, _ []byte) bool {
		f(key)
		return true
	})
}
