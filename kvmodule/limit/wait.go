package limit

import (
	"context"
	"sync"
	"time"
)

// Wait waits until one event of key is allowed, and takes it. It returns immediately, with an error that wraps
// [context.DeadlineExceeded], if ctx ends before an event can be allowed. A Wait that gives up takes nothing.
//
// Waiting calls of the same key in this process take turns, so that only one of them asks the store when an event is due.
func (l *Limiter) Wait(ctx context.Context, key string) error {
	for hasTurn := false; ; {
		v, err := l.allow(ctx, opWait, key, 1)
		if err != nil || v.Allowed {
			return err
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= v.RetryAfter {
			return l.fail(opWait, key, context.DeadlineExceeded)
		}
		if !hasTurn {
			leave, waited, err := l.turns.enter(ctx, key)
			if err != nil {
				return l.fail(opWait, key, err)
			}
			defer leave()
			if hasTurn = true; waited {
				continue
			}
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

// turns lets one waiting call per key proceed.
type turns struct {
	mu    sync.Mutex
	byKey map[string]*turn
}

type turn struct {
	taken chan struct{} // holds one element while a call has the turn
	calls int           // that have the turn or wait for it
}

// enter waits for the turn of key. waited reports whether another call had it. The caller must call leave.
func (ts *turns) enter(ctx context.Context, key string) (leave func(), waited bool, err error) {
	ts.mu.Lock()
	t := ts.byKey[key]
	if t == nil {
		if ts.byKey == nil {
			ts.byKey = map[string]*turn{}
		}
		key = string([]byte(key)) // key may share memory with a request buffer
		t = &turn{taken: make(chan struct{}, 1)}
		ts.byKey[key] = t
	}
	t.calls++
	waited = t.calls > 1
	ts.mu.Unlock()
	drop := func() {
		ts.mu.Lock()
		if t.calls--; t.calls == 0 {
			delete(ts.byKey, key)
		}
		ts.mu.Unlock()
	}
	select {
	case t.taken <- struct{}{}:
		return func() { <-t.taken; drop() }, waited, nil
	case <-ctx.Done():
		drop()
		return nil, waited, ctx.Err()
	}
}
