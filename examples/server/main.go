// Command server is a whole HTTP service that a team can start from. Its parts get their stores by
// injection, and it is ready for production.
//
//	go run ./examples/server                                    # on memory
//	KV_URL=redis://localhost:6379 go run ./examples/server      # on Redis, with any number of replicas
//	go run ./examples/server -h                                 # all settings
//
// Then open http://localhost:8080. README.md describes the routes.
//
// SIGTERM or Ctrl-C stops it gracefully: /healthz answers 503, requests in flight end, and the store
// stops last. A second signal ends it immediately. The exit code is 0 after a clean end, 1 if the server
// could not start or not stop in time, and 2 for an invalid configuration.
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
	context.AfterFunc(ctx, stop) // a second signal ends the program immediately
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run serves until ctx ends and returns the exit code. Tests add options.
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
			return exitFailed // a signal has ended ctx
		}
		fmt.Fprintf(stderr, "server: %v\n", dig.RootCause(err)) // without fx's list of constructors
		return exitFailed
	}

	log.Info("serving", "url", server.URL()) // from now on a signal stops the server gracefully
	code := exitOK
	select {
	case <-ctx.Done():
		log.Info("stopping; a second signal ends the server immediately", "grace", config.Grace)
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
