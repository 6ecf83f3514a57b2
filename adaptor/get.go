package adaptor

import "context"

// Reader is what [Get] reads from: a [*KVStore] or an [*AtomicKVStore]. It is sealed:
// a type that embeds one of them is a Reader too, but Get reads from what it embeds.
type Reader interface {
	// GetRaw is [KVStore.GetRaw].
	GetRaw(ctx context.Context, key string) (value []byte, found bool, err error)

	plain() *KVStore
}

func (s *KVStore) plain() *KVStore { return s }

// Get returns the value at key, decoded into a fresh T. found is false, and err
// nil, if there is none. A stored value that does not decode into T is
// ErrInvalidValue, and stays; so is one that another program stored and that we
// would have refused. An int64 is exact beyond 2^53; a stored null is found, and
// the zero T.
func Get[T any](ctx context.Context, s Reader, key string) (value T, found bool, err error) {
	var store *KVStore
	if s != nil {
		store = s.plain()
	}
	text, found, err := store.get(ctx, opGet, key)
	return decode[T](store, opGet, key, text, found, err)
}
