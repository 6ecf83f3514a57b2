package adaptor

import "context"

// Reader is the store that [Get] reads from: a [*KVStore] or an [*AtomicKVStore]. It is sealed. A
// type that embeds one of these stores is a Reader too, but Get reads from the embedded store.
type Reader interface {
	// GetRaw reads a value as [KVStore.GetRaw] does.
	GetRaw(ctx context.Context, key string) (value []byte, found bool, err error)

	plain() *KVStore
}

func (s *KVStore) plain() *KVStore { return s }

// Get returns the value at key, decoded into a new T. If there is no value, found is false and err
// is nil. A stored null is found and gives the zero T. An int64 is exact beyond 2^53.
//
// If the stored value does not decode into T, Get returns ErrInvalidValue, and the value remains in
// the store. Get does the same for a value that another program stored and that Set would have
// refused.
func Get[T any](ctx context.Context, s Reader, key string) (value T, found bool, err error) {
	var store *KVStore
	if s != nil {
		store = s.plain()
	}
	text, found, err := store.get(ctx, opGet, key)
	return decode[T](store, opGet, key, text, found, err)
}
