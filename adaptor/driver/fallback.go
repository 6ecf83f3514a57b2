package driver

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"
)

// GetMany reads many keys by [Batch], or else by Get for each key. It returns one result per key.
func GetMany(ctx context.Context, s Store, keys []string) []Got {
	if b, ok := s.(Batch); ok && len(keys) > 0 {
		got := b.GetMany(ctx, keys)
		if len(got) != len(keys) {
			return slices.Repeat([]Got{{Err: errBatchLength}}, len(keys))
		}
		if slices.ContainsFunc(got, func(g Got) bool { return !unavailable(g.Err) }) {
			return got
		}
	}
	got := make([]Got, len(keys))
	for i, key := range keys {
		g := &got[i]
		if g.Err = ctx.Err(); g.Err == nil {
			g.Value, g.Found, g.Err = s.Get(ctx, key)
		}
	}
	return got
}

// SetMany stores many entries by [Batch], or else by Set for each entry. It returns one error per key, or
// nil if no key failed. The backend owns each value, the caller owns the slices.
func SetMany(ctx context.Context, s Store, keys []string, values [][]byte, ttl time.Duration) []error {
	if b, ok := s.(Batch); ok && len(keys) > 0 {
		if errs, done := batchErrors(b.SetMany(ctx, keys, values, ttl), len(keys)); done {
			return errs
		}
	}
	return each(ctx, keys, func(i int) error { return s.Set(ctx, keys[i], values[i], ttl) })
}

// DelMany deletes many keys by [Batch], or else by Del for each key. It returns errors as SetMany does.
func DelMany(ctx context.Context, s Store, keys []string) []error {
	if b, ok := s.(Batch); ok && len(keys) > 0 {
		if errs, done := batchErrors(b.DelMany(ctx, keys), len(keys)); done {
			return errs
		}
	}
	return each(ctx, keys, func(i int) error { return s.Del(ctx, keys[i]) })
}

// batchErrors returns the errors of a Batch that wrote n keys. done is false if the Batch is not available.
func batchErrors(errs []error, n int) (_ []error, done bool) {
	switch {
	case len(errs) == 0:
		return nil, true
	case len(errs) != n:
		return slices.Repeat([]error{Unknown(errBatchLength)}, n), true
	}
	return errs, slices.ContainsFunc(errs, func(err error) bool { return !unavailable(err) })
}

// each calls f for each key until ctx is done.
func each(ctx context.Context, keys []string, f func(i int) error) []error {
	var errs []error
	for i := range keys {
		err := ctx.Err()
		if err == nil {
			err = f(i)
		}
		if err != nil {
			if errs == nil {
				errs = make([]error, len(keys))
			}
			errs[i] = err
		}
	}
	return errs
}

// Count adds by to the integer at key by [Counter], or else by Incr.
func Count(ctx context.Context, s AtomicStore, key string, by int64, ttl time.Duration) (sum int64, err error) {
	if c, ok := s.(Counter); ok {
		if sum, err = c.Count(ctx, key, by, ttl); !unavailable(err) {
			return sum, err
		}
	}
	sum, _, err = s.Incr(ctx, key, by, ttl)
	return sum, err
}

// mostTries limits how often an operation of two steps is repeated because another caller changed the key
// between them.
const mostTries = 10_000

// GetDel removes key and returns its value by [Taker], or else by Get and CompareAndDelete.
func GetDel(ctx context.Context, s AtomicStore, key string) (value []byte, found bool, err error) {
	if t, ok := s.(Taker); ok {
		if value, found, err = t.GetDel(ctx, key); !unavailable(err) {
			return value, found, err
		}
	}
	for range mostTries {
		value, found, err = s.Get(ctx, key)
		if err != nil || !found {
			return nil, false, err
		}
		deleted, err := s.CompareAndDelete(ctx, key, bytes.Clone(value))
		if err != nil {
			return nil, false, err
		}
		if deleted {
			return value, true, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
	}
	return nil, false, errContended
}

// Swap stores value at key and returns the previous value by [Taker], or else by Get and CompareAndSwap or
// SetNX. ttl may be KeepTTL. The backend owns value.
func Swap(ctx context.Context, s AtomicStore, key string, value []byte, ttl time.Duration) (old []byte, found bool, err error) {
	if t, ok := s.(Taker); ok {
		if old, found, err = t.Swap(ctx, key, value, ttl); !unavailable(err) {
			return old, found, err
		}
	}
	for range mostTries {
		old, found, err = s.Get(ctx, key)
		if err != nil {
			return nil, false, err
		}
		var done bool
		if found {
			done, err = s.CompareAndSwap(ctx, key, bytes.Clone(old), bytes.Clone(value), ttl)
		} else {
			done, err = s.SetNX(ctx, key, bytes.Clone(value), max(ttl, NoTTL)) // a new entry has no deadline to keep
		}
		if err != nil {
			return nil, false, err
		}
		if done {
			return old, found, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
	}
	return nil, false, errContended
}

// GetExpire returns the value at key and sets its deadline by [GetExpirer], or else by Get and CompareAndSwap. It
// returns a placeholder as Get does, and leaves its deadline unchanged.
func GetExpire(ctx context.Context, s AtomicStore, key string, ttl time.Duration) (value []byte, found bool, err error) {
	if g, ok := s.(GetExpirer); ok {
		if value, found, err = g.GetExpire(ctx, key, ttl); !unavailable(err) {
			return value, found, err
		}
	}
	for range mostTries {
		value, found, err = s.Get(ctx, key)
		if err != nil || !found {
			return nil, false, err
		}
		if IsPlaceholder(value) {
			return value, true, nil
		}
		done, err := s.CompareAndSwap(ctx, key, bytes.Clone(value), bytes.Clone(value), ttl)
		if err != nil {
			return nil, false, err
		}
		if done {
			return value, true, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
	}
	return nil, false, errContended
}

// Persist removes the deadline of key by [Persister]. Without it, Persist returns an error that is
// [errors.ErrUnsupported].
func Persist(ctx context.Context, s Store, key string) (bool, error) {
	if p, ok := s.(Persister); ok {
		if found, err := p.Persist(ctx, key); !unavailable(err) {
			return found, err
		}
	}
	return false, errCannotPersist
}

// Keys lists keys by [Scanner]. Without it, Keys returns an error that is [errors.ErrUnsupported]. If ctx
// ends, Keys stops before the next key and returns the context's error. After yield has returned false, Keys
// returns nil.
func Keys(ctx context.Context, s Store, below bool, yield func(path []string, key string) bool) error {
	scanner, ok := s.(Scanner)
	if !ok {
		return errCannotList
	}
	var ended error // the context's
	more := true
	err := scanner.Keys(ctx, below, func(path []string, key string) bool {
		if more {
			if ended = ctx.Err(); ended != nil {
				more = false
			} else {
				more = yield(path, key)
			}
		}
		return more
	})
	switch {
	case ended != nil:
		return ended
	case !more:
		return nil
	case unavailable(err):
		return errCannotList
	}
	return err
}

// clearBatch is how many keys Clear deletes together.
const clearBatch = 500

// Clear removes the keys of store by [Clearer], or else by [Scanner] and deletes. path is the path at which
// opener opened store; Clear opens the namespaces below through opener. Pass Plain(o) for an AtomicOpener o.
// If some keys were removed, or may have been removed, before an error, [Unknown] marks the error.
func Clear(ctx context.Context, opener Opener, path []string, store Store, below bool) error {
	if c, ok := store.(Clearer); ok {
		if err := c.Clear(ctx, below); !unavailable(err) {
			return err
		}
	}
	var (
		keys  []string
		of    []string // the path of keys
		began bool
		err   error
	)
	flush := func() {
		if len(keys) == 0 || err != nil {
			return
		}
		target := store
		if len(of) > 0 {
			if target, err = opener.Open(slices.Concat(path, of)); err == nil && target == nil {
				err = errNoStore
			}
			if err != nil {
				return
			}
		}
		errs := DelMany(ctx, target, keys)
		removed := func(err error) bool { return err == nil || IsUnknown(err) }
		began = began || errs == nil || slices.ContainsFunc(errs, removed)
		for _, failed := range errs {
			if err == nil {
				err = failed
			}
		}
		keys = keys[:0]
	}
	scanErr := Keys(ctx, store, below, func(at []string, key string) bool {
		if len(keys) == clearBatch || !slices.Equal(at, of) {
			flush()
			of = at
		}
		keys = append(keys, key)
		return err == nil
	})
	flush()
	if err == nil {
		err = scanErr
	}
	if began {
		err = Unknown(err)
	}
	return err
}

// Plain returns an Opener of the stores of o, without their atomic operations.
func Plain(o AtomicOpener) Opener { return plainOpener{o} }

type plainOpener struct{ atomic AtomicOpener }

func (o plainOpener) Open(path []string) (Store, error) { return o.atomic.OpenAtomic(path) }

// Inner implements [Wrapper].
func (o plainOpener) Inner(path []string) (AtomicOpener, []string) { return o.atomic, path }

// Ping checks whether the backend of s answers, by [Pinger], or else by Has of the empty key.
func Ping(ctx context.Context, s Store) error {
	if p, ok := s.(Pinger); ok {
		if err := p.Ping(ctx); !unavailable(err) {
			return err
		}
	}
	_, err := s.Has(ctx, "")
	return err
}

// unavailable reports whether err says that an optional method is not available. A write that may have
// happened is never repeated, and an interceptor's refusal is final.
func unavailable(err error) bool {
	if err == nil || !errors.Is(err, errors.ErrUnsupported) || IsUnknown(err) {
		return false
	}
	var f *finalError
	return !errors.As(err, &f)
}

// finalError is an errors.ErrUnsupported after which no fallback is tried.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// final returns err marked so that no fallback is tried.
func final(err error) error {
	if !unavailable(err) {
		return err
	}
	return &finalError{err}
}

var (
	errBatchLength   = Reason(errors.New("kv: wrong number of results"), "the backend returned results for another number of keys")
	errCannotList    = Reason(errors.ErrUnsupported, "the backend can't list keys")
	errCannotPersist = Reason(errors.ErrUnsupported, "the backend can't remove a deadline")
	errNoStore       = Reason(errors.New("kv: no store"), "the backend opened no store (nil)")
	errContended     = Reason(errors.New("kv: too many concurrent writes"),
		"other callers changed the key 10,000 times between read and write, or Get and SetNX of the backend disagree")
)
