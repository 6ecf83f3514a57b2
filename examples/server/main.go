// Command server is what a team would start from: an HTTP service whose parts get their stores
// by injection, and which behaves in production.
//
//	go run ./examples/server                                    # on memory
//	KV_URL=redis://localhost:6379 go run ./examples/server      # on Redis, with any number of replicas
//	go run ./examples/server -h                                 # everything else that can be set
//
// Then open http://localhost:8080.
//
// SIGTERM or Ctrl-C stops it gracefully: /healthz turns to 503, requests in flight end, the store
// stops last. A second signal ends it at once. It exits with 0 if all ended well, 1 if it
// could not start or not stop in time, and 2 if the configuration can't be.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/dig"
	"go.uber.org/fx"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run serves until ctx ends, and returns the exit code. Tests add options.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, options ...fx.Option) int {
	config, err := parse(args, stdout)
	switch {
	case errors.Is(err, errHelped):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "server: %v (-h explains)\n", err)
		return exitUsage
	}
	log := newLogger(config, stderr)
	var server *Server
	app := fx.New(module(config, log), fx.Populate(&server), fx.Options(options...))
	starting, cancel := context.WithTimeout(ctx, app.StartTimeout())
	defer cancel()
	if err := app.Start(starting); err != nil {
		if ctx.Err() != nil {
			return exitFailed // by a signal
		}
		fmt.Fprintf(stderr, "server: %v\n", dig.RootCause(err)) // without fx's account of who asked for what
		return exitFailed
	}

	log.Info("serving", "url", server.URL()) // from here on a signal stops it gracefully
	code := exitOK
	select {
	case <-ctx.Done():
		log.Info("stopping; a second signal ends it at once", "grace", config.Grace)
	case err := <-server.Failed():
		log.Error("the server failed", "error", err)
		code = exitFailed
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), config.Grace)
	defer cancel()
	if err := app.Stop(stopping); err != nil {
		log.Error("not stopped cleanly", "error", err)
		return exitFailed
	}
	log.Info("stopped")
	return code
}
