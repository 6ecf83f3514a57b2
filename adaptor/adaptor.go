package adaptor

import (
	"errors"
	"reflect"

	"github.com/zelt-go/kv/adaptor/driver"
)

// KVAdaptor opens namespaced stores. A backend, and any store, is one.
type KVAdaptor interface {
	// Namespace returns the store of the given name; an empty name is
	// ErrEmptyNamespace. It is cheap enough to call per request, works before the
	// backend is started, and leaves nothing behind when the store is garbage.
	// Calls with the same name return views of the same data.
	Namespace(name string) (*KVStore, error)
}

// AtomicKVAdaptor opens namespaced stores with the atomic operations.
type AtomicKVAdaptor interface {
	// Namespace is as in KVAdaptor.
	Namespace(name string) (*AtomicKVStore, error)
}

var (
	_ KVAdaptor       = (*KVStore)(nil)
	_ AtomicKVAdaptor = (*AtomicKVStore)(nil)
)

// New makes an adaptor of a backend. With a nil backend, every Namespace fails
// with ErrStoreOperationFailed.
func New(backend driver.Opener) KVAdaptor {
	return root{backend}
}

// NewAtomic makes an adaptor of a backend that has the atomic operations. With a
// nil backend, every Namespace fails with ErrStoreOperationFailed.
func NewAtomic(backend driver.AtomicOpener) AtomicKVAdaptor {
	if backend != nil && !reflect.ValueOf(backend).Comparable() {
		backend = &identified{backend}
	}
	return atomicRoot{backend}
}

// identified is a backend whose own value can't be compared: stores of one backend have to be told
// from those of another.
type identified struct{ driver.AtomicOpener }

// Inner implements [driver.Wrapper].
func (o *identified) Inner(path []string) (driver.AtomicOpener, []string) {
	if w, ok := o.AtomicOpener.(driver.Wrapper); ok {
		return w.Inner(path)
	}
	return nil, nil
}

// WithoutAtomic returns an adaptor of the same stores, with the atomic operations
// hidden. With a nil adaptor, every Namespace fails with ErrStoreOperationFailed.
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

// errNoBackend and errNoStore are the causes of using what was never opened.
var (
	errNoBackend = driver.Reason(errors.New("kv: no backend"), "the adaptor has no backend (nil)")
	errNoStore   = driver.Reason(errors.New("kv: no store"), "the store is nil or was not opened by Namespace")
)
