package adaptor

import (
	"context"
	"slices"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Clear removes all keys of the namespace, and of no other: not of its children, not of a sibling
// with a longer name. It is not atomic: it goes in small steps, between which others see some keys
// gone and not yet others. What is written meanwhile may stay.
//
// After an error some keys may be gone (OutcomeUnknown): it can be called again. A backend that can't
// list keys is ErrStoreOperationFailed, around errors.ErrUnsupported. Like Keys, it looks at
// all that the backend holds.
func (s *KVStore) Clear(ctx context.Context) error { return s.clear(ctx, opClear, false) }

// ClearTree is Clear of the namespace and of all below it.
func (s *KVStore) ClearTree(ctx context.Context) error { return s.clear(ctx, opClearTree, true) }

func (s *KVStore) clear(ctx context.Context, op string, below bool) error {
	if !s.ready(ctx) {
		return s.notReady(ctx, op, "")
	}
	var err error
	switch store := s.store.(type) {
	case driver.Clearer:
		err = store.Clear(ctx, below)
	case driver.Scanner:
		err = s.clearByKeys(ctx, store, below)
	default:
		err = errCantList
	}
	if err != nil {
		return s.fail(op, "", err)
	}
	return nil
}

// clearByKeys is driver.Clearer's Clear of a store without.
func (s *KVStore) clearByKeys(ctx context.Context, scanner driver.Scanner, below bool) (err error) {
	const most = 500
	var path, keys []string
	began := false
	flush := func() {
		if len(keys) == 0 || err != nil {
			return
		}
		began = true
		of := s
		if len(path) > 0 {
			var store driver.Store
			if store, err = s.backend.Open(append(slices.Clip(s.path), path...)); err != nil {
				return
			}
			of = &KVStore{s.path, store, s.backend}
		}
		for _, failed := range of.delAll(ctx, keys) {
			if err == nil {
				err = failed
			}
		}
		keys = keys[:0]
	}
	scanErr := scanner.Keys(ctx, below, func(at []string, key string) bool {
		if len(keys) == most || !slices.Equal(at, path) {
			flush()
			path = at
		}
		keys = append(keys, key)
		return err == nil
	})
	flush()
	if err == nil {
		err = scanErr
	}
	if began {
		err = driver.Unknown(err)
	}
	return err
}

// Clear is [KVStore.Clear].
func (s *AtomicKVStore) Clear(ctx context.Context) error { return s.plain().Clear(ctx) }

// ClearTree is [KVStore.ClearTree].
func (s *AtomicKVStore) ClearTree(ctx context.Context) error { return s.plain().ClearTree(ctx) }
