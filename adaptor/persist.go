package adaptor

import (
	"context"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Persist makes the entry at key never expire, and reports whether there is an entry, with or
// without a deadline. It creates nothing. If the backend cannot do it, Persist returns
// ErrStoreOperationFailed that wraps errors.ErrUnsupported.
func (s *KVStore) Persist(ctx context.Context, key string) (bool, error) {
	if !s.ready(ctx) {
		return false, s.notReady(ctx, opPersist, key)
	}
	found, err := driver.Persist(ctx, s.store, key)
	if err != nil {
		return false, s.fail(opPersist, key, err)
	}
	return found, nil
}

// Persist removes a deadline as [KVStore.Persist] does.
func (s *AtomicKVStore) Persist(ctx context.Context, key string) (bool, error) {
	return s.plain().Persist(ctx, key)
}
