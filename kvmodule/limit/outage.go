package limit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/memory"
)

// Outage says how a limiter decides when the store cannot answer: after a time-out, a failed request or a lost answer.
//
// After a time-out, later decisions follow Outage immediately. At most one call per second waits for
// the store again, for up to Config.Timeout.
type Outage int

// The outage modes.
const (
	// Fail returns an error that is adaptor.ErrStoreOperationFailed, with its cause.
	Fail Outage = iota
	// Open allows every call.
	Open
	// Closed refuses every call.
	Closed
	// Local counts in this process until the store answers again. Keys start with whole bursts.
	Local
)

// probePause is the time between two calls that wait for a store which did not answer in time.
const probePause = time.Second

// An outage is the state of the connection to the store.
type outage struct {
	epoch time.Time
	// probe is 0 if the store answers, or else the time after epoch when the next call may ask it.
	probe atomic.Int64
	cause atomic.Pointer[error]              // of the last time-out
	local atomic.Pointer[driver.AtomicStore] // counts for Local; nil if the store answers
}

// call asks the store, for at most timeout.
func (l *Limiter) call(ctx context.Context, key string, c driver.LimitCall, timeout time.Duration) (driver.Limited, error) {
	if l.instant != nil {
		res, err := l.instant.Limit(ctx, key, l.limits, c)
		if err != nil {
			res, err = driver.Limit(ctx, l.store, key, l.limits, c)
		}
		if err == nil && l.outage.local.Load() != nil {
			l.outage.local.Store(nil)
		}
		return res, err
	}
	if err := l.outage.enter(); err != nil {
		return driver.Limited{}, err
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	res, err := driver.Limit(limited, l.store, key, l.limits, c)
	switch {
	case err == nil || errors.Is(err, driver.ErrInvalidValue):
		l.outage.end()
	case limited.Err() != nil && ctx.Err() == nil && timeout > l.config.Timeout/2: // less is no evidence
		l.outage.begin(err)
	}
	return res, err
}

// enter returns an error if the store did not answer in time, and it is not yet time to ask again.
func (o *outage) enter() error {
	probe := o.probe.Load()
	if probe == 0 {
		return nil
	}
	now := int64(time.Since(o.epoch))
	if now >= probe && o.probe.CompareAndSwap(probe, now+int64(probePause)) {
		return nil
	}
	err := errNotAsked
	if cause := o.cause.Load(); cause != nil {
		err = driver.Reason(errors.Join(errNotAsked, &appliedError{*cause}), driver.ReasonOf(errNotAsked))
	}
	return err
}

var errNotAsked = driver.Reason(errors.New("limit: the store was not asked"),
	"the store did not answer within limit.Config.Timeout a moment ago, and is asked once per second until it does")

func (o *outage) begin(cause error) {
	o.cause.Store(&cause)
	o.probe.Store(max(1, int64(time.Since(o.epoch)+probePause)))
}

func (o *outage) end() {
	if o.probe.Load() != 0 {
		o.probe.Store(0)
	}
	if o.local.Load() != nil {
		o.local.Store(nil)
	}
}

// decideWithout decides a call that failed. If the caller's context ended, or if the stored value is not a limiter's, it
// returns the error.
func (l *Limiter) decideWithout(ctx context.Context, op, key string, c driver.LimitCall, cause error) (verdict, error) {
	if ended := ctx.Err(); ended != nil {
		if !errors.Is(cause, ended) {
			cause = errors.Join(ended, cause)
		}
		return verdict{}, l.fail(op, key, cause)
	}
	if errors.Is(cause, driver.ErrInvalidValue) {
		return verdict{}, l.fail(op, key, cause)
	}
	switch l.config.OnOutage {
	case Open:
		res := l.limits.Result(make([]driver.Span, len(l.rates)), c, c.Take, 1)
		v := l.verdict(res)
		v.Allowed, v.RetryAfter, v.Degraded = true, 0, true
		return v, nil
	case Closed:
		retry := probePause
		if probe := l.outage.probe.Load(); probe > 0 {
			retry = max(time.Duration(probe)-time.Since(l.outage.epoch), time.Millisecond)
		}
		i := l.tightest()
		return verdict{Decision{Limit: l.rates[i].Burst, RetryAfter: retry, ResetIn: retry, Degraded: true}, i}, nil
	case Local:
		res, err := l.countLocally(ctx, key, c)
		if err != nil {
			return verdict{}, l.fail(op, key, errors.Join(cause, err))
		}
		v := l.verdict(res)
		v.Degraded = true
		return v, nil
	}
	return verdict{}, l.fail(op, key, cause)
}

// tightest returns the index of the rate with the smallest burst.
func (l *Limiter) tightest() (index int) {
	for i := range l.rates {
		if l.rates[i].Burst < l.rates[index].Burst {
			index = i
		}
	}
	return index
}

// countLocally decides in this process.
func (l *Limiter) countLocally(ctx context.Context, key string, c driver.LimitCall) (driver.Limited, error) {
	s := l.outage.local.Load()
	if s == nil {
		kv, err := memory.New(memory.Config{})
		if err != nil {
			return driver.Limited{}, err
		}
		fresh, err := adaptor.Driver(kv).OpenAtomic([]string{"limit"})
		if err != nil {
			return driver.Limited{}, err
		}
		if s = &fresh; !l.outage.local.CompareAndSwap(nil, s) {
			if other := l.outage.local.Load(); other != nil {
				s = other
			}
		}
	}
	return driver.Limit(ctx, *s, key, l.limits, c)
}
