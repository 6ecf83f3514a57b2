package adaptor

import (
	"context"
	"errors"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Persist makes the entry at key one that never expires, whether it had a deadline or not, and
// reports whether there is an entry; it creates nothing. A backend that can't is
// ErrStoreOperationFailed, around errors.ErrUnsupported.
func (s *KVStore) Persist(ctx context.Context, key string) (bool, error) {
	if !s.ready(ctx) {
		return false, s.notReady(ctx, opPersist, key)
	}
	p, can := s.store.(driver.Persister)
	if !can {
		return false, s.fail(opPersist, key, errCantPersist)
	}
	found, err := p.Persist(ctx, key)
	if err != nil {
		return false, s.fail(opPersist, key, err)
	}
	return found, nil
}

// Persist is [KVStore.Persist].
func (s *AtomicKVStore) Persist(ctx context.Context, key string) (bool, error) {
	return s.plain().Persist(ctx, key)
}

var errCantPersist = driver.Reason(errors.ErrUnsupported, "the backend can't take a deadline away")
