package adaptor

import (
	"context"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// AtomicKVStore is a [KVStore] with operations that read and write in one atomic step. Each step
// takes one round trip to a server, and all operations on a key happen in one order. An
// AtomicKVStore is itself an [AtomicKVAdaptor]. Every operation of a nil or zero AtomicKVStore
// returns ErrStoreOperationFailed.
type AtomicKVStore struct {
	KVStore
	atomic driver.AtomicStore
	opener driver.AtomicOpener // opens the children
	origin any                 // the innermost opener: stores of one origin and path contain the same data
}

func openAtomicStore(backend driver.AtomicOpener, parent []string, name string) (*AtomicKVStore, error) {
	if backend == nil {
		return nil, failure(opNamespace, parent, "", CodeStoreOperationFailed, errNoBackend)
	}
	at, store, err := open(backend, backend.OpenAtomic, parent, name)
	if err != nil {
		return nil, err
	}
	origin, path := driver.Innermost(backend, at)
	return &AtomicKVStore{KVStore{path, store, driver.Plain(backend), at}, store, backend, origin}, nil
}

// Namespace returns the child with the given name; see [AtomicKVAdaptor].
func (s *AtomicKVStore) Namespace(name string) (*AtomicKVStore, error) {
	if s == nil || s.atomic == nil {
		return nil, s.plain().fail(opNamespace, "", errNoStore)
	}
	return openAtomicStore(s.opener, s.at, name)
}

// Incr adds by to the counter at key and returns the sum. A missing counter is 0. Only the call
// that creates the counter sets its time to live (WithTTL): later calls never move the deadline.
//
// The stored value must be the plain decimal text of an int64, as Set writes an int. Otherwise, and
// if the sum overflows, Incr returns ErrInvalidValue and changes nothing. It returns ErrInvalidTTL
// for bad options; see [WithTTL] and [WithKeepTTL].
func (s *AtomicKVStore) Incr(ctx context.Context, key string, by int64, opts ...Option) (int64, error) {
	sum, _, err := s.incr(ctx, opIncr, key, by, opts)
	return sum, err
}

// IncrTTL does Incr and TTL in one atomic step. A ttl of 0 means that the counter never expires.
func (s *AtomicKVStore) IncrTTL(ctx context.Context, key string, by int64, opts ...Option) (sum int64, ttl time.Duration, err error) {
	return s.incr(ctx, opIncrTTL, key, by, opts)
}

func (s *AtomicKVStore) incr(ctx context.Context, op, key string, by int64, opts []Option) (int64, time.Duration, error) {
	p := s.plain()
	ttl, err := p.writeTTL(op, key, opts, false)
	if err != nil {
		return 0, 0, err
	}
	if !s.ready(ctx) {
		return 0, 0, s.notReady(ctx, op, key)
	}
	var sum int64
	left := driver.NoTTL
	if op == opIncr {
		sum, err = driver.Count(ctx, s.atomic, key, by, ttl)
	} else {
		sum, left, err = s.atomic.Incr(ctx, key, by, ttl)
	}
	if err != nil {
		return 0, 0, p.fail(op, key, err)
	}
	return sum, shownTTL(left), nil
}

// SetNX stores value at key if the key is missing, and reports whether it did. It changes neither
// the value nor the time to live of an existing entry. SetNX returns ErrInvalidValue if JSON cannot
// represent value, and ErrInvalidTTL for bad options; see [WithTTL] and [WithKeepTTL].
func (s *AtomicKVStore) SetNX(ctx context.Context, key string, value any, opts ...Option) (bool, error) {
	p := s.plain()
	ttl, err := p.writeTTL(opSetNX, key, opts, false)
	if err != nil {
		return false, err
	}
	if !s.ready(ctx) {
		return false, s.notReady(ctx, opSetNX, key)
	}
	text, err := p.encode(opSetNX, key, value)
	if err != nil {
		return false, err
	}
	stored, err := s.atomic.SetNX(ctx, key, text, ttl)
	if err != nil {
		return false, p.fail(opSetNX, key, err)
	}
	return stored, nil
}

// CompareAndSwap replaces the value at key by new if the stored value is old, and reports whether
// it did.
//
// It compares JSON text: nil is null, and not a missing key. Text that another language wrote with
// spaces differs from old. So does the text of a struct that was read as an any, because its
// members are then sorted by name.
//
// CompareAndSwap replaces the time to live as Set does: without WithTTL the entry never expires,
// and with WithKeepTTL it keeps its deadline. CompareAndSwap returns ErrInvalidValue if JSON cannot
// represent old or new, and ErrInvalidTTL for bad options; see [WithTTL].
func (s *AtomicKVStore) CompareAndSwap(ctx context.Context, key string, old, new any, opts ...Option) (bool, error) {
	p := s.plain()
	ttl, err := p.writeTTL(opCompareAndSwap, key, opts, true)
	if err != nil {
		return false, err
	}
	if !s.ready(ctx) {
		return false, s.notReady(ctx, opCompareAndSwap, key)
	}
	oldText, err := p.encode(opCompareAndSwap, key, old)
	if err != nil {
		return false, err
	}
	newText, err := p.encode(opCompareAndSwap, key, new)
	if err != nil {
		return false, err
	}
	swapped, err := s.atomic.CompareAndSwap(ctx, key, oldText, newText, ttl)
	if err != nil {
		return false, p.fail(opCompareAndSwap, key, err)
	}
	return swapped, nil
}

// CompareAndDelete removes key if the stored value is old, and reports whether it did. It compares
// as CompareAndSwap does. It returns ErrInvalidValue if JSON cannot represent old.
func (s *AtomicKVStore) CompareAndDelete(ctx context.Context, key string, old any) (bool, error) {
	p := s.plain()
	if !s.ready(ctx) {
		return false, s.notReady(ctx, opCompareAndDelete, key)
	}
	text, err := p.encode(opCompareAndDelete, key, old)
	if err != nil {
		return false, err
	}
	deleted, err := s.atomic.CompareAndDelete(ctx, key, text)
	if err != nil {
		return false, p.fail(opCompareAndDelete, key, err)
	}
	return deleted, nil
}

// plain returns the store without the atomic operations, or nil for a nil store. On a nil store,
// the promoted methods of the embedded KVStore would panic. Therefore the methods below exist.
func (s *AtomicKVStore) plain() *KVStore {
	if s == nil {
		return nil
	}
	return &s.KVStore
}

// ready reports whether an operation can begin, as KVStore.ready does. A program can fill the
// exported field KVStore of a zero AtomicKVStore, so ready also checks the atomic part.
func (s *AtomicKVStore) ready(ctx context.Context) bool {
	return s != nil && s.atomic != nil && s.KVStore.ready(ctx)
}

func (s *AtomicKVStore) notReady(ctx context.Context, op, key string) error {
	if s == nil || s.atomic == nil {
		return s.plain().fail(op, key, errNoStore)
	}
	return s.KVStore.notReady(ctx, op, key)
}

// GetRaw reads a value as [KVStore.GetRaw] does.
func (s *AtomicKVStore) GetRaw(ctx context.Context, key string) (value []byte, found bool, err error) {
	return s.plain().GetRaw(ctx, key)
}

// Set stores a value as [KVStore.Set] does.
func (s *AtomicKVStore) Set(ctx context.Context, key string, value any, opts ...Option) error {
	return s.plain().Set(ctx, key, value, opts...)
}

// Del removes a key as [KVStore.Del] does.
func (s *AtomicKVStore) Del(ctx context.Context, key string) error {
	return s.plain().Del(ctx, key)
}

// Has looks for an entry as [KVStore.Has] does.
func (s *AtomicKVStore) Has(ctx context.Context, key string) (bool, error) {
	return s.plain().Has(ctx, key)
}

// Expire sets a deadline as [KVStore.Expire] does.
func (s *AtomicKVStore) Expire(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	return s.plain().Expire(ctx, key, ttl)
}

// TTL returns the time left as [KVStore.TTL] does.
func (s *AtomicKVStore) TTL(ctx context.Context, key string) (ttl time.Duration, found bool, err error) {
	return s.plain().TTL(ctx, key)
}
