package adaptor

import (
	"context"
	"iter"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Keys iterates over the keys of the namespace, without its children, in no particular order:
//
//	for key, err := range store.Keys(ctx) { … }
//
// A key that exists during the whole iteration comes exactly once, with the bytes with which it was
// stored. A key that is stored, deleted or expires during the iteration comes once or not at all.
// The loop may take long and may use the store: no other caller waits for it.
//
// An error comes once, with the key "", and ends the iteration; the keys before it are correct but
// incomplete. Keys returns ErrStoreOperationFailed if the context ends, if the backend fails, or if
// the backend cannot list keys. In the last case the error wraps errors.ErrUnsupported.
//
// Keys looks at all keys of the backend, also in other namespaces. It is for maintenance, and not
// for each request. The documentation of each adaptor states how much memory Keys needs.
func (s *KVStore) Keys(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s.scan(ctx, opKeys, false, func(_ []string, key string, err error) bool { return yield(key, err) })
	}
}

// KeyPath is a key in a namespace below a store.
type KeyPath struct {
	// Path contains the names that lead from the store to the namespace of the key. It is nil for a
	// key of the store itself.
	Path []string
	Key  string
}

// Tree iterates over the keys of the namespace and of all namespaces below, as Keys does.
func (s *KVStore) Tree(ctx context.Context) iter.Seq2[KeyPath, error] {
	return func(yield func(KeyPath, error) bool) {
		s.scan(ctx, opTree, true, func(path []string, key string, err error) bool { return yield(KeyPath{path, key}, err) })
	}
}

func (s *KVStore) scan(ctx context.Context, op string, below bool, yield func(path []string, key string, err error) bool) {
	if !s.ready(ctx) {
		yield(nil, "", s.notReady(ctx, op, ""))
		return
	}
	more := true
	err := driver.Keys(ctx, s.store, below, func(path []string, key string) bool {
		more = yield(path, key, nil)
		return more
	})
	if err != nil && more {
		yield(nil, "", s.fail(op, "", err))
	}
}

// Keys iterates over keys as [KVStore.Keys] does.
func (s *AtomicKVStore) Keys(ctx context.Context) iter.Seq2[string, error] {
	return s.plain().Keys(ctx)
}

// Tree iterates over keys as [KVStore.Tree] does.
func (s *AtomicKVStore) Tree(ctx context.Context) iter.Seq2[KeyPath, error] {
	return s.plain().Tree(ctx)
}
