package adaptor

import (
	"context"
	"errors"
	"fmt"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Result is the result of GetMany for one key.
type Result[T any] struct {
	Value T
	Found bool
	// Err is nil, or the [*Error] of this key. It says nothing about the other keys.
	Err error
}

// Entry is a key and its value, for SetMany.
type Entry struct {
	Key   string
	Value any
}

// KeyErrors is the cause of the error of a GetMany, SetMany or DelMany in which some keys failed.
// It contains an error for each key in the order of the call, or nil for a key that did not fail.
// Each error is an [*Error], and [OutcomeUnknown] tells its state.
//
//	var perKey adaptor.KeyErrors
//	if errors.As(err, &perKey) { … }
//
// A call that failed as a whole before the first key has another cause.
type KeyErrors []error

// Error returns how many keys failed, and the code and the reason of the first failure.
func (k KeyErrors) Error() string {
	failed := 0
	var first *Error
	for _, err := range k {
		if err == nil {
			continue
		}
		if failed++; first == nil {
			errors.As(err, &first)
		}
	}
	text := fmt.Sprintf("%d of %d keys failed", failed, len(k))
	if first != nil {
		text += ", the first with " + string(first.Code)
		if first.Err != nil {
			text += ": " + reason(first.Err)
		}
	}
	return text
}

// Unwrap returns the errors of the keys that failed.
func (k KeyErrors) Unwrap() []error {
	var failed []error
	for _, err := range k {
		if err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

// GetMany reads many keys and returns one result per key, in the order of keys. A value is JSON
// text, and the caller owns it. The function [GetMany] decodes the values. The reads are not one
// atomic step. On a server, up to 1,000 keys take one round trip, and in a Cluster one round trip
// to each node that has some of the keys.
//
// If some keys failed, each has its error in its Result, and err wraps [KeyErrors]. If the call
// could not begin, there are no results.
func (s *KVStore) GetMany(ctx context.Context, keys []string) (results []Result[[]byte], err error) {
	return s.getMany(ctx, keys)
}

// SetMany stores many entries as Set does. The options apply to each entry. SetMany is not atomic:
// other callers may see some of the entries before the others. If a key occurs twice, the later
// entry remains. On a server it takes round trips as GetMany does.
//
// If JSON cannot represent one of the values, SetMany returns ErrInvalidValue with the key of this
// entry, and stores nothing. If the store fails for some entries, the error wraps [KeyErrors], and
// all other entries are stored.
func (s *KVStore) SetMany(ctx context.Context, entries []Entry, opts ...Option) error {
	ttl, err := s.writeTTL(opSetMany, "", opts, true)
	if err != nil {
		return err
	}
	if !s.ready(ctx) {
		return s.notReady(ctx, opSetMany, "")
	}
	keys, values := make([]string, len(entries)), make([][]byte, len(entries))
	for i, e := range entries {
		if values[i], err = s.encode(opSetMany, e.Key, e.Value); err != nil {
			return err
		}
		keys[i] = e.Key
	}
	return s.perKey(opSetMany, keys, driver.SetMany(ctx, s.store, keys, values, ttl))
}

// DelMany removes many keys as Del does. It is not atomic. If some keys failed, the error wraps
// [KeyErrors], and all other keys are removed. On a server it takes round trips as GetMany does.
func (s *KVStore) DelMany(ctx context.Context, keys []string) error {
	if !s.ready(ctx) {
		return s.notReady(ctx, opDelMany, "")
	}
	return s.perKey(opDelMany, keys, driver.DelMany(ctx, s.store, keys))
}

// GetMany is the method GetMany with each value decoded into a new T, as [Get] does. If a value
// does not decode into T, its key has an ErrInvalidValue.
func GetMany[T any](ctx context.Context, s Reader, keys []string) ([]Result[T], error) {
	var store *KVStore
	if s != nil {
		store = s.plain()
	}
	texts, err := store.getMany(ctx, keys)
	if texts == nil {
		return nil, err
	}
	results := make([]Result[T], len(texts))
	failed := err != nil
	for i, t := range texts {
		r := &results[i]
		r.Value, r.Found, r.Err = decode[T](store, opGetMany, keys[i], t.Value, t.Found, t.Err)
		failed = failed || r.Err != nil
	}
	if failed {
		return results, someFailed(store, results)
	}
	return results, nil
}

func (s *KVStore) getMany(ctx context.Context, keys []string) ([]Result[[]byte], error) {
	if !s.ready(ctx) {
		return nil, s.notReady(ctx, opGetMany, "")
	}
	got := driver.GetMany(ctx, s.store, keys)
	results := make([]Result[[]byte], len(keys))
	failed := false
	for i, g := range got {
		if g.Err != nil {
			results[i].Err, failed = s.fail(opGetMany, keys[i], g.Err), true
			continue
		}
		if g.Found && !isPlaceholder(g.Value) {
			results[i] = Result[[]byte]{Value: g.Value, Found: true}
		}
	}
	if failed {
		return results, someFailed(s, results)
	}
	return results, nil
}

func someFailed[T any](s *KVStore, results []Result[T]) error {
	errs := make(KeyErrors, len(results))
	for i, r := range results {
		errs[i] = r.Err
	}
	return s.batchFailure(opGetMany, errs)
}

// perKey returns the error of a batch whose keys failed with causes. The causes may be nil.
func (s *KVStore) perKey(op string, keys []string, causes []error) error {
	var errs KeyErrors
	for i, cause := range causes {
		if cause == nil {
			continue
		}
		if errs == nil {
			errs = make(KeyErrors, len(keys))
		}
		errs[i] = s.fail(op, keys[i], cause)
	}
	if errs == nil {
		return nil
	}
	return s.batchFailure(op, errs)
}

// batchFailure returns the error of a batch. Its code is STORE_OPERATION_FAILED if one of the keys
// has this code.
func (s *KVStore) batchFailure(op string, errs KeyErrors) error {
	code := CodeInvalidValue
	for _, err := range errs {
		if err != nil && CodeOf(err) != CodeInvalidValue {
			code = CodeStoreOperationFailed
		}
	}
	return failure(op, s.pathOf(), "", code, errs)
}

// GetMany reads many keys as [KVStore.GetMany] does.
func (s *AtomicKVStore) GetMany(ctx context.Context, keys []string) ([]Result[[]byte], error) {
	return s.plain().GetMany(ctx, keys)
}

// SetMany stores many entries as [KVStore.SetMany] does.
func (s *AtomicKVStore) SetMany(ctx context.Context, entries []Entry, opts ...Option) error {
	return s.plain().SetMany(ctx, entries, opts...)
}

// DelMany removes many keys as [KVStore.DelMany] does.
func (s *AtomicKVStore) DelMany(ctx context.Context, keys []string) error {
	return s.plain().DelMany(ctx, keys)
}
