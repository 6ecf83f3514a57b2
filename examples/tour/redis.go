package main

import (
	"crypto/rand"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/adaptor/redis/redismodule"
)

// onRedis returns the options that replace kvmodule. No service notices the difference. The
// tour works in its own namespace, because others may use the server, and removes it at the
// end.
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
