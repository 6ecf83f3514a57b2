package adaptor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/place"
)

// Typed is a handle on a namespace whose values are all of type T. It is made by [Of],
// is a small value to be copied, may be used by many goroutines at once, and allocates
// nothing beyond what its store does. The zero Typed is valid; all that it does is
// ErrStoreOperationFailed.
//
// To a Typed, a key at which [Typed.GetOrLoad] has left a note (it is loading, or there
// is none) is a missing key, in every method.
type Typed[T any] struct {
	store    *AtomicKVStore
	ttl      Option
	none     Option
	jitter   float64
	unstored func(context.Context, error)
}

// TypedOption is an option of [Of]: a plain value. The zero TypedOption does nothing; of
// two of a kind the last one counts.
type TypedOption struct {
	kind     typedOptionKind
	ttl      Option
	fraction float64
	unstored func(context.Context, error)
}

type typedOptionKind uint8

const (
	typedOptionNothing typedOptionKind = iota
	typedOptionTTL
	typedOptionNoneTTL
	typedOptionJitter
	typedOptionUnstored
)

// DefaultTTL is the time to live of what a handle writes, where the call says neither
// WithTTL nor WithKeepTTL, and where a loader sets none; without it, such entries never
// expire. It is rounded up to whole milliseconds. With a ttl that is not positive, each
// write that would use it is ErrInvalidTTL, and so is [Typed.Err].
func DefaultTTL(ttl time.Duration) TypedOption {
	return TypedOption{kind: typedOptionTTL, ttl: WithTTL(ttl)}
}

// NoneTTL is how long [Typed.GetOrLoad] remembers that there is none, where the loader
// does not say; without it, that is not remembered. It is rounded up to whole
// milliseconds. A ttl that is not positive is ErrInvalidTTL, as with [DefaultTTL].
func NoneTTL(ttl time.Duration) TypedOption {
	return TypedOption{kind: typedOptionNoneTTL, ttl: WithTTL(ttl)}
}

// Jitter makes every time to live that [Typed.GetOrLoad] sets shorter by a random part, up
// to that fraction of it, so that what was loaded together is not loaded anew together:
// with Jitter(0.1), an hour becomes 54 to 60 minutes. It touches no other method. A
// fraction below 0, or not below 1, is ErrInvalidTTL, as with [DefaultTTL].
func Jitter(fraction float64) TypedOption {
	return TypedOption{kind: typedOptionJitter, fraction: fraction}
}

// OnUnstored has report called when what [Typed.GetOrLoad] had loaded was not stored, because
// the store refused it (it is full, read only, cannot be reached): the callers get the value
// without an error, but the next one loads again. It is not called when a write during the
// load has won.
//
// err names the namespace, but no key and no value. It is ErrStoreOperationFailed, and
// [OutcomeUnknown] tells whether the value may be stored all the same; or ErrInvalidValue,
// if the store takes no value like this (one that is too long). ctx is the loader's. report is called once for each such load, for several keys by several goroutines
// at once, before the callers get their value: it must be quick, and what it panics with
// reaches them as a loader's panic does. A nil report is none.
func OnUnstored(report func(ctx context.Context, err error)) TypedOption {
	return TypedOption{kind: typedOptionUnstored, unstored: report}
}

// Of returns a handle on store, which may have others of the same T; handles of
// different types on one namespace are a mistake, which kvmodule.Provide finds. What is
// wrong with store or opts is an error of the calls that it concerns, and of
// [Typed.Err].
func Of[T any](store *AtomicKVStore, opts ...TypedOption) Typed[T] {
	t := Typed[T]{store: store}
	for _, opt := range opts {
		switch opt.kind {
		case typedOptionTTL:
			t.ttl = opt.ttl
		case typedOptionNoneTTL:
			t.none = opt.ttl
		case typedOptionJitter:
			t.jitter = opt.fraction
		case typedOptionUnstored:
			t.unstored = opt.unstored
		}
	}
	return t
}

// Err returns what is wrong with the arguments of [Of]: ErrInvalidTTL for an option,
// ErrStoreOperationFailed for a store that is nil or was not opened; otherwise nil.
func (t Typed[T]) Err() error {
	if t.store == nil || t.store.atomic == nil {
		return t.store.plain().fail(opOf, "", errNoStore)
	}
	return t.check(opOf, "")
}

func (t Typed[T]) check(op, key string) error {
	for _, opt := range [...]Option{t.ttl, t.none} {
		if _, err := t.store.plain().writeTTL(op, key, []Option{opt}, false); err != nil {
			return err
		}
	}
	if !(t.jitter >= 0 && t.jitter < 1) { // nor NaN
		cause := ttlError(fmt.Sprintf("the jitter must be at least 0 and below 1, got %v", t.jitter))
		return failure(op, t.store.plain().pathOf(), key, CodeInvalidTTL, cause)
	}
	return nil
}

// Get returns the value at key; see [Get].
func (t Typed[T]) Get(ctx context.Context, key string) (value T, found bool, err error) {
	return Get[T](ctx, t.store, key)
}

// Set stores value at key, and replaces what was there. Its time to live is that of
// opts, or else that of [DefaultTTL]; WithKeepTTL keeps the deadline of an existing
// value (and then Set reads the key first). ErrInvalidValue: JSON can't hold value.
// ErrInvalidTTL: see [WithTTL] and [DefaultTTL].
func (t Typed[T]) Set(ctx context.Context, key string, value T, opts ...Option) error {
	switch {
	case has(opts, optionKeepTTL):
		if _, err := t.store.plain().writeTTL(opSet, key, opts, true); err != nil {
			return err
		}
		_, err := t.put(ctx, opSet, key, value, driver.NoTTL, true)
		return err
	case has(opts, optionTTL):
		return t.store.Set(ctx, key, value, opts...)
	}
	return t.store.Set(ctx, key, value, t.ttl)
}

// SetNX stores value at key if the key is missing, and reports whether it did. An
// existing value stays as it is, its time to live too. When it does not store at once, it
// reads the key, since there may be a note. ErrInvalidValue and ErrInvalidTTL are as
// with [AtomicKVStore.SetNX]; the default time to live is as with Set.
func (t Typed[T]) SetNX(ctx context.Context, key string, value T, opts ...Option) (stored bool, err error) {
	if has(opts, optionTTL) || has(opts, optionKeepTTL) {
		stored, err = t.store.SetNX(ctx, key, value, opts...)
	} else {
		stored, err = t.store.SetNX(ctx, key, value, t.ttl)
	}
	if stored || err != nil {
		return stored, err
	}
	if !has(opts, optionTTL) {
		opts = []Option{t.ttl}
	}
	ttl, err := t.store.writeTTL(opSetNX, key, opts, false)
	if err != nil {
		return false, err
	}
	return t.put(ctx, opSetNX, key, value, ttl, false)
}

// CompareAndSwap replaces the value at key by new if it is old, and reports whether it
// did. They are compared as JSON text; see [AtomicKVStore.CompareAndSwap]. The time to
// live is that of opts, or else that of [DefaultTTL].
func (t Typed[T]) CompareAndSwap(ctx context.Context, key string, old, new T, opts ...Option) (bool, error) {
	if has(opts, optionTTL) || has(opts, optionKeepTTL) {
		return t.store.CompareAndSwap(ctx, key, old, new, opts...)
	}
	return t.store.CompareAndSwap(ctx, key, old, new, t.ttl)
}

// Del removes key, and the note of GetOrLoad if there is one. A missing key is no error.
func (t Typed[T]) Del(ctx context.Context, key string) error {
	return t.store.Del(ctx, key)
}

// Has reports whether there is a value at key. It reads the value.
func (t Typed[T]) Has(ctx context.Context, key string) (bool, error) {
	text, found, err := t.store.peek(ctx, opHas, key)
	return found && !isPlaceholder(text), err
}

// Expire makes the value at key expire after ttl from now, and reports whether there is
// one. It reads the value, and compares it again when it sets the deadline. A ttl that is not positive is ErrInvalidTTL; it is rounded up
// to whole milliseconds.
func (t Typed[T]) Expire(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	ttl, err := t.store.plain().writeTTL(opExpire, key, []Option{WithTTL(ttl)}, false)
	if err != nil {
		return false, err
	}
	for range mostTries {
		text, found, err := t.store.peek(ctx, opExpire, key)
		if err != nil || !found || isPlaceholder(text) {
			return false, err
		}
		// Only if it is this very value still, and no note.
		done, err := t.store.atomic.CompareAndSwap(ctx, key, text, slices.Clone(text), ttl)
		if err != nil {
			return false, t.store.fail(opExpire, key, err)
		}
		if done {
			return true, nil
		}
	}
	return false, t.store.fail(opExpire, key, errInBetween)
}

// put stores value at a missing key, with ttl. At an existing value it does nothing, or, if
// replace is set, replaces it and keeps its deadline. It reports whether it stored.
func (t Typed[T]) put(ctx context.Context, op, key string, value T, ttl time.Duration, replace bool) (bool, error) {
	for range mostTries {
		old, found, err := t.store.peek(ctx, op, key)
		if err != nil {
			return false, err
		}
		text, err := t.store.encode(op, key, value)
		if err != nil {
			return false, err
		}
		var stored bool
		switch {
		case !found:
			stored, err = t.store.atomic.SetNX(ctx, key, text, ttl)
		case isPlaceholder(old):
			stored, err = t.store.atomic.CompareAndSwap(ctx, key, old, text, ttl)
		case replace:
			stored, err = t.store.atomic.CompareAndSwap(ctx, key, old, text, driver.KeepTTL)
		default:
			return false, nil
		}
		if err != nil {
			return false, t.store.fail(op, key, err)
		}
		if stored {
			return true, nil
		}
		// Somebody was faster: look again.
	}
	return false, t.store.fail(op, key, errInBetween)
}

// peek returns what lies at key, a note as well.
func (s *AtomicKVStore) peek(ctx context.Context, op, key string) (text []byte, found bool, err error) {
	if !s.ready(ctx) {
		return nil, false, s.notReady(ctx, op, key)
	}
	if text, found, err = s.store.Get(ctx, key); err != nil {
		return nil, false, s.fail(op, key, err)
	}
	return text, found, nil
}

func has(opts []Option, kind optionKind) bool {
	for _, opt := range opts {
		if opt.kind == kind {
			return true
		}
	}
	return false
}

func init() {
	place.Of = func(store any) place.Place {
		s, _ := store.(*AtomicKVStore)
		if s == nil {
			return place.Place{}
		}
		return place.Place{Backend: s.opener, Path: s.path}
	}
}
