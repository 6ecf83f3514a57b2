package main

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// silence is how long a stopping server waits for the first request of a new connection.
const silence = time.Second

// conns tracks the connections that have a request, or may be about to send their first.
type conns struct {
	mu   sync.Mutex
	busy map[net.Conn]time.Time // when the connection was made; zero while it has a request
}

// track implements [http.Server.ConnState].
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

// quiet reports whether no connection is busy.
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
