package adaptor

import (
	"context"

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
	if err := driver.Clear(ctx, s.backend, s.at, s.store, below); err != nil {
		return s.fail(op, "", err)
	}
	return nil
}

// Clear is [KVStore.Clear].
func (s *AtomicKVStore) Clear(ctx context.Context) error { return s.plain().Clear(ctx) }

// ClearTree is [KVStore.ClearTree].
func (s *AtomicKVStore) ClearTree(ctx context.Context) error { return s.plain().ClearTree(ctx) }
