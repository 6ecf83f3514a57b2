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
	if cap(c.path) < len(s.whole) {
		c.path = make([]string, len(s.whole))
	}
	c.path = c.path[:len(s.whole)]
	for i, name := range s.whole {
		c.path[i] = name
	}
	c.Method, c.Path, c.Key, c.Keys = methods[o], c.path, key, nil
	c.Found, c.Applied, c.Count, c.BytesIn, c.BytesOut = false, false, 0, 0, 0
	c.op, c.store, c.key, c.state, c.err = o, s, key, callReady, nil
	return c
}

// run runs the interceptor. It reports whether the operation succeeded.
func (s *interceptedStore) run(ctx context.Context, c *Call) (err error) {
	if err = s.intercept(ctx, c); err != nil || c.state != callDone || c.err != nil {
		return c.failure(err)
	}
	return nil
}

// end makes c invalid and puts it into the pool. A Call whose Next has not returned may still be in use in
// another goroutine, so it is dropped.
func (c *Call) end() {
	switch c.state {
	case callDone, callSkipped:
		c.state = callEnded
		calls.Put(c)
	case callReady:
		c.state = callEnded
	}
}

// Get implements [Store].
func (s *interceptedStore) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	c := s.begin(opGet, key)
	if err = s.run(ctx, c); err == nil {
		value, found = c.value, c.done
	}
	c.endValues()
	return value, found, err
}

// Has implements [Store].
func (s *interceptedStore) Has(ctx context.Context, key string) (found bool, err error) {
	c := s.begin(opHas, key)
	return s.report(ctx, c)
}

// report runs an operation that returns a bool.
func (s *interceptedStore) report(ctx context.Context, c *Call) (done bool, err error) {
	if err = s.run(ctx, c); err == nil {
		done = c.done
	}
	c.end()
	return done, err
}

// TTL implements [Store].
func (s *interceptedStore) TTL(ctx context.Context, key string) (left time.Duration, found bool, err error) {
	c := s.begin(opTTL, key)
	if err = s.run(ctx, c); err == nil {
		left, found = c.left, c.done
	}
	c.end()
	return left, found, err
}

// Set implements [Store].
func (s *interceptedStore) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	c := s.begin(opSet, key)
	c.BytesIn, c.value, c.ttl = len(value), value, ttl
	err := s.run(ctx, c)
	c.endValues()
	return err
}

// Del implements [Store].
func (s *interceptedStore) Del(ctx context.Context, key string) error {
	c := s.begin(opDel, key)
	err := s.run(ctx, c)
	c.end()
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
	c := s.begin(opIncr, key)
	c.by, c.ttl = by, ttl
	if err = s.run(ctx, c); err == nil {
		sum, left = c.sum, c.left
	}
	c.end()
	return sum, left, err
}

// Count implements [Counter].
func (s *interceptedStore) Count(ctx context.Context, key string, by int64, ttl time.Duration) (sum int64, err error) {
	c := s.begin(opCount, key)
	c.by, c.ttl = by, ttl
	if err = s.run(ctx, c); err == nil {
		sum = c.sum
	}
	c.end()
	return sum, err
}

// SetNX implements [AtomicStore].
func (s *interceptedStore) SetNX(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	c := s.begin(opSetNX, key)
	c.BytesIn, c.value, c.ttl = len(value), value, ttl
	return s.reportValues(ctx, c)
}

// reportValues runs an operation that takes values and returns a bool.
func (s *interceptedStore) reportValues(ctx context.Context, c *Call) (done bool, err error) {
	if err = s.run(ctx, c); err == nil {
		done = c.done
	}
	c.endValues()
	return done, err
}

// endValues drops the values, which the backend or the caller owns, and ends c.
func (c *Call) endValues() {
	if c.state != callRunning {
		c.old, c.value = nil, nil
	}
	c.end()
}

// CompareAndSwap implements [AtomicStore].
func (s *interceptedStore) CompareAndSwap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	c := s.begin(opCompareAndSwap, key)
	c.BytesIn, c.old, c.value, c.ttl = len(new), old, new, ttl
	return s.reportValues(ctx, c)
}

// CompareAndDelete implements [AtomicStore].
func (s *interceptedStore) CompareAndDelete(ctx context.Context, key string, old []byte) (bool, error) {
	c := s.begin(opCompareAndDelete, key)
	c.old = old
	return s.reportValues(ctx, c)
}

// GetDel implements [Taker].
func (s *interceptedStore) GetDel(ctx context.Context, key string) (value []byte, found bool, err error) {
	c := s.begin(opGetDel, key)
	if err = s.run(ctx, c); err == nil {
		value, found = c.value, c.done
	}
	c.endValues()
	return value, found, err
}

// Swap implements [Taker].
func (s *interceptedStore) Swap(ctx context.Context, key string, value []byte, ttl time.Duration) (old []byte, found bool, err error) {
	c := s.begin(opSwap, key)
	c.BytesIn, c.value, c.ttl = len(value), value, ttl
	if err = s.run(ctx, c); err == nil {
		old, found = c.value, c.done
	}
	c.endValues()
	return old, found, err
}

// GetMany implements [Batch].
func (s *interceptedStore) GetMany(ctx context.Context, keys []string) []Got {
	c := s.beginMany(opGetMany, keys)
	err := s.intercept(ctx, c)
	var got []Got
	switch {
	case c.keepsResults(err):
		got = c.got
		for i := range got {
			got[i].Err = final(got[i].Err)
		}
	case c.state == callDone:
		got, err = c.got, c.failure(err)
		for i := range got {
			if got[i].Err == nil {
				got[i] = Got{Err: err}
			}
			got[i].Err = final(got[i].Err)
		}
	default:
		got = slices.Repeat([]Got{{Err: c.failure(err)}}, len(keys))
	}
	c.endMany()
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
	var errs []error
	switch {
	case c.keepsResults(err):
		errs = c.errs
	case c.state == callDone:
		if errs = c.errs; errs == nil {
			errs = make([]error, n)
		}
		for i, own := range errs {
			if own == nil {
				errs[i] = c.unknown(err)
			}
		}
	default:
		errs = slices.Repeat([]error{c.failure(err)}, n)
	}
	for i := range errs {
		errs[i] = final(errs[i])
	}
	c.endMany()
	return errs
}

func (c *Call) endMany() {
	if c.state != callRunning {
		c.keys, c.values, c.got, c.errs = nil, nil, nil, nil
	}
	c.end()
}

// Keys implements [Scanner].
func (s *interceptedStore) Keys(ctx context.Context, below bool, yield func(path []string, key string) bool) error {
	c := s.begin(opKeys, "")
	if below {
		c.op, c.Method = opTree, methods[opTree]
	}
	c.yield = yield
	err := s.run(ctx, c)
	if c.state != callRunning {
		c.yield = nil
	}
	c.end()
	return err
}

// Clear implements [Clearer].
func (s *interceptedStore) Clear(ctx context.Context, below bool) error {
	c := s.begin(opClear, "")
	if below {
		c.op, c.Method = opClearTree, methods[opClearTree]
	}
	err := s.run(ctx, c)
	c.end()
	return err
}

// Ping implements [Pinger].
func (s *interceptedStore) Ping(ctx context.Context) error {
	c := s.begin(opPing, "")
	err := s.run(ctx, c)
	c.end()
	return err
}
