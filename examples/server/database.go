package main

import (
	"context"
	"sync"
	"time"

	"github.com/zelt-go/kv/examples/cache"
)

// lookup is how slow the database is.
const lookup = 100 * time.Millisecond

// Database is where the users really are: a map in this process, which plays a slow database.
// Put yours here.
type Database struct {
	mu    sync.RWMutex
	users map[string]cache.User
}

// NewDatabase returns a Database with a few users.
func NewDatabase() *Database {
	return &Database{users: map[string]cache.User{
		"1": {ID: "1", Name: "Ada Lovelace"},
		"2": {ID: "2", Name: "Grace Hopper"},
		"3": {ID: "3", Name: "Barbara Liskov"},
	}}
}

// Find returns the user of the given id, and takes its time.
func (d *Database) Find(ctx context.Context, id string) (user cache.User, found bool, err error) {
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
