package adaptor

import (
	"context"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Persist makes the entry at key one that never expires, whether it had a deadline or not, and
// reports whether there is an entry; it creates nothing. A backend that can't is
// ErrStoreOperationFailed, around errors.ErrUnsupported.
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

// Persist is [KVStore.Persist].
func (s *AtomicKVStore) Persist(ctx context.Context, key string) (bool, error) {
	return s.plain().Persist(ctx, key)
}
