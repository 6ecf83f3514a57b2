// Package ratelimit limits how often a client may do something in a minute.
package ratelimit

import (
	"context"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// window is how long a window lasts, from the first request in it, unless
// [RateLimiter.WithWindow] says otherwise.
const window = time.Minute

// RateLimiter counts requests in fixed windows of 60 seconds (see WithWindow): a client's window
// begins with its first request, and the first request after its end begins the
// next one. So at the border of two windows twice the limit can pass within a short
// time. It is made by [NewRateLimiter], and may be used by many goroutines, and with
// a store that is shared by many processes, at once.
type RateLimiter struct {
	store  *adaptor.AtomicKVStore
	window time.Duration
}

// NewRateLimiter returns a RateLimiter that counts in the namespace "ratelimit" of
// kv. The error is kv's own.
func NewRateLimiter(kv adaptor.AtomicKVAdaptor) (*RateLimiter, error) {
	store, err := kv.Namespace("ratelimit")
	if err != nil {
		return nil, err
	}
	return &RateLimiter{store, window}, nil
}

// WithWindow returns a RateLimiter with the same counters whose windows last for window
// instead of 60 seconds; one that has begun keeps its end. With a window that is not
// positive each CheckLimit is adaptor.ErrInvalidTTL.
func (r *RateLimiter) WithWindow(window time.Duration) *RateLimiter {
	return &RateLimiter{r.store, window}
}

// Decision is what [RateLimiter.CheckLimit] decided.
type Decision struct {
	Allowed   bool          // the request may pass
	Remaining int64         // how many more may pass in this window; never negative
	ResetIn   time.Duration // until the window ends; positive, at most the window
}

// CheckLimit counts a request of clientID, and allows the first limit requests of
// each window. Refused requests are counted too, but never move the end of the
// window. With a limit of 0 or less none is allowed. The error, on which the caller
// decides whether the request passes, is adaptor.ErrStoreOperationFailed if the
// store failed or ctx has ended.
func (r *RateLimiter) CheckLimit(ctx context.Context, clientID string, limit int64) (Decision, error) {
	count, left, err := r.store.IncrTTL(ctx, "req:"+clientID, 1, adaptor.WithTTL(r.window))
	if err != nil {
		return Decision{}, err
	}
	if count > limit {
		return Decision{ResetIn: left}, nil
	}
	return Decision{Allowed: true, Remaining: limit - count, ResetIn: left}, nil
}
