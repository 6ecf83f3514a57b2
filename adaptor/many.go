package adaptor

import (
	"context"
	"errors"
	"fmt"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Result is what came of one key of a GetMany.
type Result[T any] struct {
	Value T
	Found bool
	// Err is nil, or the [*Error] of this key. The other keys may have worked all the same.
	Err error
}

// Entry is a key and its value, for SetMany.
type Entry struct {
	Key   string
	Value any
}

// KeyErrors is the cause of the error of a GetMany, a SetMany or a DelMany of which some keys
// failed: an error for each key, in the order of the call, nil where the key worked. Each is
// an [*Error], and [OutcomeUnknown] tells of each.
//
//	var perKey adaptor.KeyErrors
//	if errors.As(err, &perKey) { … }
//
// A call that failed as a whole, without any key having been tried, has another cause.
type KeyErrors []error

// Error says how many keys failed, and the first one's code and reason.
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

// GetMany reads many keys, and returns what came of each, in their order, as JSON text that the
// caller owns. The function [GetMany] decodes it. The reads are not one atomic step. On a server they
// are one round trip for up to 1,000 keys, to each node of a cluster that has some.
//
// If keys failed, each has its error in its Result, and err, around [KeyErrors], says that there are
// some. If the call could not begin, there are no results.
func (s *KVStore) GetMany(ctx context.Context, keys []string) (results []Result[[]byte], err error) {
	return s.getMany(ctx, keys)
}

// SetMany stores many entries as Set does, its options too, which are those of each entry. It is
// not atomic: others may see some entries and not yet the others. Where a key comes twice, the later
// entry stays. On a server it takes round trips as GetMany does.
//
// If an entry's value is one that JSON can't hold, nothing is stored: ErrInvalidValue, with its
// key. If entries failed in the store, the error is around [KeyErrors], and all others are stored.
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

// DelMany removes many keys as Del does. It is not atomic. If keys failed, the error is around
// [KeyErrors], and all others are gone. On a server it takes round trips as GetMany does.
func (s *KVStore) DelMany(ctx context.Context, keys []string) error {
	if !s.ready(ctx) {
		return s.notReady(ctx, opDelMany, "")
	}
	return s.perKey(opDelMany, keys, driver.DelMany(ctx, s.store, keys))
}

// GetMany is the method GetMany with each value decoded into a fresh T, as [Get] does. A value that
// does not decode into T is the ErrInvalidValue of its key.
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

// perKey makes the error of a batch from those of the driver, of which there may be none.
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

// batchFailure has the code STORE_OPERATION_FAILED if a key has.
func (s *KVStore) batchFailure(op string, errs KeyErrors) error {
	code := CodeInvalidValue
	for _, err := range errs {
		if err != nil && CodeOf(err) != CodeInvalidValue {
			code = CodeStoreOperationFailed
		}
	}
	return failure(op, s.pathOf(), "", code, errs)
}

// GetMany is [KVStore.GetMany].
func (s *AtomicKVStore) GetMany(ctx context.Context, keys []string) ([]Result[[]byte], error) {
	return s.plain().GetMany(ctx, keys)
}

// SetMany is [KVStore.SetMany].
func (s *AtomicKVStore) SetMany(ctx context.Context, entries []Entry, opts ...Option) error {
	return s.plain().SetMany(ctx, entries, opts...)
}

// DelMany is [KVStore.DelMany].
func (s *AtomicKVStore) DelMany(ctx context.Context, keys []string) error {
	return s.plain().DelMany(ctx, keys)
}
