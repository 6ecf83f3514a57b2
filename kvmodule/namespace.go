package kvmodule

import (
	"errors"
	"fmt"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
)

// InNamespace puts all services of an app, or of one fx.Module, below one namespace of the
// adaptor, for example a tenant's. Services receive an adaptor.AtomicKVAdaptor and an
// adaptor.KVAdaptor that open their namespaces below it. At the root of the app the option
// applies to every service, and inside an fx.Module to the services of this module.
// Options inside each other add up: the outer name comes first.
//
// The option decorates both types. fx allows one decoration of a type per scope, so an app with
// a Decorate of one of the types in the same scope fails in fx.New.
//
// fx.New fails with adaptor.ErrEmptyNamespace if name is empty, and with an error if the app has
// neither kvmodule.Module nor redismodule.Module. Services that take *memory.MemoryKV,
// *redis.RedisKV or a named adaptor are not affected.
func InNamespace(name string) fx.Option {
	if name == "" {
		return fx.Error(fmt.Errorf("kvmodule: InNamespace: %w", adaptor.ErrEmptyNamespace))
	}
	return fx.Options(
		fx.Decorate(func(a adaptor.AtomicKVAdaptor) (adaptor.AtomicKVAdaptor, adaptor.KVAdaptor, error) {
			if isNil(a) {
				return nil, nil, errNilAdaptor
			}
			store, err := a.Namespace(name)
			if err != nil {
				return nil, nil, fmt.Errorf("kvmodule: InNamespace: %w", err)
			}
			return store, adaptor.WithoutAtomic(store), nil
		}),
		needsModule("InNamespace"),
	)
}

// needsModule makes fx.New fail with the name of an option that has no effect without a module.
func needsModule(option string) fx.Option {
	return fx.Invoke(func(app struct {
		fx.In
		Module backendModule `optional:"true"`
	}) error {
		if app.Module.name == "" {
			return errors.New("kvmodule: " + option + " needs kvmodule.Module or redismodule.Module in the app")
		}
		return nil
	})
}
