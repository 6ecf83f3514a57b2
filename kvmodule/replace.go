package kvmodule

import (
	"errors"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
)

// ReplaceAdaptor makes the whole app use a instead of the backend of its module. Services that
// take an adaptor.AtomicKVAdaptor or an adaptor.KVAdaptor receive a, inside the app's own
// decorations. The app does not build its MemoryKV or RedisKV for them.
//
// The option belongs at the root of an app with kvmodule.Module or redismodule.Module. Inside
// an fx.Module, or without one of the two modules, fx.New fails. fx.New also fails if a is nil.
//
// A bare fx.Replace(a) replaces the concrete type of a. If this type is *memory.MemoryKV and the
// app has kvmodule.Module, the services receive it. With any other type it has no effect, and fx
// reports no error.
func ReplaceAdaptor(a adaptor.AtomicKVAdaptor) fx.Option {
	if isNil(a) {
		return fx.Error(errors.New("kvmodule: ReplaceAdaptor needs an adaptor, got nil"))
	}
	replacement := &base{adaptor: a}
	return fx.Options(
		fx.Decorate(func() *base { return replacement }),
		fx.Invoke(func(app struct {
			fx.In
			Root rootBase `optional:"true"`
		}) error {
			switch app.Root.base {
			case replacement:
				return nil
			case nil:
				return errors.New("kvmodule: ReplaceAdaptor needs kvmodule.Module or redismodule.Module in the app")
			}
			return errors.New("kvmodule: ReplaceAdaptor has no effect inside an fx.Module: move it to the options of fx.New")
		}),
	)
}
