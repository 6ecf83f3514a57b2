package redis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A timeoutContext is a reusable context that ends after a timeout. For a parent that never ends, it
// behaves like [context.WithTimeoutCause], in a sixth of the time. A user must not keep it after
// release, because the next user's timeout would end it.
type timeoutContext struct {
	context.Context // the caller's context, for its values
	timer           *time.Timer
	done            chan struct{}
	expired         atomic.Bool
	release         func() // returns the timeoutContext to the pool, unless it has expired
}

// A timeoutPool keeps released timeoutContexts for reuse.
type timeoutPool struct{ pool sync.Pool }

// get returns a timeoutContext that expires after timeout. The context ctx must never end.
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
		if t.timer.Stop() { // not expired, so no goroutine still uses it
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
