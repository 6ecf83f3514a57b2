// Package flight shares one running call among all callers that need its result.
//
// golang.org/x/sync/singleflight does not fit. Its calls run on the context of the first caller,
// and a caller cannot stop waiting. Nor can a new caller be kept out of a call whose result is
// obsolete.
package flight

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"
)

// A Group runs at most one call per key at a time, apart from replaced calls. The zero Group is
// ready for use. Its methods may be called concurrently. When a call ends, the group forgets its
// key.
type Group[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*Call[K, V]
}

// A Call is one run of a function. Its context has the values of the context that started the call,
// and is canceled when the last waiting caller leaves.
type Call[K comparable, V any] struct {
	group  *Group[K, V]
	key    K
	parent *Call[K, V] // the call whose function started this one, or nil

	// The group's mutex guards the next three fields.
	tag      string
	waiting  int
	children []*Call[K, V] // the calls that this call's function waits for

	cancel context.CancelFunc
	done   chan struct{} // closed when the fields below are set
	value  V
	err    error
	crash  *Crash
}

// A Crash describes a function that ended without a return.
type Crash struct {
	Value  any // the argument of panic; nil after runtime.Goexit
	Stack  []byte
	Goexit bool
}

// An Admission decides whether a caller may join a running call.
type Admission int

const (
	Enter     Admission = iota // wait for the running call
	LookAgain                  // neither wait nor start a call
	Replace                    // start another call; callers of the old call keep waiting for it
)

// ErrSelfWait is the error that Join returns if the wait would never end. The function of a call
// must not wait for that call, for another call of the same key, or for a call that waits for it.
var ErrSelfWait = errors.New("flight: a call waits for itself")

// Join returns the running call at key, or starts f as a new call. If a call is running, Join asks
// admit, which receives the call and its tag. The caller must call Wait on the returned Call. Join
// returns nil if admit returns LookAgain. It returns ErrSelfWait if the wait would never end. admit
// must not call the group.
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

// groupKey is the context key for the call of a group to which the context belongs.
type groupKey[K comparable, V any] struct{ group *Group[K, V] }

func (g *Group[K, V]) callOf(ctx context.Context) *Call[K, V] {
	c, _ := ctx.Value(groupKey[K, V]{g}).(*Call[K, V])
	return c
}

// addWaiter counts a waiting caller. from is the call whose function waits, or nil.
func (c *Call[K, V]) addWaiter(from *Call[K, V]) {
	c.waiting++
	if from != nil {
		from.children = append(from.children, c)
	}
}

// waitsFor reports whether c is other, or waits for other directly or through its children.
func (c *Call[K, V]) waitsFor(other *Call[K, V]) bool {
	return c == other || slices.ContainsFunc(c.children, func(c *Call[K, V]) bool { return c.waitsFor(other) })
}

// forget removes c from the group, so that no other caller joins it.
func (c *Call[K, V]) forget() {
	g := c.group
	if g.calls[c.key] == c {
		delete(g.calls, c.key)
	}
	if len(g.calls) == 0 {
		g.calls = nil // release the memory, because a map never shrinks
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

// SetTag sets the tag that admit receives. The initial tag is "".
func (c *Call[K, V]) SetTag(tag string) {
	c.group.mu.Lock()
	defer c.group.mu.Unlock()
	c.tag = tag
}

// Wait waits until the call or ctx ends, and reports whether the call ended first. ctx must be the
// context that was passed to Join.
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
			c.forget() // no caller may join a call that is being canceled
			c.cancel()
		}
	}
	return ended
}

// removeChild removes one child after its wait has ended.
func (c *Call[K, V]) removeChild(child *Call[K, V]) {
	i := slices.Index(c.children, child)
	c.children = slices.Delete(c.children, i, i+1)
}

// Result returns the results of the function, or a Crash. The caller must have waited with Wait.
func (c *Call[K, V]) Result() (value V, crash *Crash, err error) {
	return c.value, c.crash, c.err
}
