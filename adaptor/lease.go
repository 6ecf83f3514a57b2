package adaptor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

const (
	// leaseTTL is the time to live of a load's placeholder. If the process dies, the placeholder
	// stays for that long, and the next load takes it over.
	leaseTTL = 5 * time.Minute
	// renewAfter is the time between two renewals of a placeholder. After a failed renewal,
	// renewAgainAfter leaves time for many attempts before the placeholder expires.
	renewAfter      = leaseTTL / 3
	renewAgainAfter = 10 * time.Second
	// storeTimeout ends a step at the store that runs without the context of a caller.
	storeTimeout = 5 * time.Second
)

// lease is the placeholder of a running load. The result of the load may be stored only as long
// as the placeholder is at the key.
type lease struct {
	store *AtomicKVStore
	key   string
	// placeholder is the text at the key. It is "" if the store refused the placeholder.
	placeholder string
	// first is set if this load stored the placeholder, and did not take it over.
	first bool
	// refusal is the store's error for the placeholder. If driver.IsUnknown(refusal), the
	// placeholder may be stored.
	refusal error
}

// errSettled tells fill that there is nothing to load. No user sees it.
var errSettled = errors.New("kv: there is nothing to load")

// acquire stores a placeholder at key, or takes over the placeholder at the key. It returns
// errSettled if there is nothing to load, and an error if the store cannot be read. A store that
// refuses the placeholder is no error: see lease.refusal.
//
// A placeholder at the key belongs to a load of another process, or to a load of this process
// that all callers have left. The two loads share it: either result may be stored, unless a write
// removed the placeholder.
func acquire(ctx context.Context, store *AtomicKVStore, key string) (lease, error) {
	l := lease{store: store, key: key}
	own := newPlaceholder()
	for range mostTries {
		placed, err := store.atomic.SetNX(ctx, key, []byte(own), leaseTTL)
		if placed || err != nil {
			l.first = true
			return l.with(own, err), nil
		}
		text, found, err := store.peek(ctx, opGetOrLoad, key)
		switch {
		case err != nil:
			return l, err
		case settled(text, found):
			return l, errSettled
		case !found:
			continue // it was removed between the two steps
		}
		other := shared(string(text))
		// The swap also gives the placeholder its whole time to live again.
		taken, err := store.atomic.CompareAndSwap(ctx, key, text, []byte(other), leaseTTL)
		if taken || err != nil {
			return l.with(other, err), nil
		}
	}
	return l.with("", errInBetween), nil
}

// with returns l with the store's answer to the write of placeholder.
func (l lease) with(placeholder string, err error) lease {
	if err == nil || driver.IsUnknown(err) {
		l.placeholder = placeholder
	}
	l.refusal = err
	return l
}

// release removes the placeholder unless another load shares it.
func (l lease) release(ctx context.Context) {
	if !l.first || l.placeholder == "" {
		return
	}
	ctx, cancel := outlive(ctx)
	defer cancel()
	_, _ = l.store.atomic.CompareAndDelete(ctx, l.key, []byte(l.placeholder))
}

// settle stores the result of the load if the placeholder is still at the key, and reports whether
// it stored the result. If the store refused the result or the placeholder, settle returns the
// store's error.
func (l lease) settle(ctx context.Context, result []byte, ttl time.Duration) (stored bool, refusal error) {
	if l.placeholder == "" {
		return false, l.refusal
	}
	if stored, err := l.replace(ctx, result, ttl); stored || err != nil {
		return stored, err
	}
	return false, l.refusal
}

// renew gives the placeholder its time to live again at intervals, until the caller calls
// stop. It ends by itself when a write has removed the placeholder. If the store refuses a renewal
// or its answer is lost, renew soon tries again.
func (l lease) renew(ctx context.Context) (stop func()) {
	if l.placeholder == "" {
		return func() {}
	}
	var (
		mu      sync.Mutex
		timer   *time.Timer
		stopped bool
	)
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(renewAfter, func() {
		renewed, err := l.replace(ctx, nil, leaseTTL)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case stopped:
		case err != nil:
			timer.Reset(renewAgainAfter)
		case renewed:
			timer.Reset(renewAfter)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

// replace replaces the placeholder by text, or by itself if text is nil, and reports whether
// the placeholder was at the key. Another load may have begun to share the placeholder, so
// replace tries both forms. It continues when all callers have left.
func (l lease) replace(ctx context.Context, text []byte, ttl time.Duration) (bool, error) {
	ctx, cancel := outlive(ctx)
	defer cancel()
	for _, placeholder := range slices.Compact([]string{l.placeholder, shared(l.placeholder)}) {
		next := slices.Clone(text)
		if text == nil {
			next = []byte(placeholder)
		}
		done, err := l.store.atomic.CompareAndSwap(ctx, l.key, []byte(placeholder), next, ttl)
		if done || err != nil {
			return done, err
		}
	}
	return false, nil
}

// outlive returns a context for a step at the store that must not end with the callers.
func outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
}
