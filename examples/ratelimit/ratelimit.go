// Package ratelimit limits how many requests a client may make in a minute.
package ratelimit

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// window is the default length of a window. See [RateLimiter.WithWindow].
const window = time.Minute

// RateLimiter counts requests in fixed windows of 60 seconds (see WithWindow). A client's window begins
// with its first request. The first request after the end begins the next window. Around the border of
// two windows, twice the limit can therefore pass within a short time.
//
// [NewRateLimiter] makes a RateLimiter. Goroutines may use it concurrently, and processes may share its
// store.
type RateLimiter struct {
	store  *adaptor.AtomicKVStore
	window time.Duration
}

// NewRateLimiter returns a RateLimiter that counts in the namespace "ratelimit" of kv. It returns the
// error of kv.Namespace, if any.
func NewRateLimiter(kv adaptor.AtomicKVAdaptor) (*RateLimiter, error) {
	store, err := kv.Namespace("ratelimit")
	if err != nil {
		return nil, err
	}
	return &RateLimiter{store, window}, nil
}

// WithWindow returns a RateLimiter with the same counters and windows of the given length. A window that
// has begun keeps its end. If window is not positive, each CheckLimit returns adaptor.ErrInvalidTTL.
func (r *RateLimiter) WithWindow(window time.Duration) *RateLimiter {
	return &RateLimiter{r.store, window}
}

// Decision is the result of [RateLimiter.CheckLimit].
type Decision struct {
	Allowed   bool          // the request may pass
	Remaining int64         // requests that may still pass in this window; never negative
	ResetIn   time.Duration // time until the window ends; always positive
}

// CheckLimit counts a request of clientID and allows the first limit requests of each window. It also
// counts refused requests, which never move the end of the window. A limit of 0 or less allows nothing.
//
// CheckLimit returns adaptor.ErrStoreOperationFailed if the store failed or ctx has ended. The caller
// then decides whether the request passes.
//
// CheckLimit repairs a counter that another program has written. A counter without a deadline gets a
// whole window. A new counter replaces a value that is not a counter.
func (r *RateLimiter) CheckLimit(ctx context.Context, clientID string, limit int64) (Decision, error) {
	key := "req:" + clientID
	count, left, err := r.store.IncrTTL(ctx, key, 1, adaptor.WithTTL(r.window))
	if errors.Is(err, adaptor.ErrInvalidValue) {
		count, left, err = r.restart(ctx, key)
	}
	if err == nil && left == 0 { // without a deadline, the counter would refuse its client forever
		left = r.window
		_, err = r.store.Expire(ctx, key, left)
	}
	if err != nil {
		return Decision{}, err
	}
	if count > limit {
		return Decision{ResetIn: left}, nil
	}
	return Decision{Allowed: true, Remaining: limit - count, ResetIn: left}, nil
}

// restart replaces a value that is not a counter by a counter of one request. If another call was
// faster, the requests that it has counted are added again.
func (r *RateLimiter) restart(ctx context.Context, key string) (count int64, left time.Duration, err error) {
	old, _, err := r.store.Swap(ctx, key, 1, adaptor.WithTTL(r.window))
	if errors.Is(err, adaptor.ErrInvalidValue) { // the server cannot read it as text: a list, for example
		err = r.store.Set(ctx, key, 1, adaptor.WithTTL(r.window))
	}
	if err != nil {
		return 0, 0, err
	}
	counted, err := strconv.ParseInt(string(old), 10, 64)
	if err != nil {
		return 1, r.window, nil
	}
	return r.store.IncrTTL(ctx, key, counted, adaptor.WithTTL(r.window))
}
