// Package kvmodule provides a [memory.MemoryKV] to an fx app, as the stores that its services
// ask for:
//
//	fx.New(kvmodule.Module, fx.Provide(NewCacheService), …)
//
// The options of an app, by purpose:
//
//   - [Module] gives services their stores in memory, and redismodule.Module on Redis.
//   - [WithConfig] configures the store.
//   - [Provide] gives services a handle on values of one type.
//   - [ReplaceAdaptor] gives services another adaptor, in a test or in production.
//   - [InNamespace] puts all services below one namespace, for example a tenant's.
//   - [Intercept] traces, measures or refuses every operation.
//   - [Backend] and [BackendConfig] make the module of another backend.
//
// # Inside a service
//
// A service takes an [adaptor.AtomicKVAdaptor] in its constructor, or an [adaptor.KVAdaptor] if it
// needs no atomic operation. A service that takes *memory.MemoryKV itself always gets memory:
// none of the options above reaches it.
//
// A constructor may open namespaces. The first operation belongs in an OnStart hook, or later:
//
//	func NewCounter(lc fx.Lifecycle, kv adaptor.AtomicKVAdaptor) (*Counter, error) {
//		store, err := kv.Namespace("counter")
//		c := &Counter{store}
//		lc.Append(fx.StartHook(c.load)) // c.load may use the store
//		return c, err
//	}
//
// An operation inside the constructor works on memory. On Redis it returns an error ("not
// started"), because redismodule connects in its own OnStart hook. fx runs this hook before the
// hooks of all services that use the store.
//
// # Changing the adaptor with fx itself
//
// Both adaptor types come from the one MemoryKV by a chain: *memory.MemoryKV, AtomicKVAdaptor,
// KVAdaptor. Each is made from the previous one. Therefore one decoration of AtomicKVAdaptor at
// the root of the app also changes KVAdaptor:
//
//	fx.Decorate(func(kv adaptor.AtomicKVAdaptor) (adaptor.AtomicKVAdaptor, error) { … })
//
// fx has these rules:
//
//   - The result type must be the interface. At the root, fx.New fails if a Decorate returns
//     *adaptor.AtomicKVStore, which to fx is another type. Inside an fx.Module such a Decorate
//     has no effect and causes no error. Use [InNamespace] there.
//   - Inside an fx.Module, a Decorate of AtomicKVAdaptor does not change KVAdaptor.
//     [InNamespace] changes both.
//   - fx allows one decoration of a type per scope. A second one fails ("already decorated").
//     [ReplaceAdaptor] is not such a decoration: the app's own Decorate receives the
//     replacement.
//   - fx.Replace(a) replaces the concrete type of a. With a *memory.MemoryKV it reaches the
//     services of kvmodule.Module. With any other type it has no effect and causes no error.
//
// # Life
//
// The collector starts and stops with the app, if a service needs the MemoryKV. Otherwise
// nothing is built and nothing runs. If the start of the app times out, fx skips every OnStop. A
// program that continues after that, such as a test, calls the Stop of its MemoryKV itself.
package kvmodule

import (
	"errors"
	"fmt"
	"log/slog"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

// Module provides *memory.MemoryKV, adaptor.AtomicKVAdaptor and adaptor.KVAdaptor. Optional
// values from the graph are a [memory.Config] (see [WithConfig]) and a *slog.Logger, which gets
// one debug line per sweep that removed an entry.
//
// An app has one Module, and either this one or redismodule.Module: fx refuses a second
// provider of a type.
var Module = Backend(packageName, New, eitherKvmoduleOrRedismodule)

const packageName = "kvmodule"

// eitherKvmoduleOrRedismodule is quoted by fx in the error of an app with both modules.
func eitherKvmoduleOrRedismodule(kv *memory.MemoryKV) adaptor.AtomicKVAdaptor { return kv }

// Params is the input of [New].
type Params struct {
	fx.In

	Lifecycle fx.Lifecycle
	Config    memory.Config `optional:"true"`
	Logger    *slog.Logger  `optional:"true"`

	// Misplaced must be nil. To fx a pointer is another type than memory.Config, so it would
	// have no effect.
	Misplaced *memory.Config `optional:"true"`
}

// Result is the output of [New].
type Result struct {
	fx.Out

	KV *memory.MemoryKV
}

// New makes the MemoryKV and appends its Start and Stop to the app's lifecycle. The error says
// which part of the configuration is wrong.
func New(p Params) (Result, error) {
	if p.Misplaced != nil {
		return Result{}, errors.New("kvmodule: the app supplies a *memory.Config, which has no effect: use kvmodule.WithConfig, or supply a memory.Config")
	}
	if p.Config.Logger == nil {
		p.Config.Logger = p.Logger
	}
	kv, err := memory.New(p.Config)
	if err != nil {
		return Result{}, fmt.Errorf("kvmodule: %w", err)
	}
	p.Lifecycle.Append(fx.StartStopHook(kv.Start, kv.Stop))
	return Result{KV: kv}, nil
}

// WithConfig supplies the configuration of the MemoryKV, once per app. fx.New fails if the app
// does not have kvmodule.Module.
func WithConfig(config memory.Config) fx.Option {
	return BackendConfig(packageName, func() memory.Config { return config })
}
