package kvmodule_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"
	"go.uber.org/goleak"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

var ctx = context.Background()

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is an app without fx's own log.
func quiet(opts ...fx.Option) *fx.App {
	return fx.New(append(opts, fx.NopLogger)...)
}

// services are what an app has: one that counts, one that only stores.
type services struct {
	fx.In

	Atomic adaptor.AtomicKVAdaptor
	Plain  adaptor.KVAdaptor
}

// mark stores through both and returns where the values can be read again.
func mark(t *testing.T, s services) {
	t.Helper()
	atomic, err := s.Atomic.Namespace("ns")
	require.NoError(t, err)
	_, err = atomic.Incr(ctx, "atomic", 1)
	require.NoError(t, err)
	plain, err := s.Plain.Namespace("ns")
	require.NoError(t, err)
	require.NoError(t, plain.Set(ctx, "plain", 1))
}

// marked reports whether mark's values are in a.
func marked(t *testing.T, a adaptor.AtomicKVAdaptor) (atomic, plain bool) {
	t.Helper()
	s, err := a.Namespace("ns")
	require.NoError(t, err)
	atomic, err = s.Has(ctx, "atomic")
	require.NoError(t, err)
	plain, err = s.Has(ctx, "plain")
	require.NoError(t, err)
	return atomic, plain
}

func newMemory(t *testing.T) *memory.MemoryKV {
	t.Helper()
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	return kv
}

func TestOneMemoryKVBehindAll(t *testing.T) {
	var s services
	var kv *memory.MemoryKV
	app := fxtest.New(t, kvmodule.Module, fx.Populate(&kv), fx.Invoke(func(got services) { s = got }))
	app.RequireStart()
	mark(t, s)
	atomic, plain := marked(t, kv)
	assert.True(t, atomic && plain)
	app.RequireStop()
}

// The collector runs from OnStart to OnStop, although fx ends the context of OnStart
// as soon as the app is up.
func TestTheCollectorLivesWithTheApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kv *memory.MemoryKV
		app := fxtest.New(t, kvmodule.Module, fx.Populate(&kv))
		time.Sleep(time.Hour)
		assert.Zero(t, kv.Stats().Sweeps, "not before OnStart")
		app.RequireStart()
		time.Sleep(10*time.Minute + time.Second)
		assert.Equal(t, uint64(10), kv.Stats().Sweeps)
		app.RequireStop()
		time.Sleep(time.Hour)
		assert.Equal(t, uint64(10), kv.Stats().Sweeps)
	})
}

func TestThousandApps(t *testing.T) {
	for range 1000 {
		app := quiet(kvmodule.Module, fx.Invoke(func(*memory.MemoryKV) {}))
		require.NoError(t, app.Start(ctx))
		require.NoError(t, app.Stop(ctx))
	}
	goleak.VerifyNone(t)
}

func TestConfigAndLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		var kv *memory.MemoryKV
		app := fxtest.New(t, kvmodule.Module, kvmodule.WithConfig(memory.Config{GCInterval: time.Second}),
			fx.Supply(logger), fx.Populate(&kv))
		app.RequireStart()
		s, err := kv.Namespace("ns")
		require.NoError(t, err)
		require.NoError(t, s.Set(ctx, "k", 1, adaptor.WithTTL(time.Second)))
		time.Sleep(10*time.Second + 1)
		assert.Equal(t, uint64(10), kv.Stats().Sweeps)
		app.RequireStop()
		assert.Equal(t, 1, strings.Count(log.String(), "removed=1"))
	})
}

// The logger of the configuration takes precedence over the logger of the app.
func TestLoggerOfTheConfigIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var own, ofApp bytes.Buffer
		logger := func(to *bytes.Buffer) *slog.Logger {
			return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: slog.LevelDebug}))
		}
		var s services
		app := fxtest.New(t, kvmodule.Module, kvmodule.WithConfig(memory.Config{Logger: logger(&own)}), fx.Supply(logger(&ofApp)),
			fx.Invoke(func(got services) { s = got }))
		app.RequireStart()
		store, err := s.Atomic.Namespace("ns")
		require.NoError(t, err)
		require.NoError(t, store.Set(ctx, "k", 1, adaptor.WithTTL(time.Second)))
		time.Sleep(2 * time.Minute)
		app.RequireStop()
		assert.Contains(t, own.String(), "removed=1")
		assert.Empty(t, ofApp.String())
	})
}

func TestBadConfigFailsTheApp(t *testing.T) {
	app := quiet(kvmodule.Module, kvmodule.WithConfig(memory.Config{GCInterval: -1}), fx.Invoke(func(adaptor.KVAdaptor) {}))
	assert.ErrorContains(t, app.Err(), "kvmodule: memory: Config.GCInterval must not be negative, got -1ns")
}

// To fx a *memory.Config is another type: it would be ignored in silence.
func TestPitfallPointerConfig(t *testing.T) {
	app := quiet(kvmodule.Module, fx.Supply(&memory.Config{GCInterval: time.Second}), fx.Invoke(func(*memory.MemoryKV) {}))
	assert.ErrorContains(t, app.Err(), "use kvmodule.WithConfig")
}

// What nobody asks for is not built: no MemoryKV, no goroutine, no hook.
func TestPitfallNobodyAsks(t *testing.T) {
	built := false
	app := quiet(kvmodule.Module, fx.Decorate(func(kv *memory.MemoryKV) *memory.MemoryKV {
		built = true
		return kv
	}))
	require.NoError(t, app.Start(ctx))
	require.NoError(t, app.Stop(ctx))
	assert.False(t, built)
}

// An app that is built and never started gets no OnStop, and needs none.
func TestPitfallNeverStarted(t *testing.T) {
	require.NoError(t, quiet(kvmodule.Module, fx.Invoke(func(*memory.MemoryKV) {})).Err())
	goleak.VerifyNone(t)
}

// fakeAdaptor has a type of its own, as a user's fake has.
type fakeAdaptor struct{ adaptor.AtomicKVAdaptor }

// One decoration of AtomicKVAdaptor swaps both interfaces, and MemoryKV isn't built.
func TestOneDecorationSwapsBoth(t *testing.T) {
	fake := &fakeAdaptor{newMemory(t)}
	for name, swap := range map[string]fx.Option{
		"ReplaceAdaptor": kvmodule.ReplaceAdaptor(fake),
		"fx.Decorate":    fx.Decorate(func() adaptor.AtomicKVAdaptor { return fake }),
		"fx.Replace as":  fx.Replace(fx.Annotate(fake, fx.As(new(adaptor.AtomicKVAdaptor)))),
	} {
		built := false
		var s services
		app := fxtest.New(t, kvmodule.Module, swap,
			fx.Decorate(func(kv *memory.MemoryKV) *memory.MemoryKV { built = true; return kv }),
			fx.Invoke(func(got services) { s = got }))
		app.RequireStart()
		mark(t, s)
		atomic, plain := marked(t, fake)
		assert.True(t, atomic && plain, name)
		assert.False(t, built, name)
		app.RequireStop()
		store, err := fake.Namespace("ns")
		require.NoError(t, err)
		require.NoError(t, errors.Join(store.Del(ctx, "atomic"), store.Del(ctx, "plain")))
	}
}

// A decoration may also wrap what the module made.
func TestDecorationMayWrap(t *testing.T) {
	var kv *memory.MemoryKV
	var s services
	app := fxtest.New(t, kvmodule.Module, fx.Populate(&kv),
		fx.Decorate(func(a adaptor.AtomicKVAdaptor) (adaptor.AtomicKVAdaptor, error) { return a.Namespace("tenant-1") }),
		fx.Invoke(func(got services) { s = got }))
	app.RequireStart()
	mark(t, s)
	tenant, err := kv.Namespace("tenant-1")
	require.NoError(t, err)
	atomic, plain := marked(t, tenant)
	assert.True(t, atomic && plain)
	app.RequireStop()
}

// fx.Replace replaces the concrete type of its argument. The chain starts at *memory.MemoryKV,
// so a MemoryKV reaches both adaptor types. Any other type has no effect: ReplaceAdaptor exists
// for this reason. If fx changes, this test fails.
func TestPitfallBareReplace(t *testing.T) {
	kv := newMemory(t)
	for name, tt := range map[string]struct {
		replace fx.Option
		want    bool
	}{
		"a MemoryKV":   {fx.Replace(kv), true},
		"another type": {fx.Replace(&fakeAdaptor{kv}), false},
	} {
		var s services
		app := fxtest.New(t, kvmodule.Module, tt.replace, fx.Invoke(func(got services) { s = got }))
		app.RequireStart()
		mark(t, s)
		atomic, plain := marked(t, kv)
		assert.Equal(t, tt.want, atomic, name)
		assert.Equal(t, tt.want, plain, name)
		app.RequireStop()
		store, err := kv.Namespace("ns")
		require.NoError(t, err)
		require.NoError(t, store.Clear(ctx))
	}
}

// The app's own decoration is around a replaced adaptor.
func TestReplaceBelowADecoration(t *testing.T) {
	fake := newMemory(t)
	tenant, err := fake.Namespace("tenant-1")
	require.NoError(t, err)
	for name, decorate := range map[string]fx.Option{
		"fx.Decorate": fx.Decorate(func(a adaptor.AtomicKVAdaptor) (adaptor.AtomicKVAdaptor, error) { return a.Namespace("tenant-1") }),
		"InNamespace": kvmodule.InNamespace("tenant-1"),
	} {
		var s services
		app := fxtest.New(t, kvmodule.ReplaceAdaptor(fake), kvmodule.Module, decorate, fx.Invoke(func(got services) { s = got }))
		app.RequireStart()
		mark(t, s)
		atomic, plain := marked(t, tenant)
		assert.True(t, atomic && plain, name)
		app.RequireStop()
		require.NoError(t, tenant.ClearTree(ctx))
	}
}

// A replacement that would have no effect is an error, whether a service needs the store or not.
func TestReplaceInTheWrongScopeFails(t *testing.T) {
	replace := kvmodule.ReplaceAdaptor(newMemory(t))
	inside := fx.Module("sibling", replace)
	needs := fx.Invoke(func(services) {})
	for name, opts := range map[string]fx.Option{
		"not needed": fx.Options(kvmodule.Module, inside),
		"needed":     fx.Options(kvmodule.Module, inside, needs),
		"first":      fx.Options(inside, kvmodule.Module, needs),
		"two levels": fx.Options(kvmodule.Module, fx.Module("outer", inside), needs),
	} {
		assert.EqualError(t, quiet(opts).Err(),
			"kvmodule: ReplaceAdaptor has no effect inside an fx.Module: move it to the options of fx.New", name)
	}
	assert.EqualError(t, quiet(replace).Err(), "kvmodule: ReplaceAdaptor needs kvmodule.Module or redismodule.Module in the app")
	assert.ErrorContains(t, quiet(kvmodule.Module, replace, replace).Err(), "already decorated")
}

// To fx, *adaptor.AtomicKVStore and adaptor.AtomicKVAdaptor are two types. A Decorate that
// returns the store compiles. At the root it is an error. Inside an fx.Module it has no effect.
func TestPitfallDecorateReturnsAStore(t *testing.T) {
	tenant := fx.Decorate(func(a adaptor.AtomicKVAdaptor) (*adaptor.AtomicKVStore, error) { return a.Namespace("tenant-1") })
	for name, needs := range map[string]fx.Option{
		"none":   fx.Options(),
		"atomic": fx.Invoke(func(adaptor.AtomicKVAdaptor) {}),
		"plain":  fx.Invoke(func(adaptor.KVAdaptor) {}),
		"handle": kvmodule.Provide[session]("sessions"),
	} {
		assert.ErrorContains(t, quiet(kvmodule.Module, tenant, needs).Err(), "kvmodule: a Decorate of the app returns *adaptor.AtomicKVStore, which has no effect", name)
	}

	kv := newMemory(t)
	var s services
	app := fxtest.New(t, kvmodule.Module, kvmodule.ReplaceAdaptor(kv),
		fx.Module("sibling", tenant, fx.Invoke(func(got services) { s = got })))
	app.RequireStart()
	mark(t, s)
	atomic, plain := marked(t, kv)
	assert.True(t, atomic && plain, "fx gives the services the undecorated adaptor")
	app.RequireStop()

	// A service may provide a store of its own type, and nothing sees the module's.
	assert.NoError(t, quiet(kvmodule.Module, fx.Provide(func(a adaptor.AtomicKVAdaptor) (*adaptor.AtomicKVStore, error) { return a.Namespace("x") }),
		fx.Invoke(func(s *adaptor.AtomicKVStore) error { return s.Set(ctx, "k", 1) })).Err())
	assert.ErrorContains(t, quiet(kvmodule.Module, fx.Invoke(func(*adaptor.AtomicKVStore) {})).Err(), "missing type: *adaptor.AtomicKVStore")
}

// funcAdaptor and mapAdaptor are adaptor types of other kinds than a pointer.
type (
	funcAdaptor func(name string) (*adaptor.AtomicKVStore, error)
	mapAdaptor  map[string]*adaptor.AtomicKVStore
)

func (f funcAdaptor) Namespace(name string) (*adaptor.AtomicKVStore, error) { return f(name) }
func (m mapAdaptor) Namespace(name string) (*adaptor.AtomicKVStore, error)  { return m[name], nil }

// An adaptor that is a func or a map replaces the app's adaptor like any other.
func TestReplaceByAFuncAndAMap(t *testing.T) {
	fake := newMemory(t)
	store, err := fake.Namespace("ns")
	require.NoError(t, err)
	for name, a := range map[string]adaptor.AtomicKVAdaptor{"func": funcAdaptor(fake.Namespace), "map": mapAdaptor{"ns": store}} {
		var s services
		app := fxtest.New(t, kvmodule.Module, kvmodule.ReplaceAdaptor(a), fx.Invoke(func(got services) { s = got }))
		app.RequireStart()
		mark(t, s)
		atomic, plain := marked(t, fake)
		assert.True(t, atomic && plain, name)
		require.NoError(t, store.Clear(ctx))
		app.RequireStop()
	}
}

func TestReplaceByNilFails(t *testing.T) {
	for name, opt := range map[string]fx.Option{
		"nil":         kvmodule.ReplaceAdaptor(nil),
		"nil pointer": kvmodule.ReplaceAdaptor((*memory.MemoryKV)(nil)),
		"nil store":   kvmodule.ReplaceAdaptor((*adaptor.AtomicKVStore)(nil)),
		"nil func":    kvmodule.ReplaceAdaptor(funcAdaptor(nil)),
		"nil map":     kvmodule.ReplaceAdaptor(mapAdaptor(nil)),
	} {
		assert.ErrorContains(t, quiet(kvmodule.Module, opt).Err(), "ReplaceAdaptor needs an adaptor, got nil", name)
	}
	app := quiet(kvmodule.Module, fx.Decorate(func() adaptor.AtomicKVAdaptor { return nil }), fx.Invoke(func(adaptor.KVAdaptor) {}))
	assert.ErrorContains(t, app.Err(), "AtomicKVAdaptor in the app is nil")
}

// A second provider of a type is an error that names it: two modules exclude each other.
func TestPitfallSecondProvider(t *testing.T) {
	second := fx.Provide(func() adaptor.AtomicKVAdaptor { return newMemory(t) })
	assert.ErrorContains(t, quiet(kvmodule.Module, second).Err(), "already provided")
	assert.ErrorContains(t, quiet(kvmodule.Module, kvmodule.Module).Err(), "already provided")
}

// The configuration of a module is given once, beside that module.
func TestWithConfigHasAnEffectOrFails(t *testing.T) {
	config := kvmodule.WithConfig(memory.Config{})
	other := kvmodule.Backend("othermodule", func() *fakeAdaptor { return &fakeAdaptor{newMemory(t)} },
		func(a *fakeAdaptor) adaptor.AtomicKVAdaptor { return a })
	assert.NoError(t, quiet(config, kvmodule.Module).Err())
	assert.EqualError(t, quiet(config).Err(), "kvmodule: kvmodule.WithConfig has no effect without kvmodule.Module: add the module to the app")
	assert.EqualError(t, quiet(other, config).Err(),
		"kvmodule: kvmodule.WithConfig has no effect in an app with othermodule.Module: use kvmodule.Module, or othermodule.WithConfig")
	twice := quiet(kvmodule.Module, config, config).Err()
	assert.ErrorContains(t, twice, "WithConfig.func")
}

// A sibling that eats the time of the start: fx gives up, and its rollback skips
// OnStop, having no time left. The collector goes on until Stop is called by hand.
func TestPitfallStartTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kv *memory.MemoryKV
		app := quiet(kvmodule.Module, fx.Populate(&kv), fx.Invoke(func(lc fx.Lifecycle) {
			lc.Append(fx.StartHook(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
		}))
		starting, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		assert.ErrorIs(t, app.Start(starting), context.DeadlineExceeded)
		time.Sleep(9*time.Minute + time.Second)
		assert.Equal(t, uint64(9), kv.Stats().Sweeps, "still running")
		assert.NoError(t, kv.Stop(ctx))
		time.Sleep(10 * time.Minute)
		assert.Equal(t, uint64(9), kv.Stats().Sweeps)
	})
}

// A sibling eats the time of the stop: what is left for the collector is a context
// that is done. Called with one, Stop still ends the collector.
func TestPitfallStopTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newMemory(t)
		require.NoError(t, kv.Start(ctx))
		done, cancel := context.WithCancel(ctx)
		cancel()
		_ = kv.Stop(done)
		synctest.Wait() // the bubble ends only when the collector has
		time.Sleep(time.Hour)
		assert.Zero(t, kv.Stats().Sweeps)
	})
}

func TestValidateApp(t *testing.T) {
	assert.NoError(t, fx.ValidateApp(kvmodule.Module, fx.Invoke(func(services) {})))
	assert.Error(t, fx.ValidateApp(fx.Invoke(func(services) {})), "without the module")
}

// A service that fails to open its namespace stops the app, with our error.
func TestErrorsReachTheApp(t *testing.T) {
	app := quiet(kvmodule.Module, fx.Invoke(func(kv adaptor.KVAdaptor) error {
		_, err := kv.Namespace("")
		return err
	}))
	assert.ErrorIs(t, app.Err(), adaptor.ErrEmptyNamespace)
}

// A backend of one's own is one ReplaceAdaptor away.
func TestOwnBackend(t *testing.T) {
	var s services
	app := fxtest.New(t, kvmodule.Module, kvmodule.ReplaceAdaptor(adaptor.NewAtomic(broken{})), fx.Invoke(func(got services) { s = got }))
	app.RequireStart()
	_, err := s.Plain.Namespace("x")
	assert.EqualError(t, err, "kv: Namespace: STORE_OPERATION_FAILED: out of order")
	app.RequireStop()
}

type broken struct{}

func (broken) OpenAtomic([]string) (driver.AtomicStore, error) {
	return nil, driver.Reason(errors.New("planted"), "out of order")
}
