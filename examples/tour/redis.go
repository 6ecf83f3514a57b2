package main

import (
	"crypto/rand"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/adaptor/redis/redismodule"
)

// onRedis is what the app uses instead of kvmodule: no service notices. The tour gets a
// namespace of its own on a server that others may use, and leaves nothing there.
func onRedis(url string) fx.Option {
	return fx.Options(
		redismodule.Module,
		redismodule.WithConfig(redis.Config{URL: url}),
		fx.Decorate(func(kv adaptor.AtomicKVAdaptor, lc fx.Lifecycle) (adaptor.AtomicKVAdaptor, error) {
			own, err := kv.Namespace("tour-" + rand.Text())
			if err != nil {
				return nil, err
			}
			lc.Append(fx.StopHook(own.ClearTree))
			return own, nil
		}),
	)
}
