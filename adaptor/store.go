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

// KVStore is one namespace of a backend. Namespace makes it. A KVStore is itself a [KVAdaptor], and
// its namespaces are its children. It may be used concurrently and may be copied. Every operation
// of a nil or zero KVStore returns ErrStoreOperationFailed.
//
// If the context is done, an operation returns ErrStoreOperationFailed that wraps the context's
// error, and does nothing. A nil context is a programming error: the operation returns
// ErrStoreOperationFailed and does nothing.
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

// Namespace returns the child with the given name; see [KVAdaptor].
func (s *KVStore) Namespace(name string) (*KVStore, error) {
	if s == nil || s.store == nil {
		return nil, s.fail(opNamespace, "", errNoStore)
	}
	return openStore(s.backend, s.at, name)
}

// GetRaw returns the stored JSON text at key. If there is no value, or only a placeholder of
// [Typed.GetOrLoad], found is false and err is nil. The caller owns the slice. GetRaw does not
// check text that another program stored in a shared server; [Get] does.
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

// Set stores value at key, and replaces the previous value and its time to live. Without WithTTL
// the entry never expires; with WithKeepTTL it keeps its deadline. Set copies the value. It returns
// ErrInvalidValue if JSON cannot represent value, and ErrInvalidTTL for bad options; see [WithTTL].
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

// Del removes key. It returns nil if the key is missing.
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

// Expire sets the deadline of the entry at key to ttl from now, and reports whether there is an
// entry. It creates nothing. Expire rounds ttl up to whole milliseconds, and returns ErrInvalidTTL
// if ttl is not positive.
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

// TTL returns the time left of the entry at key. A ttl of 0 with found == true means that the entry
// never expires: the time left of an entry with a deadline is at least one millisecond. TTL returns
// math.MaxInt64 if the time left is longer than a Duration can represent.
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

// fail returns the error of an operation with the given cause.
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
