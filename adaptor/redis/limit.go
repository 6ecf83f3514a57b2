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
type limit struct {
	context.Context // the caller's, for its values
	timer           *time.Timer
	over            chan struct{}
	isOver          atomic.Bool
	release         func() // when nobody uses the limit any more
}

// limits are those that are free.
type limits struct{ free sync.Pool }

// start returns a limit that is over after the timeout, for a context that has no end.
func (l *limits) start(ctx context.Context, timeout time.Duration) *limit {
	t, _ := l.free.Get().(*limit)
	if t == nil {
		t = l.make()
	}
	t.Context = ctx
	t.timer.Reset(timeout)
	return t
}

func (l *limits) make() *limit {
	t := &limit{over: make(chan struct{})}
	t.timer = time.AfterFunc(time.Hour, func() {
		t.isOver.Store(true)
		close(t.over)
	})
	t.release = func() {
		if t.timer.Stop() { // it is not over, so nobody was left behind with it
			t.Context = context.Background()
			l.free.Put(t)
		}
	}
	return t
}

// Done implements [context.Context].
func (t *limit) Done() <-chan struct{} { return t.over }

// Err implements [context.Context].
func (t *limit) Err() error {
	if t.isOver.Load() {
		return context.DeadlineExceeded
	}
	return nil
}
