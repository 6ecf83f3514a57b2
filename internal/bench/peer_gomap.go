package main

import (
	"encoding/json"
	"time"

	"github.com/philippgille/gokv/gomap"
)

type goMap struct{ s gomap.Store }

func openGomap(config) store { return goMap{gomap.NewStore(gomap.DefaultOptions)} }

func (g goMap) Set(key string, value []byte, _ time.Duration) {
	must(g.s.Set(key, json.RawMessage(value)))
}

func (g goMap) Get(key string) ([]byte, bool) {
	var value json.RawMessage
	found, err := g.s.Get(key, &value)
	must(err)
	return value, found
}

func (g goMap) Has(key string) bool {
	_, found := g.Get(key)
	return found
}

func (g goMap) SetUser(key string, u user) { must(g.s.Set(key, u)) }

func (g goMap) GetUser(key string) (u user, found bool) {
	found, err := g.s.Get(key, &u)
	must(err)
	return u, found
}
