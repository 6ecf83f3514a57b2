// Package wrap puts a driver around the backend of an adaptor. A test overrides a method of
// Store to observe the calls of a service or to let them fail.
package wrap

import (
	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// Adaptor returns an adaptor over the backend of kv. It passes each opened store through
// wrap.
func Adaptor(kv adaptor.AtomicKVAdaptor, wrap func(Store) driver.AtomicStore) adaptor.AtomicKVAdaptor {
	return adaptor.NewAtomic(opener{adaptor.Driver(kv), wrap})
}

type opener struct {
	inner driver.AtomicOpener
	wrap  func(Store) driver.AtomicStore
}

// OpenAtomic implements [driver.AtomicOpener].
func (o opener) OpenAtomic(path []string) (driver.AtomicStore, error) {
	store, err := o.inner.OpenAtomic(path)
	if err != nil {
		return nil, err
	}
	return o.wrap(Store{store}), nil
}

// Store passes each call on to a store of the backend. It hides the optional interfaces of
// the backend, so that every operation uses the overridden methods.
type Store struct{ driver.AtomicStore }
