package adaptor

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Driver returns the backend behind an adaptor or a store. Code below this package needs it, for
// example a wrapper or a cache in front of another backend. The paths of the returned opener begin
// at a: for a store, at its namespace. Every optional interface of the backend works through it.
//
// An adaptor of another type may have the method Driver() driver.AtomicOpener, as *memory.MemoryKV
// has. Without it, or if the method comes from an embedded adaptor, the returned opener opens stores
// by a.Namespace. Driver(nil) returns nil.
func Driver(a AtomicKVAdaptor) driver.AtomicOpener {
	switch a := a.(type) {
	case nil:
		return nil
	case atomicRoot:
		return a.backend
	case *AtomicKVStore:
		return &storeOpener{a}
	case interface{ Driver() driver.AtomicOpener }:
		if !isPromoted(reflect.TypeOf(a), "Driver") {
			return a.Driver()
		}
	}
	return adaptorOpener{a}
}

// isPromoted reports whether the method of t is, or hides, a method of an embedded field. The Driver of an
// embedded adaptor would bypass the Namespace of t.
func isPromoted(t reflect.Type, method string) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return false
	}
	for field := range t.NumField() {
		if f := t.Field(field); f.Anonymous {
			_, is := f.Type.MethodByName(method)
			if !is && f.Type.Kind() != reflect.Pointer {
				_, is = reflect.PointerTo(f.Type).MethodByName(method)
			}
			if is {
				return true
			}
		}
	}
	return false
}

// Intercept returns an adaptor of the same stores as a, with every operation passed through i; see
// [driver.Interceptor]. It serves tracing, metrics, limits and faults.
//
// Errors and Calls contain the whole path from the backend, also if a is a store. Loads of
// [Typed.GetOrLoad] are shared with all other adaptors of the backend. If a or i is nil, every
// Namespace returns ErrStoreOperationFailed.
func Intercept(a AtomicKVAdaptor, i driver.Interceptor) AtomicKVAdaptor {
	return NewAtomic(driver.Intercept(Driver(a), i))
}

// Ping returns nil if the backend of a can answer now. It serves readiness checks, and stores
// nothing. Ping returns ErrStoreOperationFailed if the backend does not answer before ctx ends, or
// if a is nil.
//
// Ping uses [driver.Pinger] if the backend implements it, and otherwise looks for one key in the
// namespace "ping".
func Ping[S Reader](ctx context.Context, a interface{ Namespace(string) (S, error) }) error {
	if a == nil {
		return failure(opPing, nil, "", CodeStoreOperationFailed, errNoBackend)
	}
	opened, err := a.Namespace("ping")
	if err != nil {
		return err
	}
	var s *KVStore
	if any(opened) != nil {
		s = opened.plain()
	}
	if !s.ready(ctx) {
		return s.notReady(ctx, opPing, "")
	}
	if err := driver.Ping(ctx, s.store); err != nil {
		return s.fail(opPing, "", err)
	}
	return nil
}

// storeOpener opens the namespaces below a store.
type storeOpener struct{ store *AtomicKVStore }

// OpenAtomic implements [driver.AtomicOpener].
func (o *storeOpener) OpenAtomic(path []string) (driver.AtomicStore, error) {
	opener, at := o.Inner(path)
	if opener == nil {
		return nil, errNoStore
	}
	return opener.OpenAtomic(at)
}

// Inner implements [driver.Wrapper].
func (o *storeOpener) Inner(path []string) (driver.AtomicOpener, []string) {
	if o.store == nil || o.store.atomic == nil {
		return nil, nil
	}
	return o.store.opener, slices.Concat(o.store.at, path)
}

// adaptorOpener opens the namespaces of an adaptor by its method Namespace.
type adaptorOpener struct{ adaptor AtomicKVAdaptor }

// OpenAtomic implements [driver.AtomicOpener].
func (o adaptorOpener) OpenAtomic(path []string) (driver.AtomicStore, error) {
	s, err := o.adaptor.Namespace(path[0])
	var e *Error
	switch {
	case errors.As(err, &e) && e != nil && e.Err != nil:
		return nil, e.Err
	case err != nil:
		return nil, err
	case s == nil || s.atomic == nil:
		return nil, errNoStore
	case len(path) == 1:
		return s.atomic, nil
	}
	return s.opener.OpenAtomic(slices.Concat(s.at, path[1:]))
}

// Inner implements [driver.Wrapper].
func (o adaptorOpener) Inner(path []string) (driver.AtomicOpener, []string) {
	if len(path) == 0 {
		return nil, nil
	}
	s, err := o.adaptor.Namespace(path[0])
	if err != nil || s == nil || s.atomic == nil {
		return nil, nil
	}
	return s.opener, slices.Concat(s.at, path[1:])
}
