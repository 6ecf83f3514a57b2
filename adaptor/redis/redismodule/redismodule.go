// Package redismodule provides a [redis.RedisKV] to an fx app, as the stores that its services
// ask for. It has the shape of kvmodule and replaces it:
//
//		fx.New(redismodule.Module, fx.Provide(NewCacheService), …)
//
//	  - [Module] gives services their stores on Redis.
//	  - [WithConfig] says which server. Without it the environment variable REDIS_URL does.
//	  - The options of [kvmodule] work with both modules: another adaptor in a test, a handle on
//	    values of one type, one namespace for all services.
//
// The app starts only if the server answers and has all commands that the stores need. The
// connections close when the app stops.
//
// A constructor may open namespaces. The first operation belongs in an OnStart hook or later,
// because the RedisKV connects in its own OnStart hook. fx runs this hook before the hooks of all
// services that use the store. An operation inside a constructor returns an error.
package redismodule

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/redis/rueidis"
	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/kvmodule"
)

// Module provides *redis.RedisKV, adaptor.AtomicKVAdaptor and adaptor.KVAdaptor. Optional values
// from the graph are a [redis.Config] (see [WithConfig]), a *slog.Logger, and a rueidis.Client.
// Without a Config the URL comes from REDIS_URL. The RedisKV uses a given client instead of its
// own; the provider of the client closes it.
//
// An app has one Module, and either this one or kvmodule.Module: fx refuses a second provider
// of a type, and names both.
var Module = kvmodule.Backend(packageName, New, eitherKvmoduleOrRedismodule)

const packageName = "redismodule"

// eitherKvmoduleOrRedismodule is quoted by fx in the error of an app with both modules.
func eitherKvmoduleOrRedismodule(kv *redis.RedisKV) adaptor.AtomicKVAdaptor { return kv }

// Params is the input of [New].
type Params struct {
	fx.In

	Lifecycle fx.Lifecycle
	Config    redis.Config   `optional:"true"`
	Client    rueidis.Client `optional:"true"`
	Logger    *slog.Logger   `optional:"true"`

	// Misplaced must be nil. To fx a pointer is another type than redis.Config, so it would have
	// no effect.
	Misplaced *redis.Config `optional:"true"`
}

// Result is the output of [New].
type Result struct {
	fx.Out

	KV *redis.RedisKV
}

// New makes the RedisKV and appends its Start and Stop to the app's lifecycle. The error says
// which part of the configuration is wrong.
func New(p Params) (Result, error) {
	if p.Misplaced != nil {
		return Result{}, errors.New("redismodule: the app supplies a *redis.Config, which has no effect: use redismodule.WithConfig, or supply a redis.Config")
	}
	if p.Config.Logger == nil {
		p.Config.Logger = p.Logger
	}
	var kv *redis.RedisKV
	var err error
	if p.Client != nil {
		kv, err = redis.NewFromClient(p.Client, p.Config)
	} else {
		kv, err = redis.New(p.Config)
	}
	if err != nil {
		return Result{}, fmt.Errorf("redismodule: %w", err)
	}
	p.Lifecycle.Append(fx.StartStopHook(kv.Start, kv.Stop))
	return Result{KV: kv}, nil
}

// WithConfig supplies the configuration of the RedisKV, once per app. fx.New fails if the app
// does not have redismodule.Module.
func WithConfig(config redis.Config) fx.Option {
	return kvmodule.BackendConfig(packageName, func() redis.Config { return config })
}
