package kvmodule_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

// recording returns an interceptor that appends the method and the namespace of each call.
func recording(calls *[]string, name string) driver.Interceptor {
	return func(ctx context.Context, call *driver.Call) error {
		*calls = append(*calls, fmt.Sprintf("%s: %v", name, call))
		return call.Next(ctx)
	}
}

// Interceptors run in the order of the calls of Intercept, whatever the order of the options is. They are
// around the backend and around a replacement, and below the app's own decorations.
func TestInterceptors(t *testing.T) {
	fake := newMemory(t)
	for name, opts := range map[string]fx.Option{
		"of the module":        kvmodule.Module,
		"around a replacement": fx.Options(kvmodule.Module, kvmodule.ReplaceAdaptor(fake)),
	} {
		var calls []string
		var s services
		first := kvmodule.Intercept(recording(&calls, "first"))
		second := kvmodule.Intercept(recording(&calls, "second"))
		app := fxtest.New(t, second, opts, kvmodule.InNamespace("app"), fx.Module("inner", first),
			fx.Invoke(func(got services) { s = got }))
		app.RequireStart()
		mark(t, s)
		assert.Equal(t, []string{
			`first: Incr in namespace "app/ns"`, `second: Incr in namespace "app/ns"`,
			`first: Set in namespace "app/ns"`, `second: Set in namespace "app/ns"`,
		}, calls, name)
		app.RequireStop()
	}
}

// A service that takes the MemoryKV itself is not intercepted, and neither is an adaptor that a Decorate makes.
func TestInterceptorsDoNotReachOtherAdaptors(t *testing.T) {
	var calls []string
	var kv *memory.MemoryKV
	var s services
	other := fx.Decorate(func() adaptor.AtomicKVAdaptor { return newMemory(t) })
	app := fxtest.New(t, kvmodule.Module, kvmodule.Intercept(recording(&calls, "i")), other, fx.Populate(&kv),
		fx.Invoke(func(got services) { s = got }))
	app.RequireStart()
	mark(t, s)
	store, err := kv.Namespace("ns")
	require.NoError(t, err)
	require.NoError(t, store.Set(ctx, "k", 1))
	assert.Empty(t, calls)
	app.RequireStop()
}

// A refusal reaches the service as an error of its operation.
func TestInterceptorRefuses(t *testing.T) {
	down := errors.New("planted")
	var s services
	app := fxtest.New(t, kvmodule.Module, fx.Invoke(func(got services) { s = got }),
		kvmodule.Intercept(func(context.Context, *driver.Call) error { return driver.Reason(down, "down") }))
	app.RequireStart()
	store, err := s.Plain.Namespace("ns")
	require.NoError(t, err)
	err = store.Set(ctx, "k", 1)
	assert.ErrorIs(t, err, down)
	assert.EqualError(t, err, `kv: Set in namespace "ns": STORE_OPERATION_FAILED: down`)
	app.RequireStop()
}

func TestInterceptFails(t *testing.T) {
	assert.EqualError(t, quiet(kvmodule.Module, kvmodule.Intercept(nil)).Err(), "kvmodule: Intercept needs an interceptor, got nil")
	pass := kvmodule.Intercept(func(ctx context.Context, call *driver.Call) error { return call.Next(ctx) })
	assert.EqualError(t, quiet(pass).Err(), "kvmodule: Intercept needs kvmodule.Module or redismodule.Module in the app")
}

// The handles of an intercepted app are compared by the backend's own namespaces.
func TestInterceptedHandlesAreApart(t *testing.T) {
	pass := kvmodule.Intercept(func(ctx context.Context, call *driver.Call) error { return call.Next(ctx) })
	wrapped := func(name string, opts ...fx.Option) fx.Option {
		around := fx.Decorate(func(a adaptor.AtomicKVAdaptor) adaptor.AtomicKVAdaptor {
			return adaptor.Intercept(a, func(ctx context.Context, call *driver.Call) error { return call.Next(ctx) })
		})
		return fx.Module(name, append(opts, around)...)
	}
	err := quiet(kvmodule.Module, pass, kvmodule.Provide[session]("sessions"),
		wrapped("m", kvmodule.Provide[token]("sessions"))).Err()
	assert.ErrorContains(t, err, "have the same namespace")
	assert.NoError(t, quiet(kvmodule.Module, pass, kvmodule.Provide[session]("sessions"), kvmodule.Provide[token]("tokens")).Err())
}
