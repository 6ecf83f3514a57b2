// Package flight shares one running call among all who want its result.
//
// golang.org/x/sync/singleflight does not fit: there a call runs on the context of
// whoever came first, nobody can leave, and nobody can be kept out of a call whose
// result is obsolete.
package flight

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
)

// Group runs at most one call per key at a time, but for those that were replaced. The
// zero Group is ready. A key leaves nothing behind when its call ends.
type Group[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*Call[V]
}

// Call is one run of a function, on a context of its own: it has the values of the
// context that it was started with, and ends when the last who waits has left.
type Call[V any] struct {
	*node
	mu      *sync.Mutex // the group's; guards the next three
	tag     string
	waiting int
	forget  func()

	cancel context.CancelFunc
	done   chan struct{} // closed when what follows is set
	value  V
	err    error
	crash  *Crash
}

// Crash says how a function ended that did not return.
type Crash struct {
	Value  any // what it panicked with; nil if it called runtime.Goexit
	Stack  []byte
	Goexit bool
}

// Admission is the answer to the question whether a running call will do.
type Admission int

const (
	Enter     Admission = iota // wait for it
	LookAgain                  // do nothing
	Replace                    // start another; who waits for the old one goes on waiting
)

// ErrOwn is the error of waiting for a call from within: it would never end.
var ErrOwn = errors.New("flight: a call waits for itself")

// Join takes a place in the call that runs at key if admit, which is told the call's tag,
// says so, and otherwise starts f. Who gets a call must Wait for it. The call is nil
// after LookAgain, and with an error. admit must not call the group.
func (g *Group[K, V]) Join(ctx context.Context, key K, admit func(c *Call[V], tag string) Admission,
	f func(context.Context, *Call[V]) (V, error)) (*Call[V], error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.calls[key]; c != nil {
		switch admit(c, c.tag) {
		case Enter:
			if within(ctx, c.node) {
				return nil, ErrOwn
			}
			c.waiting++
			return c, nil
		case LookAgain:
			return nil, nil
		}
	}
	c := &Call[V]{node: &node{outer(ctx)}, mu: &g.mu, waiting: 1, done: make(chan struct{})}
	c.forget = func() {
		if g.calls[key] == c {
			delete(g.calls, key)
		}
		if len(g.calls) == 0 {
			g.calls = nil // a map never shrinks
		}
	}
	if g.calls == nil {
		g.calls = make(map[K]*Call[V])
	}
	g.calls[key] = c
	running, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), nodeKey{}, c.node))
	c.cancel = cancel
	go c.run(running, f)
	return c, nil
}

func (c *Call[V]) run(ctx context.Context, f func(context.Context, *Call[V]) (V, error)) {
	returned := false
	defer func() {
		if !returned {
			// A panic(nil) is recovered as a *runtime.PanicNilError.
			if value := recover(); value != nil {
				c.crash = &Crash{Value: value, Stack: debug.Stack()}
			} else {
				c.crash = &Crash{Goexit: true}
			}
		}
		c.cancel()
		c.mu.Lock()
		c.forget()
		c.mu.Unlock()
		close(c.done)
	}()
	c.value, c.err = f(ctx, c)
	returned = true
}

// SetTag sets what admit is told of the call; it was "".
func (c *Call[V]) SetTag(tag string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tag = tag
}

// Wait waits for the call's end, and reports whether it came before that of ctx.
func (c *Call[V]) Wait(ctx context.Context) bool {
	select {
	case <-c.done:
		return true
	case <-ctx.Done():
		c.leave()
		return false
	}
}

func (c *Call[V]) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting--; c.waiting == 0 {
		c.forget() // nobody may join a call that is being canceled
		c.cancel()
	}
}

// Result returns what the function returned, or how else it ended. It is for after Wait.
func (c *Call[V]) Result() (value V, crash *Crash, err error) {
	return c.value, c.crash, c.err
}

// node is a call's place among the calls from within which it was started; a context
// carries it.
type node struct{ outer *node }

type nodeKey struct{}

func outer(ctx context.Context) *node {
	n, _ := ctx.Value(nodeKey{}).(*node)
	return n
}

func within(ctx context.Context, call *node) bool {
	for n := outer(ctx); n != nil; n = n.outer {
		if n == call {
			return true
		}
	}
	return false
}
