package main

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// silence is how long a new connection may take to send something before nobody waits for it.
const silence = time.Second

// conns knows which connections have a request, or may be about to have their first.
type conns struct {
	mu   sync.Mutex
	busy map[net.Conn]time.Time // when it was made; zero for one with a request
}

// track is a server's ConnState.
func (c *conns) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.busy[conn] = time.Now()
	case http.StateActive:
		c.busy[conn] = time.Time{}
	default:
		delete(c.busy, conn)
	}
}

// quiet reports whether none is busy.
func (c *conns) quiet() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, made := range c.busy {
		if made.IsZero() || time.Since(made) < silence {
			return false
		}
	}
	return true
}
