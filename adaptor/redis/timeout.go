package redis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A limit is a context that has no end but after a timeout. It does what
// [context.WithTimeoutCause] does for a context without an end, in a sixth of the time, since
// limits are used again. Whoever kept one beyond its call would see it end for another's sake.
type timeoutContext struct {
	context.Context // the caller's, for its values
	timer           *time.Timer
	done            chan struct{}
	expired         atomic.Bool
	release         func() // when nobody uses the limit any more
}

// limits are those that are free.
type timeoutPool struct{ pool sync.Pool }

// start returns a limit that is over after the timeout, for a context that has no end.
func (p *timeoutPool) get(ctx context.Context, timeout time.Duration) *timeoutContext {
	t, _ := p.pool.Get().(*timeoutContext)
	if t == nil {
		t = p.newContext()
	}
	t.Context = ctx
	t.timer.Reset(timeout)
	return t
}

func (p *timeoutPool) newContext() *timeoutContext {
	t := &timeoutContext{done: make(chan struct{})}
	t.timer = time.AfterFunc(time.Hour, func() {
		t.expired.Store(true)
		close(t.done)
	})
	t.release = func() {
		if t.timer.Stop() { // it is not over, so nobody was left behind with it
			t.Context = context.Background()
			p.pool.Put(t)
		}
	}
	return t
}

// Done implements [context.Context].
func (t *timeoutContext) Done() <-chan struct{} { return t.done }

// Err implements [context.Context].
func (t *timeoutContext) Err() error {
	if t.expired.Load() {
		return context.DeadlineExceeded
	}
	return nil
}
