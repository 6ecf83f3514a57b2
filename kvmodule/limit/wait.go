package limit

import (
	"context"
	"time"
)

// Wait waits until one event of key is allowed, and takes it. It returns immediately, with an error that wraps
// [context.DeadlineExceeded], if ctx ends before an event can be allowed. A Wait that gives up takes nothing.
func (l *Limiter) Wait(ctx context.Context, key string) error {
	for {
		v, err := l.allow(ctx, opWait, key, 1)
		if err != nil || v.Allowed {
			return err
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= v.RetryAfter {
			return l.fail(opWait, key, context.DeadlineExceeded)
		}
		timer := time.NewTimer(v.RetryAfter)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return l.fail(opWait, key, ctx.Err())
		}
	}
}
