package main

import (
	"log/slog"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/adaptor/redis/redismodule"
	"github.com/zelt-go/kv/examples/cache"
	"github.com/zelt-go/kv/examples/lock"
	"github.com/zelt-go/kv/examples/ratelimit"
	"github.com/zelt-go/kv/examples/session"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

// module is the whole app. This is the only file that knows fx, main's start and stop apart.
func module(config Config, log *slog.Logger) fx.Option {
	return fx.Options(
		fx.Supply(config, log),
		fx.WithLogger(func() fxevent.Logger { return quiet(log) }),
		backend(config),
		fx.Provide(
			cache.NewCacheService,
			ratelimit.NewRateLimiter,
			session.NewSessions,
			lock.NewLocker,
		),
		fx.Decorate(
			func(s *cache.CacheService) *cache.CacheService { return s.WithTTL(config.CacheTTL) },
			func(l *ratelimit.RateLimiter) *ratelimit.RateLimiter { return l.WithWindow(config.RateWindow) },
			func(s *session.Sessions) *session.Sessions { return s.WithLifetime(config.SessionTTL) },
			func(l *lock.Locker) *lock.Locker { return l.WithOwner(config.Name) },
		),
		fx.Provide(
			NewActivity, NewDatabase,
			NewUsers, NewLogins, NewJobs, NewHits,
			NewLimit, NewHealth, NewMetrics, NewLive,
			NewHandler, NewServer,
		),
		// The server's hook comes after the store's, which the server needs: fx stops it before.
		fx.Invoke(func(lc fx.Lifecycle, s *Server) { lc.Append(fx.StartStopHook(s.Start, s.Stop)) }),
	)
}

// Backend is what the stores are on.
type Backend struct {
	Name  string
	Stats func() memory.Stats // nil if it has none
}

// backend is memory or Redis, as KV_URL has it: no service notices.
func backend(config Config) fx.Option {
	if config.KVURL != "" {
		return fx.Options(
			redismodule.Module,
			redismodule.WithConfig(redis.Config{URL: config.KVURL, Timeout: config.KVTimeout}),
			fx.Supply(Backend{Name: "Redis"}),
		)
	}
	return fx.Options(
		kvmodule.Module,
		kvmodule.WithConfig(memory.Config{GCInterval: config.KVGCInterval, MaxBytes: config.KVMaxMB << 20, MaxValueBytes: 64 << 10}),
		fx.Provide(func(kv *memory.MemoryKV) Backend { return Backend{"memory", kv.Stats} }),
	)
}

// quiet is fx's log without what main says better.
func quiet(log *slog.Logger) fxevent.Logger {
	l := &fxevent.SlogLogger{Logger: log}
	l.UseLogLevel(slog.LevelDebug)
	l.UseErrorLevel(slog.LevelDebug)
	return l
}
