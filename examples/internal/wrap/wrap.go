// Package wrap puts a driver around an adaptor. A test overrides a method of Store to
// observe the calls of a service or to let them fail.
package wrap

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// Adaptor returns an adaptor over the stores of kv. It passes each opened store through
// wrap.
func Adaptor(kv adaptor.AtomicKVAdaptor, wrap func(Store) driver.AtomicStore) adaptor.AtomicKVAdaptor {
	return adaptor.NewAtomic(opener{kv, wrap})
}

type opener struct {
	kv   adaptor.AtomicKVAdaptor
	wrap func(Store) driver.AtomicStore
}

// OpenAtomic implements [driver.AtomicOpener].
func (o opener) OpenAtomic(path []string) (driver.AtomicStore, error) {
	store, err := o.kv.Namespace(path[0])
	for _, name := range path[1:] {
		if err != nil {
			break
		}
		store, err = store.Namespace(name)
	}
	if err != nil {
		return nil, err
	}
	return o.wrap(Store{store}), nil
}

// Store is a driver that passes each call on to a store.
type Store struct{ To *adaptor.AtomicKVStore }

var _ driver.AtomicStore = Store{}

// Get implements [driver.Store].
func (s Store) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	value, found, err = s.To.GetRaw(ctx, key)
	return unwrapped(value), found, err
}

// Set implements [driver.Store].
func (s Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.To.Set(ctx, key, wrapped(value), option(ttl))
}

// Del implements [driver.Store].
func (s Store) Del(ctx context.Context, key string) error {
	return s.To.Del(ctx, key)
}

// Has implements [driver.Store].
func (s Store) Has(ctx context.Context, key string) (bool, error) {
	return s.To.Has(ctx, key)
}

// Expire implements [driver.Store].
func (s Store) Expire(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	return s.To.Expire(ctx, key, ttl)
}

// TTL implements [driver.Store].
func (s Store) TTL(ctx context.Context, key string) (ttl time.Duration, found bool, err error) {
	return s.To.TTL(ctx, key)
}

// Incr implements [driver.AtomicStore].
func (s Store) Incr(ctx context.Context, key string, by int64, ttl time.Duration) (sum int64, left time.Duration, err error) {
	sum, left, err = s.To.IncrTTL(ctx, key, by, option(ttl))
	if adaptor.CodeOf(err) == adaptor.CodeInvalidValue {
		err = driver.ErrInvalidValue
	}
	return sum, left, err
}

// SetNX implements [driver.AtomicStore].
func (s Store) SetNX(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	return s.To.SetNX(ctx, key, wrapped(value), option(ttl))
}

// CompareAndSwap implements [driver.AtomicStore].
func (s Store) CompareAndSwap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	return s.To.CompareAndSwap(ctx, key, wrapped(old), wrapped(new), option(ttl))
}

// CompareAndDelete implements [driver.AtomicStore].
func (s Store) CompareAndDelete(ctx context.Context, key string, old []byte) (bool, error) {
	return s.To.CompareAndDelete(ctx, key, wrapped(old))
}

// placeholderHead begins the wrapped form of a placeholder. A placeholder of the front is a JSON text
// after a space, which the front of the inner store would compact.
const placeholderHead = `{"a placeholder":`

func wrapped(value []byte) json.RawMessage {
	if text, is := bytes.CutPrefix(value, []byte(" ")); is {
		return slices.Concat([]byte(placeholderHead), text, []byte("}"))
	}
	return value
}

func unwrapped(value []byte) []byte {
	if text, is := bytes.CutPrefix(value, []byte(placeholderHead)); is {
		return slices.Concat([]byte(" "), text[:len(text)-1])
	}
	return value
}

func option(ttl time.Duration) adaptor.Option {
	switch ttl {
	case driver.NoTTL:
		return adaptor.Option{}
	case driver.KeepTTL:
		return adaptor.WithKeepTTL()
	}
	return adaptor.WithTTL(ttl)
}
