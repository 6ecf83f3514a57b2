// Package redismodule provides a [redis.RedisKV] to an fx app, as the stores that its services ask
// for. It has the shape of kvmodule, and takes its place:
//
//	fx.New(redismodule.Module, fx.Provide(NewCacheService), …)
//
// A service takes an [adaptor.AtomicKVAdaptor], or an [adaptor.KVAdaptor] if it needs no
// atomic operation; both come from the one RedisKV by a chain, each made from the one before, so
// that kvmodule.ReplaceAdaptor swaps both here too. The app starts only if the server answers
// and is one that the stores can use, and the connection ends with the app.
package redismodule

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/redis/rueidis"
	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/module"
)

// Module provides *redis.RedisKV, adaptor.AtomicKVAdaptor and adaptor.KVAdaptor, and nothing
// else. Optional from the graph: [redis.Config] (see [WithConfig]; without one the server is
// REDIS_URL's), a *slog.Logger, and a rueidis.Client, which is then used instead of one of our
// own, and is closed by whoever provides it.
//
// An app has one Module, and either this one or kvmodule.Module: fx refuses a second provider
// of a type, and names both.
var Module = fx.Module("kv",
	fx.Provide(New, eitherKvmoduleOrRedismodule, module.PlainAdaptor),
)

// Params is what [New] takes from the graph.
type Params struct {
	fx.In

	Lifecycle fx.Lifecycle
	Config    redis.Config   `optional:"true"`
	Client    rueidis.Client `optional:"true"`
	Logger    *slog.Logger   `optional:"true"`

	// Misplaced is there to be refused: a pointer is another type to fx than
	// redis.Config, and would be ignored in silence.
	Misplaced *redis.Config `optional:"true"`
}

// Result is what [New] puts into the graph.
type Result struct {
	fx.Out

	KV *redis.RedisKV
}

// New makes the RedisKV and ties its connection to the app's life. The error says which part of
// the configuration can't be.
func New(p Params) (Result, error) {
	if p.Misplaced != nil {
		return Result{}, errors.New("redismodule: the app supplies a *redis.Config, which would be ignored: use redismodule.WithConfig, or supply a redis.Config")
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

// WithConfig supplies the configuration of the RedisKV, once per app.
func WithConfig(config redis.Config) fx.Option {
	return fx.Supply(config)
}

// eitherKvmoduleOrRedismodule has a name that helps: in an app with both modules, fx quotes it.
func eitherKvmoduleOrRedismodule(kv *redis.RedisKV) adaptor.AtomicKVAdaptor { return kv }
