package main

import (
	"log/slog"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/adaptor/redis/redismodule"
	"github.com/zelt-go/kv/examples/lock"
	"github.com/zelt-go/kv/examples/ratelimit"
	"github.com/zelt-go/kv/examples/session"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

// module is the whole app. Only this file and main.go import fx.
func module(config Config, log *slog.Logger) fx.Option {
	return fx.Options(
		fx.Supply(config, log),
		fx.WithLogger(func() fxevent.Logger { return quiet(log) }),
		backend(config),
		fx.Provide(
			ratelimit.NewRateLimiter,
			session.NewSessions,
			lock.NewLocker,
		),
		fx.Decorate(
			func(l *ratelimit.RateLimiter) *ratelimit.RateLimiter { return l.WithWindow(config.RateWindow) },
			func(s *session.Sessions) *session.Sessions { return s.WithLifetime(config.SessionTTL) },
			func(l *lock.Locker) *lock.Locker { return l.WithOwner(config.Name) },
		),
		fx.Provide(
			NewActivity, NewDatabase,
			NewUsers, NewLogins, NewJobs, NewHits,
			NewLimit, NewHealth, NewMetrics, NewLive,
			NewRoutes, NewHandler, NewServer,
		),
		// The server needs the store, so fx appends its hook later and stops it earlier.
		fx.Invoke(func(lc fx.Lifecycle, s *Server) { lc.Append(fx.StartStopHook(s.Start, s.Stop)) }),
	)
}

// Backend describes the backend of the stores.
type Backend struct {
	Name  string
	Stats func() memory.Stats // nil if the backend has no statistics
}

// backend returns Redis if KV_URL is set, and memory otherwise. No service notices the difference.
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

// quiet returns a log of fx that is silent above the debug level. main logs start, stop and errors.
func quiet(log *slog.Logger) fxevent.Logger {
	l := &fxevent.SlogLogger{Logger: log}
	l.UseLogLevel(slog.LevelDebug)
	l.UseErrorLevel(slog.LevelDebug)
	return l
}
