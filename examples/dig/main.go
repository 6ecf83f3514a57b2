// Command dig uses the services of the other examples with a bare container of
// go.uber.org/dig, without fx.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.uber.org/dig"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/examples/cache"
	"github.com/zelt-go/kv/examples/lock"
	"github.com/zelt-go/kv/examples/ratelimit"
	"github.com/zelt-go/kv/examples/session"
	"github.com/zelt-go/kv/memory"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run builds the container and uses the services while the collector runs.
func run(ctx context.Context, out io.Writer) error {
	container, err := build()
	if err != nil {
		return err
	}
	return container.Invoke(func(kv *memory.MemoryKV, s services) (err error) {
		if err := kv.Start(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, kv.Stop(ctx)) }()
		return s.use(ctx, out)
	})
}

// build provides a chain of constructors. A decoration of AtomicKVAdaptor therefore changes
// the adaptor of every service.
func build() (*dig.Container, error) {
	container := dig.New()
	for _, constructor := range []any{
		func() memory.Config { return memory.Config{GCInterval: time.Second} },
		memory.New,
		func(kv *memory.MemoryKV) adaptor.AtomicKVAdaptor { return kv },
		adaptor.WithoutAtomic,
		cache.NewCacheService,
		ratelimit.NewRateLimiter,
		session.NewSessions,
		lock.NewLocker,
	} {
		if err := container.Provide(constructor); err != nil {
			return nil, err
		}
	}
	return container, nil
}

// services holds the values that the container injects.
type services struct {
	dig.In

	Cache    *cache.CacheService
	Limiter  *ratelimit.RateLimiter
	Sessions *session.Sessions
	Locker   *lock.Locker
}

func (s services) use(ctx context.Context, out io.Writer) error {
	if err := s.Cache.SetUser(ctx, "42", cache.User{ID: "42", Name: "Ada"}); err != nil {
		return err
	}
	user, found, err := s.Cache.GetUser(ctx, "42")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "cache:    ", user.Name, found)

	for range 2 {
		decision, err := s.Limiter.CheckLimit(ctx, "client", 1)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "ratelimit:", "allowed", decision.Allowed)
	}

	id, err := s.Sessions.Create(ctx, session.Session{UserID: "42"})
	if err != nil {
		return err
	}
	data, found, err := s.Sessions.Get(ctx, id)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "session:  ", "user", data.UserID, found)

	ran, err := s.Locker.Run(ctx, "report", time.Minute, func(context.Context, *lock.Lock) error {
		fmt.Fprintln(out, "lock:     ", "held while the report is written")
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "lock:     ", "ran", ran)
	return nil
}
