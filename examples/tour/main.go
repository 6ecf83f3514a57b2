// Command tour is an fx app with all the example services. It walks through the
// sections of the documentation on real data. For each step it prints the call and the
// result, and compares the result with the documentation.
//
// It uses a MemoryKV, or the Redis or Valkey server of the environment variable KV_URL:
//
//	KV_URL=redis://localhost:6379 go run ./examples/tour
//
// The exit code is 0 if each result was as promised, 1 if a result was not or the app did
// not start, 2 for unknown arguments, and 130 after an interrupt.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/dig"
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
	exitUsage       = 2
	exitInterrupted = 128 + int(syscall.SIGINT)
)

// gcInterval is short, so that the tour can show the collector.
const gcInterval = 200 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program immediately
	if code, done := parse(os.Args[1:], os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	os.Exit(run(ctx, os.Stdout))
}

const help = `tour walks through the documentation of Zelt KV on real data. For each step it
prints the call and the result, and compares the result with the documentation.

Usage:
  go run ./examples/tour

Environment:
  KV_URL   Redis or Valkey server, such as redis://:password@host:6379.
           Empty: the memory of this process.

Exit code:
  0    each result was as promised
  1    a result was not as promised, or the app did not start or stop
  2    unknown arguments
  130  interrupted
`

// parse reads the arguments, and reports whether they end the program with the given code.
func parse(args []string, stdout, stderr io.Writer) (code int, done bool) {
	flags := flag.NewFlagSet("tour", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return exitAsPromised, true
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(stderr, "tour: %v (-h explains)\n", err)
		return exitUsage, true
	}
	return 0, false
}

// run starts the app, walks, stops the app, and returns the exit code. Tests add options,
// for example another adaptor.
func run(ctx context.Context, out io.Writer, options ...fx.Option) int {
	backend, where := fx.Options(kvmodule.Module, kvmodule.WithConfig(memory.Config{GCInterval: gcInterval})), ""
	if url := os.Getenv("KV_URL"); url != "" {
		backend, where = onRedis(url), " on KV_URL"
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
		fmt.Fprintf(out, "The app did not start%s: %v\n", where, dig.RootCause(err)) // without fx's list of constructors
		return exitDiffers
	}

	w := &walk{ctx: ctx, out: out}
	for _, s := range sections {
		w.section(s.title, func() { s.walk(t, w) })
	}

	// The app stops cleanly even if ctx has ended.
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
