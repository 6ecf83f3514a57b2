package adaptor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/codec"
)

// KVStore is one namespace of a backend. It is made by Namespace, and is itself a
// [KVAdaptor], whose namespaces are its children. It may be used by many
// goroutines at once and may be copied. A nil or zero KVStore is valid; all that
// it does is ErrStoreOperationFailed.
//
// An operation whose context is done fails with ErrStoreOperationFailed around the
// context's error, before anything happens. A nil context is a programming error: the
// operation returns ErrStoreOperationFailed and does nothing.
type KVStore struct {
	path    []string // the whole path from the backend
	store   driver.Store
	backend driver.Opener // opens the children
	at      []string      // the path in backend, which may be shorter if backend is a wrapper
}

func openStore(backend driver.Opener, parent []string, name string) (*KVStore, error) {
	if backend == nil {
		return nil, failure(opNamespace, parent, "", CodeStoreOperationFailed, errNoBackend)
	}
	at, store, err := open(backend, backend.Open, parent, name)
	if err != nil {
		return nil, err
	}
	_, path := driver.Innermost(backend, at)
	return &KVStore{path, store, backend, at}, nil
}

// open opens the child of parent, a path in backend, through the backend's Open or OpenAtomic.
func open[S driver.Store](backend any, openPath func([]string) (S, error), parent []string, name string) (at []string, store S, err error) {
	if name == "" {
		_, whole := driver.Innermost(backend, parent)
		return nil, store, failure(opNamespace, whole, "", CodeEmptyNamespace, errEmptyName)
	}
	at = append(slices.Clip(parent), strings.Clone(name)) // name may share memory with a request buffer
	store, err = openPath(at)
	if err == nil && any(store) == nil {
		err = errNoBackend
	}
	if err != nil {
		_, whole := driver.Innermost(backend, parent)
		return nil, store, driverFailure(opNamespace, whole, "", err)
	}
	return at, store, nil
}

// errEmptyName is the cause of EMPTY_NAMESPACE.
var errEmptyName = driver.Reason(errors.New("kv: empty name"), "a namespace needs a name that is not empty")

// Namespace returns the child of the given name; see [KVAdaptor].
func (s *KVStore) Namespace(name string) (*KVStore, error) {
	if s == nil || s.store == nil {
		return nil, s.fail(opNamespace, "", errNoStore)
	}
	return openStore(s.backend, s.at, name)
}

// GetRaw returns the JSON text at key as it is stored. found is false, and err nil,
// if there is none, or only a placeholder of [Typed.GetOrLoad]. The caller owns the slice. What
// another program stored in a shared server is not checked here, but by [Get].
func (s *KVStore) GetRaw(ctx context.Context, key string) (value []byte, found bool, err error) {
	return s.get(ctx, opGetRaw, key)
}

func (s *KVStore) get(ctx context.Context, op, key string) (value []byte, found bool, err error) {
	if !s.ready(ctx) {
		return nil, false, s.notReady(ctx, op, key)
	}
	value, found, err = s.store.Get(ctx, key)
	if err != nil {
		return nil, false, s.fail(op, key, err)
	}
	if isPlaceholder(value) {
		return nil, false, nil
	}
	return value, found, nil
}

// Set stores value at key and replaces what was there, the time to live too:
// without WithTTL the entry never expires; WithKeepTTL keeps the deadline that it
// has. The value is copied. ErrInvalidValue: JSON can't hold it. ErrInvalidTTL: see
// [WithTTL].
func (s *KVStore) Set(ctx context.Context, key string, value any, opts ...Option) error {
	ttl, err := s.writeTTL(opSet, key, opts, true)
	if err != nil {
		return err
	}
	if !s.ready(ctx) {
		return s.notReady(ctx, opSet, key)
	}
	text, err := s.encode(opSet, key, value)
	if err != nil {
		return err
	}
	if err := s.store.Set(ctx, key, text, ttl); err != nil {
		return s.fail(opSet, key, err)
	}
	return nil
}

// Del removes key. A missing key is no error.
func (s *KVStore) Del(ctx context.Context, key string) error {
	if !s.ready(ctx) {
		return s.notReady(ctx, opDel, key)
	}
	if err := s.store.Del(ctx, key); err != nil {
		return s.fail(opDel, key, err)
	}
	return nil
}

// Has reports whether there is an entry at key.
func (s *KVStore) Has(ctx context.Context, key string) (bool, error) {
	if !s.ready(ctx) {
		return false, s.notReady(ctx, opHas, key)
	}
	found, err := s.store.Has(ctx, key)
	if err != nil {
		return false, s.fail(opHas, key, err)
	}
	return found, nil
}

// Expire makes the entry at key expire after ttl from now, and reports whether
// there is an entry; it creates nothing. A ttl that is not positive is
// ErrInvalidTTL; it is rounded up to whole milliseconds.
func (s *KVStore) Expire(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	ttl, err := wholeTTL(ttl)
	if err != nil {
		return false, failure(opExpire, s.pathOf(), key, CodeInvalidTTL, err)
	}
	if !s.ready(ctx) {
		return false, s.notReady(ctx, opExpire, key)
	}
	found, err := s.store.Expire(ctx, key, ttl)
	if err != nil {
		return false, s.fail(opExpire, key, err)
	}
	return found, nil
}

// TTL returns the time that the entry at key has left. A ttl of 0 with found means
// that it never expires: what is left of a deadline is at least one millisecond.
// What a Duration can't hold is math.MaxInt64.
func (s *KVStore) TTL(ctx context.Context, key string) (ttl time.Duration, found bool, err error) {
	if !s.ready(ctx) {
		return 0, false, s.notReady(ctx, opTTL, key)
	}
	left, found, err := s.store.TTL(ctx, key)
	if err != nil {
		return 0, false, s.fail(opTTL, key, err)
	}
	if !found {
		return 0, false, nil
	}
	return shownTTL(left), true, nil
}

// ready reports whether an operation can begin. It is small enough to be inlined.
func (s *KVStore) ready(ctx context.Context) bool {
	return s != nil && s.store != nil && ctx != nil && ctx.Err() == nil
}

// notReady makes the error of an operation that cannot begin: no store, no context, or a context
// that is done.
func (s *KVStore) notReady(ctx context.Context, op, key string) error {
	if s == nil || s.store == nil {
		return s.fail(op, key, errNoStore)
	}
	if ctx == nil {
		return s.fail(op, key, errNoContext)
	}
	return s.fail(op, key, ctx.Err())
}

var errNoContext = driver.Reason(errors.New("kv: nil context"), "the context is nil: pass context.Background() if there is no other")

// fail makes the error of an operation of which only the cause is known.
func (s *KVStore) fail(op, key string, cause error) error {
	return driverFailure(op, s.pathOf(), key, cause)
}

func (s *KVStore) writeTTL(op, key string, opts []Option, mayKeep bool) (time.Duration, error) {
	ttl, err := writeTTL(opts, mayKeep)
	if err != nil {
		return 0, failure(op, s.pathOf(), key, CodeInvalidTTL, err)
	}
	return ttl, nil
}

func (s *KVStore) encode(op, key string, value any) ([]byte, error) {
	text, err := codec.Marshal(value)
	if err != nil {
		return nil, failure(op, s.pathOf(), key, CodeInvalidValue, err)
	}
	return text, nil
}

func (s *KVStore) pathOf() []string {
	if s == nil {
		return nil
	}
	return s.path
}
