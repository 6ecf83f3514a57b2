package adaptor

import (
	"bytes"
	"context"
	"iter"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/namespace"
)

// Typed is a handle on a namespace whose values all have the type T. [Of] returns one.
//
// A Typed is a small value: copy it freely, and use it from many goroutines concurrently. A
// handle allocates nothing beyond the allocations of its store. The zero Typed is valid: each
// operation returns ErrStoreOperationFailed. A nil context is a programming error, and each
// operation returns ErrStoreOperationFailed for it.
//
// Every method treats a placeholder of [Typed.GetOrLoad] as a missing key. Only [Typed.Keys] may
// list such a key.
type Typed[T any] struct{ handle }

// handle is a Typed without its type. It works on JSON text.
type handle struct {
	store       *AtomicKVStore
	ttl         Option // DefaultTTL
	none        Option // NoneTTL
	jitter      float64
	unstored    func(context.Context, error) // nil: no report
	loadTimeout Option                       // LoadTimeout, not rounded
}

// Of returns a handle on store. A namespace may have several handles of the same T. Handles of
// different types on one namespace are a mistake, which kvmodule.Provide finds. If store or opts
// are invalid, [Typed.Err] and the calls that need them return the error.
func Of[T any](store *AtomicKVStore, opts ...TypedOption) Typed[T] {
	h := handle{store: store}
	for _, opt := range opts {
		opt.apply(&h)
	}
	return Typed[T]{h}
}

// Err checks the arguments of [Of]. It returns ErrInvalidTTL for an invalid option, and
// ErrStoreOperationFailed for a store that is nil or was not opened.
func (t Typed[T]) Err() error {
	if t.store == nil || t.store.atomic == nil {
		return t.store.plain().fail(opOf, "", errNoStore)
	}
	return t.check(opOf, "")
}

// Store returns the store below the handle. A plain store sees a placeholder as an entry: see
// [Typed.GetOrLoad].
func (t Typed[T]) Store() *AtomicKVStore { return t.store }

// Get returns the value at key; see [Get].
func (t Typed[T]) Get(ctx context.Context, key string) (value T, found bool, err error) {
	return Get[T](ctx, t.store, key)
}

// GetExpire returns the value at key, and makes it expire after ttl from now; see [GetExpire].
func (t Typed[T]) GetExpire(ctx context.Context, key string, ttl time.Duration) (value T, found bool, err error) {
	return GetExpire[T](ctx, t.store, key, ttl)
}

// Set stores value at key and replaces the previous value. The time to live is WithTTL, or
// else [DefaultTTL]. WithKeepTTL keeps the deadline of an existing value, and Set then reads the
// key first. Set returns ErrInvalidValue if JSON cannot represent value. For ErrInvalidTTL, see
// [WithTTL] and [DefaultTTL].
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

// SetNX stores value at key if the key is missing, and reports whether it stored value. An
// existing value and its deadline stay unchanged. If the key has an entry, SetNX reads it,
// because the entry may be a placeholder. SetNX uses the time to live of Set, and returns the errors of
// [AtomicKVStore.SetNX].
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

// CompareAndSwap replaces the value at key by new if the value is old, and reports whether it
// replaced the value. It compares JSON text; see [AtomicKVStore.CompareAndSwap]. The time to live
// is WithTTL or WithKeepTTL, or else [DefaultTTL].
func (t Typed[T]) CompareAndSwap(ctx context.Context, key string, old, new T, opts ...Option) (bool, error) {
	if has(opts, optionTTL) || has(opts, optionKeepTTL) {
		return t.store.CompareAndSwap(ctx, key, old, new, opts...)
	}
	return t.store.CompareAndSwap(ctx, key, old, new, t.ttl)
}

// Del removes key, also if it has only a placeholder. A missing key is no error.
func (t Typed[T]) Del(ctx context.Context, key string) error {
	return t.store.Del(ctx, key)
}

// Has reports whether there is a value at key. It reads the value.
func (t Typed[T]) Has(ctx context.Context, key string) (bool, error) {
	text, found, err := t.store.peek(ctx, opHas, key)
	return found && !isPlaceholder(text), err
}

// Expire makes the value at key expire after ttl from now, and reports whether there is a value.
// It reads the value, as [Typed.GetExpire] does. Expire rounds ttl up to whole milliseconds, and
// returns ErrInvalidTTL if ttl is not positive.
func (t Typed[T]) Expire(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	_, found, err := t.store.getExpire(ctx, opExpire, key, ttl)
	return found, err
}

// Keys iterates over the keys of the namespace; see [KVStore.Keys]. It reads no value, so it may
// list a key that has only a placeholder.
func (t Typed[T]) Keys(ctx context.Context) iter.Seq2[string, error] { return t.store.Keys(ctx) }

// Clear removes all keys of the namespace, placeholders included; see [KVStore.Clear].
func (t Typed[T]) Clear(ctx context.Context) error { return t.store.Clear(ctx) }

// put encodes value and stores the text; see putText.
func (h handle) put(ctx context.Context, op, key string, value any, ttl time.Duration, replace bool) (bool, error) {
	if !h.store.ready(ctx) {
		return false, h.store.notReady(ctx, op, key)
	}
	text, err := h.store.encode(op, key, value)
	if err != nil {
		return false, err
	}
	return h.putText(ctx, op, key, text, ttl, replace)
}

// putText stores text with ttl if key is missing or has a placeholder. If key has a value, putText
// replaces it and keeps its deadline if replace is set, and does nothing otherwise. It
// reports whether it stored text.
func (h handle) putText(ctx context.Context, op, key string, text []byte, ttl time.Duration, replace bool) (bool, error) {
	for range mostTries {
		old, found, err := h.store.peek(ctx, op, key)
		if err != nil {
			return false, err
		}
		text := bytes.Clone(text) // the driver owns a value that it is given
		var stored bool
		switch {
		case !found:
			stored, err = h.store.atomic.SetNX(ctx, key, text, ttl)
		case isPlaceholder(old):
			stored, err = h.store.atomic.CompareAndSwap(ctx, key, old, text, ttl)
		case replace:
			stored, err = h.store.atomic.CompareAndSwap(ctx, key, old, text, driver.KeepTTL)
		default:
			return false, nil
		}
		if err != nil {
			return false, h.store.fail(op, key, err)
		}
		if stored {
			return true, nil
		}
		// Another caller wrote between the two steps: read again.
	}
	return false, h.store.fail(op, key, errInBetween)
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
	namespace.Of = func(store any) namespace.Namespace {
		s, _ := store.(*AtomicKVStore)
		if s == nil {
			return namespace.Namespace{}
		}
		return namespace.Namespace{Backend: s.origin, Path: s.path}
	}
}
