package adaptor

import (
	"context"
	"iter"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Keys iterates over the keys of the namespace, not of its children, in no order:
//
//	for key, err := range store.Keys(ctx) { … }
//
// A key that is there from the beginning to the end comes exactly once, as it was stored, whatever
// bytes it holds. One that is stored, deleted or expires meanwhile comes once, or not at all. The
// loop may take its time and use the store: nobody waits for it.
//
// An error comes once, with the key "", and ends the iteration; what came before is no less
// true, but is not all. ErrStoreOperationFailed: the context has ended, the backend failed, or it
// can't list keys (then around errors.ErrUnsupported).
//
// It looks at all that the backend holds, in other namespaces too: it is for maintenance, and not
// for each request. How much memory it takes, the adaptor says.
func (s *KVStore) Keys(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s.scan(ctx, opKeys, false, func(_ []string, key string, err error) bool { return yield(key, err) })
	}
}

// KeyPath is a key in a namespace below.
type KeyPath struct {
	// Path is the names that lead from the store to the key's namespace; nil: it is the store's own.
	Path []string
	Key  string
}

// Tree iterates as Keys does, over the keys of the namespace and of all below it.
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

// Keys is [KVStore.Keys].
func (s *AtomicKVStore) Keys(ctx context.Context) iter.Seq2[string, error] {
	return s.plain().Keys(ctx)
}

// Tree is [KVStore.Tree].
func (s *AtomicKVStore) Tree(ctx context.Context) iter.Seq2[KeyPath, error] {
	return s.plain().Tree(ctx)
}
