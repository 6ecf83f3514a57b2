package adaptor

import (
	"errors"
	"reflect"

	"github.com/zelt-go/kv/adaptor/driver"
)

// KVAdaptor opens namespaced stores. [New] makes one of a backend, and every store is one.
type KVAdaptor interface {
	// Namespace returns the store with the given name. It returns ErrEmptyNamespace if the name is
	// empty.
	//
	// Namespace is cheap enough for a call per request. It works before the backend is started, and
	// nothing remains when the store is garbage. Calls with the same name return views of the same
	// data.
	Namespace(name string) (*KVStore, error)
}

// AtomicKVAdaptor opens namespaced stores with the atomic operations. [NewAtomic] makes one of a
// backend, and every [AtomicKVStore] is one.
type AtomicKVAdaptor interface {
	// Namespace returns the store with the given name, as the method of KVAdaptor does.
	Namespace(name string) (*AtomicKVStore, error)
}

var (
	_ KVAdaptor       = (*KVStore)(nil)
	_ AtomicKVAdaptor = (*AtomicKVStore)(nil)
)

// New returns an adaptor of a backend. If the backend is nil, every Namespace returns
// ErrStoreOperationFailed.
func New(backend driver.Opener) KVAdaptor {
	return root{backend}
}

// NewAtomic returns an adaptor of a backend that has the atomic operations. If the backend is nil,
// every Namespace returns ErrStoreOperationFailed.
func NewAtomic(backend driver.AtomicOpener) AtomicKVAdaptor {
	if backend != nil && !reflect.ValueOf(backend).Comparable() {
		backend = &identified{backend}
	}
	return atomicRoot{backend}
}

// identified wraps a backend whose value cannot be compared. Its address identifies the backend:
// loads of one backend are shared, and loads of two backends are not.
type identified struct{ driver.AtomicOpener }

// Inner implements [driver.Wrapper].
func (o *identified) Inner(path []string) (driver.AtomicOpener, []string) {
	if w, ok := o.AtomicOpener.(driver.Wrapper); ok {
		return w.Inner(path)
	}
	return nil, nil
}

// WithoutAtomic returns an adaptor of the same stores without their atomic operations. If a is nil,
// every Namespace returns ErrStoreOperationFailed.
func WithoutAtomic(a AtomicKVAdaptor) KVAdaptor {
	return withoutAtomic{a}
}

type root struct{ backend driver.Opener }

func (r root) Namespace(name string) (*KVStore, error) {
	return openStore(r.backend, nil, name)
}

type atomicRoot struct{ backend driver.AtomicOpener }

func (r atomicRoot) Namespace(name string) (*AtomicKVStore, error) {
	return openAtomicStore(r.backend, nil, name)
}

type withoutAtomic struct{ atomic AtomicKVAdaptor }

func (w withoutAtomic) Namespace(name string) (*KVStore, error) {
	if w.atomic == nil {
		return nil, failure(opNamespace, nil, "", CodeStoreOperationFailed, errNoBackend)
	}
	s, err := w.atomic.Namespace(name)
	if err != nil {
		return nil, err
	}
	return s.plain(), nil
}

// The causes of an operation on a store or an adaptor that has no backend.
var (
	errNoBackend = driver.Reason(errors.New("kv: no backend"), "the adaptor has no backend (nil)")
	errNoStore   = driver.Reason(errors.New("kv: no store"), "the store is nil or was not opened by Namespace")
)
