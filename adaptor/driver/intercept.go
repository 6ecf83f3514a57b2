package driver

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Intercept returns an opener of the same stores as o, with every operation passed through i. Every optional
// interface of a store works through it; if the store lacks one, the operation uses the fallback of the front
// inside the same [Call]. The result implements [Wrapper].
//
// If o or i is nil, opening a store fails.
func Intercept(o AtomicOpener, i Interceptor) AtomicOpener {
	return &interceptor{o, i}
}

type interceptor struct {
	inner     AtomicOpener
	intercept Interceptor
}

// Inner implements [Wrapper].
func (o *interceptor) Inner(path []string) (AtomicOpener, []string) { return o.inner, path }

// OpenAtomic implements [AtomicOpener].
func (o *interceptor) OpenAtomic(path []string) (AtomicStore, error) {
	switch {
	case o.inner == nil:
		return nil, errNoOpener
	case o.intercept == nil:
		return nil, errNoInterceptor
	}
	inner, err := o.inner.OpenAtomic(path)
	if err != nil {
		return nil, err
	}
	if inner == nil {
		return nil, errNoStore
	}
	_, whole := Innermost(o.inner, path)
	return &interceptedStore{inner: inner, intercept: o.intercept, whole: whole, opener: o, at: path}, nil
}

var (
	errNoOpener      = Reason(errors.New("kv: no opener"), "Intercept needs an opener, got nil")
	errNoInterceptor = Reason(errors.New("kv: no interceptor"), "Intercept needs an interceptor, got nil")
)

// interceptedStore is a store of an interceptor.
type interceptedStore struct {
	inner     AtomicStore
	intercept Interceptor
	whole     []string // the path from the backend
	opener    *interceptor
	at        []string // the path in opener
}

var (
	_ AtomicStore = (*interceptedStore)(nil)
	_ Batch       = (*interceptedStore)(nil)
	_ Clearer     = (*interceptedStore)(nil)
	_ Counter     = (*interceptedStore)(nil)
	_ GetExpirer  = (*interceptedStore)(nil)
	_ Limiter     = (*interceptedStore)(nil)
	_ Persister   = (*interceptedStore)(nil)
	_ Pinger      = (*interceptedStore)(nil)
	_ Scanner     = (*interceptedStore)(nil)
	_ Taker       = (*interceptedStore)(nil)
	_ Wrapper     = (*interceptor)(nil)
)

var calls = sync.Pool{New: func() any {
	c := new(Call)
	c.self = c
	return c
}}

// begin returns a Call with all public fields set. An operation sets the private fields that it uses.
func (s *interceptedStore) begin(o op, key string) *Call {
	c := calls.Get().(*Call)
	if len(s.whole) == 1 {
		c.first[0], c.Path = s.whole[0], c.first[:]
	} else {
		c.path = append(c.path[:0], s.whole...)
		c.Path = c.path
	}
	c.Method, c.Key, c.Keys = methods[o], key, nil
	c.Found, c.Applied, c.Count, c.BytesIn, c.BytesOut = false, false, 0, 0, 0
	c.op, c.store, c.key, c.state, c.err = o, s, key, callReady, nil
	return c
}

// release makes c invalid and puts it into the pool.
func (c *Call) release() {
	c.state = callEnded
	calls.Put(c)
}

// releaseValues releases c without the values, which the backend or the caller owns.
func (c *Call) releaseValues() {
	c.old, c.value = nil, nil
	c.release()
}

// fail returns the error of an operation that fails after its interceptor has returned err, and makes c
// invalid.
func (c *Call) fail(err error) error {
	err = c.failure(err)
	c.invalidate()
	return err
}

// invalidate makes c invalid. A Call whose Next was not called, or has not returned, may still be in use in
// another goroutine, so it does not return to the pool.
func (c *Call) invalidate() {
	switch c.state {
	case callReady:
		c.state = callEnded
	case callSkipped, callDone:
		c.yield, c.keys, c.values, c.got, c.errs = nil, nil, nil, nil, nil
		c.releaseValues()
	}
}

// Get implements [Store].
func (s *interceptedStore) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	return s.readValue(ctx, s.begin(opGet, key))
}

// readValue runs an operation that returns a value.
func (s *interceptedStore) readValue(ctx context.Context, c *Call) (value []byte, found bool, err error) {
	if err = s.intercept(ctx, c); c.failed(err) {
		return nil, false, c.fail(err)
	}
	value, found = c.value, c.done
	c.releaseValues()
	return value, found, nil
}

// Has implements [Store]. It contains the body of begin, because a call of begin would cost as much as 5 % of a
// Has in memory.
func (s *interceptedStore) Has(ctx context.Context, key string) (bool, error) {
	c := calls.Get().(*Call)
	if len(s.whole) == 1 {
		c.first[0], c.Path = s.whole[0], c.first[:]
	} else {
		c.path = append(c.path[:0], s.whole...)
		c.Path = c.path
	}
	c.Method, c.Key, c.Keys = "Has", key, nil
	c.Found, c.Applied, c.Count, c.BytesIn, c.BytesOut = false, false, 0, 0, 0
	c.op, c.store, c.key, c.state, c.err = opHas, s, key, callReady, nil
	if err := s.intercept(ctx, c); c.failed(err) {
		return false, c.fail(err)
	}
	found := c.done
	c.release()
	return found, nil
}

// TTL implements [Store].
func (s *interceptedStore) TTL(ctx context.Context, key string) (left time.Duration, found bool, err error) {
	c := s.begin(opTTL, key)
	if err = s.intercept(ctx, c); c.failed(err) {
		return 0, false, c.fail(err)
	}
	left, found = c.left, c.done
	c.release()
	return left, found, nil
}

// Set implements [Store].
func (s *interceptedStore) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	c := s.begin(opSet, key)
	c.BytesIn, c.value, c.ttl = len(value), value, ttl
	_, err := s.report(ctx, c)
	return err
}

// report runs an operation that returns a bool or nothing.
func (s *interceptedStore) report(ctx context.Context, c *Call) (done bool, err error) {
	if err = s.intercept(ctx, c); c.failed(err) {
		return false, c.fail(err)
	}
	done = c.done
	c.releaseValues()
	return done, nil
}

// Del implements [Store].
func (s *interceptedStore) Del(ctx context.Context, key string) error {
	_, err := s.report(ctx, s.begin(opDel, key))
	return err
}

// Expire implements [Store].
func (s *interceptedStore) Expire(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	c := s.begin(opExpire, key)
	c.ttl = ttl
	return s.report(ctx, c)
}

// Persist implements [Persister].
func (s *interceptedStore) Persist(ctx context.Context, key string) (bool, error) {
	return s.report(ctx, s.begin(opPersist, key))
}

// Incr implements [AtomicStore].
func (s *interceptedStore) Incr(ctx context.Context, key string, by int64, ttl time.Duration) (sum int64, left time.Duration, err error) {
	return s.add(ctx, s.begin(opIncr, key), by, ttl)
}

// Count implements [Counter].
func (s *interceptedStore) Count(ctx context.Context, key string, by int64, ttl time.Duration) (sum int64, err error) {
	sum, _, err = s.add(ctx, s.begin(opCount, key), by, ttl)
	return sum, err
}

// add runs Incr or Count.
func (s *interceptedStore) add(ctx context.Context, c *Call, by int64, ttl time.Duration) (sum int64, left time.Duration, err error) {
	c.by, c.ttl = by, ttl
	if err = s.intercept(ctx, c); c.failed(err) {
		return 0, 0, c.fail(err)
	}
	sum, left = c.sum, c.left
	c.release()
	return sum, left, nil
}

// SetNX implements [AtomicStore].
func (s *interceptedStore) SetNX(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	c := s.begin(opSetNX, key)
	c.BytesIn, c.value, c.ttl = len(value), value, ttl
	return s.report(ctx, c)
}

// CompareAndSwap implements [AtomicStore].
func (s *interceptedStore) CompareAndSwap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	c := s.begin(opCompareAndSwap, key)
	c.BytesIn, c.old, c.value, c.ttl = len(new), old, new, ttl
	return s.report(ctx, c)
}

// CompareAndDelete implements [AtomicStore].
func (s *interceptedStore) CompareAndDelete(ctx context.Context, key string, old []byte) (bool, error) {
	c := s.begin(opCompareAndDelete, key)
	c.old = old
	return s.report(ctx, c)
}

// GetDel implements [Taker].
func (s *interceptedStore) GetDel(ctx context.Context, key string) (value []byte, found bool, err error) {
	return s.readValue(ctx, s.begin(opGetDel, key))
}

// GetExpire implements [GetExpirer].
func (s *interceptedStore) GetExpire(ctx context.Context, key string, ttl time.Duration) (value []byte, found bool, err error) {
	c := s.begin(opGetExpire, key)
	c.ttl = ttl
	return s.readValue(ctx, c)
}

// Swap implements [Taker].
func (s *interceptedStore) Swap(ctx context.Context, key string, value []byte, ttl time.Duration) (old []byte, found bool, err error) {
	c := s.begin(opSwap, key)
	c.BytesIn, c.value, c.ttl = len(value), value, ttl
	return s.readValue(ctx, c)
}

// Keys implements [Scanner].
func (s *interceptedStore) Keys(ctx context.Context, below bool, yield func(path []string, key string) bool) error {
	o := opKeys
	if below {
		o = opTree
	}
	c := s.begin(o, "")
	c.yield = yield
	if err := s.intercept(ctx, c); c.failed(err) {
		return c.fail(err)
	}
	c.yield = nil
	c.release()
	return nil
}

// Clear implements [Clearer].
func (s *interceptedStore) Clear(ctx context.Context, below bool) error {
	o := opClear
	if below {
		o = opClearTree
	}
	_, err := s.report(ctx, s.begin(o, ""))
	return err
}

// Ping implements [Pinger].
func (s *interceptedStore) Ping(ctx context.Context) error {
	_, err := s.report(ctx, s.begin(opPing, ""))
	return err
}

// Limit implements [Limiter].
func (s *interceptedStore) Limit(ctx context.Context, key string, l *Limits, call LimitCall) (res Limited, err error) {
	o := opLimit
	if call.Take == 0 && call.Give == 0 && !call.Reset {
		o = opLimitLook
	}
	c := s.begin(o, key)
	c.limits, c.limitCall = l, call
	if err = s.intercept(ctx, c); c.failed(err) {
		return res, c.fail(err)
	}
	res = c.limited
	c.release()
	return res, nil
}

// GetMany implements [Batch].
func (s *interceptedStore) GetMany(ctx context.Context, keys []string) []Got {
	c := s.beginMany(opGetMany, keys)
	err := s.intercept(ctx, c)
	ran, own, failure := c.batchOutcome(err)
	var got []Got
	if ran {
		got = c.got
	} else {
		got = slices.Repeat([]Got{{Err: failure}}, len(keys))
	}
	c.invalidate()
	for i := range got {
		if !own && got[i].Err == nil {
			got[i] = Got{Err: failure}
		}
		got[i].Err = final(got[i].Err)
	}
	return got
}

// SetMany implements [Batch].
func (s *interceptedStore) SetMany(ctx context.Context, keys []string, values [][]byte, ttl time.Duration) []error {
	c := s.beginMany(opSetMany, keys)
	for _, value := range values {
		c.BytesIn += len(value)
	}
	c.values, c.ttl = values, ttl
	return s.writeMany(ctx, c)
}

// DelMany implements [Batch].
func (s *interceptedStore) DelMany(ctx context.Context, keys []string) []error {
	return s.writeMany(ctx, s.beginMany(opDelMany, keys))
}

func (s *interceptedStore) beginMany(o op, keys []string) *Call {
	c := s.begin(o, "")
	c.Keys, c.keys = slices.Clone(keys), keys
	return c
}

// writeMany runs SetMany or DelMany and returns the errors of the keys, or nil if no key failed.
func (s *interceptedStore) writeMany(ctx context.Context, c *Call) []error {
	n := len(c.keys)
	err := s.intercept(ctx, c)
	ran, own, failure := c.batchOutcome(err)
	var errs []error
	if ran {
		errs = c.errs
	}
	if errs == nil && !own {
		errs = make([]error, n)
	}
	c.invalidate()
	for i := range errs {
		if !own && errs[i] == nil {
			errs[i] = failure
		}
		errs[i] = final(errs[i])
	}
	return errs
}

// batchOutcome decides about a batch whose interceptor has returned err. ran reports whether Next has run the
// batch. own reports whether each key keeps its own result; otherwise each key without an error fails with
// failure.
func (c *Call) batchOutcome(err error) (ran, own bool, failure error) {
	ran = c.state == callDone
	if ran && (err == nil || c.err != nil && errors.Is(err, c.err)) {
		return true, true, nil
	}
	failure = c.failure(err)
	if ran {
		failure = c.unknown(failure) // the keys without an error were written
	}
	return ran, false, failure
}
