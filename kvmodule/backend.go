package kvmodule

import (
	"errors"
	"fmt"
	"reflect"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
)

// Backend returns the fx module of a backend, such as [Module] and redismodule.Module. A backend
// of another repository gets the same wiring:
//
//	var Module = kvmodule.Backend("mymodule", New, asAdaptor)
//
//	func asAdaptor(kv *mykv.MyKV) adaptor.AtomicKVAdaptor { return kv }
//
// The constructor provides an A, and may take and provide more, as every argument of fx.Provide
// may. The module adds an [adaptor.AtomicKVAdaptor] and an [adaptor.KVAdaptor]. It makes each
// one from the previous one, so that [ReplaceAdaptor] and fx.Decorate change both.
//
// The name is the name of the constructor's package, for error texts. If an app has the modules
// of two backends, the error of fx quotes the names of both asAdaptor functions.
func Backend[A adaptor.AtomicKVAdaptor](name string, constructor any, asAdaptor func(A) adaptor.AtomicKVAdaptor) fx.Option {
	return fx.Module("kv",
		fx.Provide(
			fx.Annotated{Name: "kvmodule.backend", Target: asAdaptor},
			constructor,
			newBase,
			newAtomicAdaptor,
			newPlainAdaptor,
			func() backendModule { return backendModule{name: name} },
			func(b *base) rootBase { return rootBase{b} },
		),
		fx.Provide(func() *adaptor.AtomicKVStore { return nil }, fx.Private),
		fx.Invoke(refuseDecoratedStore),
	)
}

// refuseDecoratedStore receives the nil that the module provides to itself, unless a Decorate at
// the root returns this type. To fx it is another type than adaptor.AtomicKVAdaptor, so such a
// Decorate would have no effect on the services. Otherwise nothing is built here.
func refuseDecoratedStore(store *adaptor.AtomicKVStore) error {
	if store == nil {
		return nil
	}
	return errors.New("kvmodule: a Decorate of the app returns *adaptor.AtomicKVStore, which has no effect: " +
		"its result must be of type adaptor.AtomicKVAdaptor (to put all services below one namespace, use kvmodule.InNamespace)")
}

// BackendConfig returns the option that supplies a backend's configuration. [WithConfig] and
// redismodule.WithConfig are made by it.
//
// The constructor provides the configuration, as an argument of fx.Provide. It is a function
// literal in the backend's own WithConfig: if an app gives the option twice, the error of fx
// names this function.
//
// The option makes fx.New fail if the app has the module of another backend, or no module.
// Without this check the configuration would have no effect and cause no error.
func BackendConfig(name string, constructor any) fx.Option {
	return fx.Options(
		fx.Provide(constructor),
		fx.Invoke(func(app struct {
			fx.In
			Module backendModule `optional:"true"`
		}) error {
			switch app.Module.name {
			case name:
				return nil
			case "":
				return fmt.Errorf("kvmodule: %s.WithConfig has no effect without %s.Module: add the module to the app", name, name)
			}
			return fmt.Errorf("kvmodule: %s.WithConfig has no effect in an app with %s.Module: use %s.Module, or %s.WithConfig",
				name, app.Module.name, name, app.Module.name)
		}),
	)
}

// backendModule tells the options of an app which module the app has. Its zero value means
// none.
type backendModule struct{ name string }

// base is the adaptor below the app's own decorations: the backend, or its replacement.
type base struct{ adaptor adaptor.AtomicKVAdaptor }

func newBase(backend struct {
	fx.In
	Adaptor adaptor.AtomicKVAdaptor `name:"kvmodule.backend"`
}) *base {
	return &base{backend.Adaptor}
}

// rootBase is the base that the app's AtomicKVAdaptor is made from.
type rootBase struct{ *base }

func newAtomicAdaptor(in struct {
	fx.In
	Base         *base
	Interceptors []interceptor `group:"kvmodule.interceptors"`
}) (adaptor.AtomicKVAdaptor, error) {
	if isNil(in.Base.adaptor) {
		return nil, errNilAdaptor
	}
	return intercepted(in.Base.adaptor, in.Interceptors), nil
}

func newPlainAdaptor(a adaptor.AtomicKVAdaptor) (adaptor.KVAdaptor, error) {
	if isNil(a) {
		return nil, errNilAdaptor
	}
	return adaptor.WithoutAtomic(a), nil
}

var errNilAdaptor = errors.New("kvmodule: the adaptor.AtomicKVAdaptor in the app is nil")

// isNil reports whether a is nil or holds a nil pointer.
func isNil(a adaptor.AtomicKVAdaptor) bool {
	if a == nil {
		return true
	}
	switch v := reflect.ValueOf(a); v.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return v.IsNil()
	}
	return false
}
