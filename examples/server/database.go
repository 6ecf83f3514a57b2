package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/examples/cache"
)

// lookup is how long a read of the database takes.
const lookup = 100 * time.Millisecond

// Database holds the users. It is a map in this process that behaves like a slow database. Replace it by
// your own.
type Database struct {
	mu    sync.RWMutex
	users map[string]cache.User
	reads atomic.Int64 // calls of Find
}

// NewDatabase returns a Database with three users.
func NewDatabase() *Database {
	return &Database{users: map[string]cache.User{
		"1": {ID: "1", Name: "Ada Lovelace"},
		"2": {ID: "2", Name: "Grace Hopper"},
		"3": {ID: "3", Name: "Barbara Liskov"},
	}}
}

// Find returns the user of the given id after the time that a read takes, or the error of ctx.
func (d *Database) Find(ctx context.Context, id string) (user cache.User, found bool, err error) {
	d.reads.Add(1)
	select {
	case <-time.After(lookup):
	case <-ctx.Done():
		return user, false, ctx.Err()
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	user, found = d.users[id]
	return user, found, nil
}

// Save stores a user.
func (d *Database) Save(user cache.User) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users[user.ID] = user
}
