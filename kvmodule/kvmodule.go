// Package kvmodule provides a [memory.MemoryKV] to an fx app, as the stores that
// its services ask for:
//
//	fx.New(kvmodule.Module, fx.Provide(NewCacheService), …)
//
// A service takes an [adaptor.AtomicKVAdaptor], or an [adaptor.KVAdaptor] if it
// needs no atomic operation, or a handle on values of one type, from [Provide].
// [ReplaceAdaptor] swaps what they get, in one line; only a service that takes
// *memory.MemoryKV itself always gets memory.
//
// Both interfaces come from the one MemoryKV by a chain, each made from the one
// before, so replacing AtomicKVAdaptor replaces KVAdaptor too, and the MemoryKV is
// not even built. The collector starts and stops with the app, if a service needs
// the MemoryKV; otherwise nothing is built and nothing runs. (When the app's start
// times out, fx skips every OnStop. A program that goes on after that, a test say,
// calls the Stop of its MemoryKV itself.)
package kvmodule

import (
	"errors"
	"fmt"
	"log/slog"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/internal/module"
	"github.com/zelt-go/kv/memory"
)

// Module provides *memory.MemoryKV, adaptor.AtomicKVAdaptor and adaptor.KVAdaptor,
// and nothing else. Optional from the graph: [memory.Config] (see [WithConfig]) and
// *slog.Logger, which gets one debug line per sweep that removed something.
//
// An app has one Module, and either this one or redismodule.Module: fx refuses a second
// provider of a type.
var Module = fx.Module("kv",
	fx.Provide(New, eitherKvmoduleOrRedismodule, module.PlainAdaptor),
)

// Params is what [New] takes from the graph.
type Params struct {
	fx.In

	Lifecycle fx.Lifecycle
	Config    memory.Config `optional:"true"`
	Logger    *slog.Logger  `optional:"true"`

	// Misplaced is there to be refused: a pointer is another type to fx than
	// memory.Config, and would be ignored in silence.
	Misplaced *memory.Config `optional:"true"`
}

// Result is what [New] puts into the graph.
type Result struct {
	fx.Out

	KV *memory.MemoryKV
}

// New makes the MemoryKV and ties its collector to the app's life. The error says
// which part of the configuration can't be.
func New(p Params) (Result, error) {
	if p.Misplaced != nil {
		return Result{}, errors.New("kvmodule: the app supplies a *memory.Config, which would be ignored: use kvmodule.WithConfig, or supply a memory.Config")
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

// WithConfig supplies the configuration of the MemoryKV, once per app.
func WithConfig(config memory.Config) fx.Option {
	return fx.Supply(config)
}

// ReplaceAdaptor makes the whole app use a: services that take an
// adaptor.AtomicKVAdaptor or an adaptor.KVAdaptor get it, and no MemoryKV is built
// for them. It is for the root of the app; inside an fx.Module it reaches only that
// module's AtomicKVAdaptor. A nil a fails fx.New.
//
// A bare fx.Replace(a) would replace the concrete type of a only. fx allows one
// decoration of a type in a scope: an app that decorates AtomicKVAdaptor itself has to
// leave that out of a test that replaces it.
func ReplaceAdaptor(a adaptor.AtomicKVAdaptor) fx.Option {
	if module.IsNil(a) {
		return fx.Error(errors.New("kvmodule: ReplaceAdaptor needs an adaptor, got nil"))
	}
	return fx.Decorate(func() adaptor.AtomicKVAdaptor { return a })
}

// eitherKvmoduleOrRedismodule has a name that helps: in an app with both modules, fx quotes it.
func eitherKvmoduleOrRedismodule(kv *memory.MemoryKV) adaptor.AtomicKVAdaptor { return kv }
