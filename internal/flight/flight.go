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
	"slices"
	"sync"
)

// Group runs at most one call per key at a time, but for those that were replaced. The
// zero Group is ready. A key leaves nothing behind when its call ends.
type Group[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*Call[K, V]
}

// Call is one run of a function, on a context of its own: it has the values of the
// context that it was started with, and ends when the last who waits has left.
type Call[K comparable, V any] struct {
	group  *Group[K, V]
	key    K
	parent *Call[K, V] // from within which it was started

	// Guarded by the group's mutex.
	tag      string
	waiting  int
	children []*Call[K, V] // what is waited for from within it

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

// ErrSelfWait is the error of waiting, from within a call, for this call, for one that waits for it, or
// for another one of its key: that would never end.
var ErrSelfWait = errors.New("flight: a call waits for itself")

// Join takes a place in the call that runs at key if admit, which is told the call's tag,
// says so, and otherwise starts f. Who gets a call must Wait for it. The call is nil
// after LookAgain, and with an error. admit must not call the group.
func (g *Group[K, V]) Join(ctx context.Context, key K, admit func(c *Call[K, V], tag string) Admission,
	f func(context.Context, *Call[K, V]) (V, error)) (*Call[K, V], error) {
	from := g.callOf(ctx)
	for c := from; c != nil; c = c.parent {
		if c.key == key {
			return nil, ErrSelfWait
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.calls[key]
	if c != nil {
		switch admit(c, c.tag) {
		case Enter:
			if from != nil && c.waitsFor(from) {
				return nil, ErrSelfWait
			}
			c.addWaiter(from)
			return c, nil
		case LookAgain:
			return nil, nil
		}
	}
	c = &Call[K, V]{group: g, key: key, parent: from, done: make(chan struct{})}
	c.addWaiter(from)
	if g.calls == nil {
		g.calls = make(map[K]*Call[K, V])
	}
	g.calls[key] = c
	running, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), groupKey[K, V]{g}, c))
	c.cancel = cancel
	go c.run(running, f)
	return c, nil
}

// groupKey is where a context carries the call of a group that it belongs to.
type groupKey[K comparable, V any] struct{ group *Group[K, V] }

func (g *Group[K, V]) callOf(ctx context.Context) *Call[K, V] {
	c, _ := ctx.Value(groupKey[K, V]{g}).(*Call[K, V])
	return c
}

// addWaiter counts one who waits, from within a call or not.
func (c *Call[K, V]) addWaiter(from *Call[K, V]) {
	c.waiting++
	if from != nil {
		from.children = append(from.children, c)
	}
}

// waitsFor reports whether c is other, or something within c waits for it.
func (c *Call[K, V]) waitsFor(other *Call[K, V]) bool {
	return c == other || slices.ContainsFunc(c.children, func(c *Call[K, V]) bool { return c.waitsFor(other) })
}

// forget keeps others from joining.
func (c *Call[K, V]) forget() {
	g := c.group
	if g.calls[c.key] == c {
		delete(g.calls, c.key)
	}
	if len(g.calls) == 0 {
		g.calls = nil // a map never shrinks
	}
}

func (c *Call[K, V]) run(ctx context.Context, f func(context.Context, *Call[K, V]) (V, error)) {
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
		c.group.mu.Lock()
		c.forget()
		c.group.mu.Unlock()
		close(c.done)
	}()
	c.value, c.err = f(ctx, c)
	returned = true
}

// SetTag sets what admit is told of the call; it was "".
func (c *Call[K, V]) SetTag(tag string) {
	c.group.mu.Lock()
	defer c.group.mu.Unlock()
	c.tag = tag
}

// Wait waits for the call's end, and reports whether it came before that of ctx, which is the one
// that the call was joined with.
func (c *Call[K, V]) Wait(ctx context.Context) bool {
	ended := true
	select {
	case <-c.done:
	case <-ctx.Done():
		ended = false
	}
	from := c.group.callOf(ctx)
	if ended && from == nil {
		return true
	}
	c.group.mu.Lock()
	defer c.group.mu.Unlock()
	if from != nil {
		from.removeChild(c)
	}
	if !ended {
		if c.waiting--; c.waiting == 0 {
			c.forget() // nobody may join a call that is being canceled
			c.cancel()
		}
	}
	return ended
}

// removeChild ends one waiting for inner from within c.
func (c *Call[K, V]) removeChild(child *Call[K, V]) {
	i := slices.Index(c.children, child)
	c.children = slices.Delete(c.children, i, i+1)
}

// Result returns what the function returned, or how else it ended. It is for after Wait.
func (c *Call[K, V]) Result() (value V, crash *Crash, err error) {
	return c.value, c.crash, c.err
}
