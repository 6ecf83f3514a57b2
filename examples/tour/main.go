// Command tour is an fx app with all the example services in it. It walks through
// the sections of the documentation on real data, prints what it does and what came
// back, and compares that with what the documentation promises.
//
// It walks on a MemoryKV, or, if the environment has KV_URL, on that Redis or Valkey server:
//
//	KV_URL=redis://localhost:6379 go run ./examples/tour
//
// It exits with 0 if all was as promised, 1 if anything was not, and 130 if it was
// interrupted.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/examples/cache"
	"github.com/zelt-go/kv/examples/lock"
	"github.com/zelt-go/kv/examples/ratelimit"
	"github.com/zelt-go/kv/examples/session"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

// The exit codes.
const (
	exitAsPromised  = 0
	exitDiffers     = 1
	exitInterrupted = 128 + int(syscall.SIGINT)
)

// gcInterval is short, so that the collector can be watched.
const gcInterval = 200 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Stdout))
}

// run starts the app, walks, stops the app, and returns the exit code. Tests add
// options, to plant another adaptor.
func run(ctx context.Context, out io.Writer, options ...fx.Option) int {
	backend := fx.Options(kvmodule.Module, kvmodule.WithConfig(memory.Config{GCInterval: gcInterval}))
	if url := os.Getenv("KV_URL"); url != "" {
		backend = onRedis(url)
	}
	var t tour
	app := fx.New(
		backend,
		fx.NopLogger,
		fx.Provide(
			cache.NewCacheService,
			ratelimit.NewRateLimiter,
			session.NewSessions,
			lock.NewLocker,
		),
		kvmodule.Provide[cache.User]("people", adaptor.DefaultTTL(long), adaptor.NoneTTL(long)),
		fx.Populate(&t),
		fx.Options(options...),
	)
	if err := app.Start(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(out, "The app did not start:", err)
		return exitDiffers
	}

	w := &walk{ctx: ctx, out: out}
	for _, s := range sections {
		w.section(s.title, func() { s.walk(t, w) })
	}

	// ctx may have ended, which is no reason not to stop cleanly.
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), app.StopTimeout())
	defer cancel()
	if err := app.Stop(stopCtx); err != nil {
		fmt.Fprintln(out, "The app did not stop cleanly:", err)
		return exitDiffers
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintf(out, "\nInterrupted after %d steps. The app has stopped cleanly.\n", w.steps)
		return exitInterrupted
	case w.differences > 0:
		fmt.Fprintf(out, "\n%d of %d steps were not as promised.\n", w.differences, w.steps)
		return exitDiffers
	}
	fmt.Fprintf(out, "\nAll %d steps were as promised. The app has stopped cleanly.\n", w.steps)
	return exitAsPromised
}
