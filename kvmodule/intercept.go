package kvmodule

import (
	"cmp"
	"errors"
	"slices"
	"sync/atomic"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// Intercept passes every operation of the app's adaptor through i, for tracing, metrics or faults. It works
// with kvmodule.Module and redismodule.Module, and also around an adaptor from [ReplaceAdaptor].
//
// If the program calls Intercept several times, the interceptors run in the order of these calls: the first
// one sees an operation first. The option may be anywhere in the app.
//
// The app's own fx.Decorate is around the interceptors, so an adaptor that a Decorate makes without the
// adaptor that it received is not intercepted. A service that takes *memory.MemoryKV, *redis.RedisKV or a named
// adaptor is not affected.
//
// fx.New fails if i is nil, or if the app has neither kvmodule.Module nor redismodule.Module.
func Intercept(i driver.Interceptor) fx.Option {
	if i == nil {
		return fx.Error(errors.New("kvmodule: Intercept needs an interceptor, got nil"))
	}
	in := interceptor{i, interceptors.Add(1)}
	return fx.Options(
		fx.Provide(fx.Annotate(func() interceptor { return in }, fx.ResultTags(`group:"kvmodule.interceptors"`))),
		needsModule("Intercept"),
	)
}

// interceptors counts the calls of Intercept. fx passes the members of a group in random order.
var interceptors atomic.Uint64

type interceptor struct {
	intercept driver.Interceptor
	number    uint64 // of the call of Intercept
}

// intercepted returns a with all interceptors around it.
func intercepted(a adaptor.AtomicKVAdaptor, all []interceptor) adaptor.AtomicKVAdaptor {
	slices.SortFunc(all, func(a, b interceptor) int { return cmp.Compare(b.number, a.number) })
	for _, in := range all {
		a = adaptor.Intercept(a, in.intercept)
	}
	return a
}
