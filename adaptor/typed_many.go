package adaptor

import (
	"context"
	"maps"
	"slices"

	"github.com/zelt-go/kv/adaptor/driver"
)

// GetMany reads many keys and returns one result per key, in the order of keys. A key with only a
// placeholder is not found. See [KVStore.GetMany] for round trips, and the function [GetMany] for
// errors.
func (t Typed[T]) GetMany(ctx context.Context, keys []string) ([]Result[T], error) {
	return GetMany[T](ctx, t.store, keys)
}

// SetMany stores many values as Set does, in the order of their sorted keys. Every value gets the same
// time to live, as from Set: WithTTL, or else [DefaultTTL]. There is no jitter. SetMany is not
// atomic: other callers may see some values before the others. See [KVStore.SetMany] for round trips.
// WithKeepTTL reads and writes each key by itself, because a placeholder's deadline must not
// be kept.
//
// SetMany stores nothing and returns ErrInvalidValue with the key of the first value that JSON cannot
// represent. If the store fails for some keys, SetMany returns an error around [KeyErrors], in the
// order of the sorted keys, and stores all other values.
func (t Typed[T]) SetMany(ctx context.Context, values map[string]T, opts ...Option) error {
	entries := make([]Entry, 0, len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		entries = append(entries, Entry{key, values[key]})
	}
	switch {
	case has(opts, optionKeepTTL):
		return t.setManyKeepTTL(ctx, entries, opts)
	case has(opts, optionTTL):
		return t.store.SetMany(ctx, entries, opts...)
	}
	return t.store.SetMany(ctx, entries, t.ttl)
}

func (h handle) setManyKeepTTL(ctx context.Context, entries []Entry, opts []Option) error {
	if _, err := h.store.plain().writeTTL(opSetMany, "", opts, true); err != nil {
		return err
	}
	if !h.store.ready(ctx) {
		return h.store.notReady(ctx, opSetMany, "")
	}
	texts := make([][]byte, len(entries))
	for i, e := range entries {
		var err error
		if texts[i], err = h.store.encode(opSetMany, e.Key, e.Value); err != nil {
			return err
		}
	}
	errs := make(KeyErrors, len(entries))
	failed := false
	for i, e := range entries {
		_, errs[i] = h.putText(ctx, opSetMany, e.Key, texts[i], driver.NoTTL, true)
		failed = failed || errs[i] != nil
	}
	if failed {
		return h.store.batchFailure(opSetMany, errs)
	}
	return nil
}

// DelMany removes many keys as Del does, placeholders included; see [KVStore.DelMany].
func (t Typed[T]) DelMany(ctx context.Context, keys []string) error {
	return t.store.DelMany(ctx, keys)
}
