package main

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/redis/rueidis"
	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/adaptor/redis/redismodule"
)

// onRedis is what the app uses instead of kvmodule: no service notices. The tour gets a
// namespace of its own on a server that others may use, and leaves nothing there.
func onRedis(url string) fx.Option {
	name := "tour-" + rand.Text()
	return fx.Options(
		redismodule.Module,
		redismodule.WithConfig(redis.Config{URL: url}),
		fx.Decorate(func(kv adaptor.AtomicKVAdaptor, lc fx.Lifecycle) (adaptor.AtomicKVAdaptor, error) {
			lc.Append(fx.StopHook(func(ctx context.Context) error { return removeAll(ctx, url, name+"/") }))
			return kv.Namespace(name)
		}),
	)
}

// removeAll removes all keys that begin with prefix, which no store can do.
func removeAll(ctx context.Context, url, prefix string) error {
	options, err := rueidis.ParseURL(url)
	if err != nil {
		return errors.New("KV_URL is not a URL of a Redis server") // without the password that err may show
	}
	options.DisableCache = true
	client, err := rueidis.NewClient(options)
	if err != nil {
		return err
	}
	defer client.Close()
	for cursor := uint64(0); ; {
		page, err := client.Do(ctx, client.B().Scan().Cursor(cursor).Match(prefix+"*").Count(1000).Build()).AsScanEntry()
		if err != nil {
			return err
		}
		for _, key := range page.Elements {
			if err := client.Do(ctx, client.B().Del().Key(key).Build()).Error(); err != nil {
				return err
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			return nil
		}
	}
}
