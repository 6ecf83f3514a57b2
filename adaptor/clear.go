package adaptor

import (
	"context"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Clear removes all keys of the namespace. It removes no key of its children, and no key of another
// namespace with a longer name. Clear is not atomic: it works in small steps, and other callers may
// see that some keys are gone while others remain. Keys that are written during the call may
// remain.
//
// After an error some keys may be gone (OutcomeUnknown), and Clear can be called again. If the
// backend cannot list keys, Clear returns ErrStoreOperationFailed that wraps errors.ErrUnsupported.
// Like Keys, Clear looks at all keys of the backend.
func (s *KVStore) Clear(ctx context.Context) error { return s.clear(ctx, opClear, false) }

// ClearTree removes all keys of the namespace and of all namespaces below, as Clear does.
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

// Clear removes all keys as [KVStore.Clear] does.
func (s *AtomicKVStore) Clear(ctx context.Context) error { return s.plain().Clear(ctx) }

// ClearTree removes all keys as [KVStore.ClearTree] does.
func (s *AtomicKVStore) ClearTree(ctx context.Context) error { return s.plain().ClearTree(ctx) }
