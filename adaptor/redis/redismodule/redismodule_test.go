package redismodule_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"
	"go.uber.org/goleak"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/adaptor/redis/redismodule"
	"github.com/zelt-go/kv/internal/redistest"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

var ctx = context.Background()

func TestMain(m *testing.M) {
	_ = os.Unsetenv("REDIS_URL")
	goleak.VerifyTestMain(m)
}

// services are what an app has: one that counts, one that only stores.
type services struct {
	fx.In

	Atomic adaptor.AtomicKVAdaptor
	Plain  adaptor.KVAdaptor
}

func (s services) use(t *testing.T) {
	t.Helper()
	atomic, err := s.Atomic.Namespace("ns")
	require.NoError(t, err)
	_, err = atomic.Incr(ctx, "atomic", 1)
	require.NoError(t, err)
	plain, err := s.Plain.Namespace("ns")
	require.NoError(t, err)
	require.NoError(t, plain.Set(ctx, "plain", 1))
}

func populate(s *services) fx.Option { return fx.Invoke(func(got services) { *s = got }) }

func TestOneServerBehindAll(t *testing.T) {
	server := redistest.Start(t)
	for name, option := range map[string]fx.Option{
		"WithConfig":      redismodule.WithConfig(redis.Config{URL: server.URL()}),
		"supplied config": fx.Supply(redis.Config{URL: server.URL()}),
	} {
		t.Run(name, func(t *testing.T) {
			server.Do("FLUSHALL")
			var s services
			app := fxtest.New(t, redismodule.Module, option, populate(&s))
			app.RequireStart()
			s.use(t)
			assert.Equal(t, "1 1", server.Do("MGET", "ns:atomic", "ns:plain"))
			app.RequireStop()
			assert.Zero(t, server.Clients())
		})
	}
}

func TestURLFromTheEnvironment(t *testing.T) {
	server := redistest.Start(t)
	t.Setenv("REDIS_URL", server.URL())
	var s services
	app := fxtest.New(t, redismodule.Module, populate(&s))
	app.RequireStart()
	s.use(t)
	app.RequireStop()
	assert.Equal(t, "1", server.Do("GET", "ns:atomic"))
}

func TestClientFromTheGraph(t *testing.T) {
	server := redistest.Start(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr}, DisableRetry: true, DisableCache: true})
	require.NoError(t, err)
	defer client.Close()
	var s services
	app := fxtest.New(t, redismodule.Module, fx.Supply(fx.Annotate(client, fx.As(new(rueidis.Client)))), populate(&s))
	app.RequireStart()
	s.use(t)
	app.RequireStop()
	assert.NoError(t, client.Do(ctx, client.B().Ping().Build()).Error())
}

func TestNoServerFailsTheStart(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	app := fx.New(fx.NopLogger, redismodule.Module, redismodule.WithConfig(redis.Config{URL: server.URL()}), fx.Invoke(func(adaptor.KVAdaptor) {}))
	require.NoError(t, app.Err())
	assert.ErrorContains(t, app.Start(ctx), "redis: start with "+server.Addr+": connection refused")
}

func TestBadConfigFailsTheApp(t *testing.T) {
	app := fx.New(fx.NopLogger, redismodule.Module, redismodule.WithConfig(redis.Config{URL: "http://x"}), fx.Invoke(func(adaptor.KVAdaptor) {}))
	assert.ErrorContains(t, app.Err(), "redismodule: redis: Config.URL has another scheme")
}

// To fx a *redis.Config is another type: it would be ignored in silence.
func TestPitfallPointerConfig(t *testing.T) {
	app := fx.New(fx.NopLogger, redismodule.Module, fx.Supply(&redis.Config{}), fx.Invoke(func(adaptor.KVAdaptor) {}))
	assert.ErrorContains(t, app.Err(), "use redismodule.WithConfig")
}

// With both modules fx.New fails, and what it says names the way out.
func TestPitfallBothModules(t *testing.T) {
	for _, modules := range [][]fx.Option{{kvmodule.Module, redismodule.Module}, {redismodule.Module, kvmodule.Module}} {
		app := fx.New(fx.NopLogger, fx.Options(modules...), fx.Invoke(func(adaptor.KVAdaptor) {}))
		require.Error(t, app.Err())
		t.Log(app.Err())
		assert.ErrorContains(t, app.Err(), "already provided by")
		assert.ErrorContains(t, app.Err(), "eitherKvmoduleOrRedismodule")
		assert.ErrorContains(t, app.Err(), "adaptor/redis/redismodule")
		assert.ErrorContains(t, app.Err(), "zelt-go/kv/kvmodule")
	}
}

// A test swaps the adaptor as it does with kvmodule: no RedisKV is built, and nothing connects.
func TestReplaceAdaptor(t *testing.T) {
	fake, err := memory.New(memory.Config{})
	require.NoError(t, err)
	var s services
	app := fxtest.New(t, redismodule.Module, redismodule.WithConfig(redis.Config{URL: "redis://name.invalid"}),
		kvmodule.ReplaceAdaptor(fake), populate(&s))
	app.RequireStart()
	s.use(t)
	app.RequireStop()
	assert.Equal(t, 2, fake.Stats().Entries)
}

type session struct{ User string }

// Handles lie on the server too. Another program deletes a key while it is loaded: what was
// loaded is not stored.
func TestHandles(t *testing.T) {
	server := redistest.Start(t)
	var sessions adaptor.Typed[session]
	app := fxtest.New(t, redismodule.Module, redismodule.WithConfig(redis.Config{URL: server.URL()}),
		kvmodule.Provide[session]("sessions", adaptor.DefaultTTL(time.Hour), adaptor.NoneTTL(time.Minute)),
		fx.Populate(&sessions))
	app.RequireStart()
	defer app.RequireStop()

	load := func(meanwhile func(), loaded adaptor.Loaded[session]) {
		t.Helper()
		got, found, err := sessions.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[session], error) {
			assert.Contains(t, server.Do("GET", "sessions:k"), ` "kv:load `)
			meanwhile()
			return loaded, nil
		})
		require.NoError(t, err)
		assert.Equal(t, !loaded.None, found)
		assert.Equal(t, loaded.Value, got)
	}
	ada := adaptor.Loaded[session]{Value: session{"Ada"}}
	load(func() { server.Do("DEL", "sessions:k") }, ada)
	assert.Equal(t, "(nil)", server.Do("GET", "sessions:k"))

	load(func() {}, ada)
	assert.Equal(t, `{"User":"Ada"}`, server.Do("GET", "sessions:k"))
	assert.Contains(t, []string{"3599", "3600"}, server.Do("TTL", "sessions:k"))

	require.NoError(t, sessions.Del(ctx, "k"))
	load(func() {}, adaptor.Loaded[session]{None: true})
	assert.Contains(t, []string{"59", "60"}, server.Do("TTL", "sessions:k"))
	has, err := sessions.Has(ctx, "k")
	require.NoError(t, err)
	assert.False(t, has)
	stored, err := sessions.SetNX(ctx, "k", session{"Grace"})
	require.NoError(t, err)
	assert.True(t, stored)
}

func TestHandlesAreApart(t *testing.T) {
	err := fx.New(fx.NopLogger, redismodule.Module, redismodule.WithConfig(redis.Config{URL: "redis://name.invalid"}),
		kvmodule.Provide[session]("sessions"), kvmodule.Provide[int]("sessions")).Err()
	assert.ErrorContains(t, err, "have the same namespace")
}

// What nobody asks for is not built: nothing connects.
func TestPitfallNobodyAsks(t *testing.T) {
	app := fxtest.New(t, redismodule.Module, redismodule.WithConfig(redis.Config{URL: "redis://name.invalid"}))
	app.RequireStart()
	app.RequireStop()
}

// Each module refuses the configuration of the other one, which would have no effect.
func TestConfigOfTheOtherModuleFails(t *testing.T) {
	assert.EqualError(t, fx.New(fx.NopLogger, kvmodule.Module, redismodule.WithConfig(redis.Config{})).Err(),
		"kvmodule: redismodule.WithConfig has no effect in an app with kvmodule.Module: use redismodule.Module, or kvmodule.WithConfig")
	assert.EqualError(t, fx.New(fx.NopLogger, redismodule.Module, kvmodule.WithConfig(memory.Config{})).Err(),
		"kvmodule: kvmodule.WithConfig has no effect in an app with redismodule.Module: use kvmodule.Module, or redismodule.WithConfig")
	config := redismodule.WithConfig(redis.Config{})
	twice := fx.New(fx.NopLogger, redismodule.Module, config, config).Err()
	assert.ErrorContains(t, twice, "already provided by")
	assert.ErrorContains(t, twice, "redismodule.WithConfig")
}

// A constructor runs before every OnStart hook, so nothing is connected yet. The error says where
// the first operation belongs, and there it works.
func TestFirstUseBelongsInAnOnStartHook(t *testing.T) {
	server := redistest.Start(t)
	first := func(kv adaptor.AtomicKVAdaptor) error {
		store, err := kv.Namespace("ns")
		if err != nil {
			return err
		}
		return store.Set(ctx, "k", 1)
	}
	module := fx.Options(redismodule.Module, redismodule.WithConfig(redis.Config{URL: server.URL()}))
	err := fx.New(fx.NopLogger, module, fx.Invoke(first)).Err()
	assert.ErrorContains(t, err, "not started")
	assert.ErrorContains(t, err, "in an OnStart hook, not in a constructor")

	app := fxtest.New(t, module, fx.Invoke(func(lc fx.Lifecycle, kv adaptor.AtomicKVAdaptor) {
		lc.Append(fx.StartHook(func() error { return first(kv) }))
	}))
	app.RequireStart()
	assert.Equal(t, "1", server.Do("GET", "ns:k"))
	app.RequireStop()
}
