package adaptor_test

import (
	"context"
	"errors"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A fault is the trouble of one step of a backend.
type fault struct {
	name string
	// meet takes the place of the step. It calls apply if the backend applies the step.
	meet func(ctx context.Context, apply func()) error
}

var (
	errRefused = errors.New("planted: refused")
	errLost    = errors.New("planted: no answer")
)

// faults are the ways in which a step fails while its caller stays.
var faults = []*fault{
	{"refused", func(context.Context, func()) error { return errRefused }},
	{"request lost", func(context.Context, func()) error { return driver.Unknown(errLost) }},
	{"answer lost", func(_ context.Context, apply func()) error {
		apply()
		return driver.Unknown(errLost)
	}},
	{"hangs before it applies", func(ctx context.Context, _ func()) error { return hang(ctx) }},
	{"hangs after it applied", func(ctx context.Context, apply func()) error {
		apply()
		return hang(ctx)
	}},
}

// hang waits until ctx ends, or until the client of the backend gives up.
func hang(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return driver.Unknown(ctx.Err())
	case <-time.After(clientTimeout):
		return driver.Unknown(errLost)
	}
}

const clientTimeout = 10 * time.Second

// leaving returns the faults of a step during which the caller leaves. The backend honours the context of the
// step.
func leaving(leave func()) []*fault {
	left := func(ctx context.Context) error {
		leave()
		time.Sleep(time.Millisecond) // the context of a load ends after its last caller has left
		return ctx.Err()
	}
	return []*fault{
		{"the caller leaves before it applies", func(ctx context.Context, apply func()) error {
			if err := left(ctx); err != nil {
				return err
			}
			apply()
			return nil
		}},
		{"the caller leaves after it applied", func(ctx context.Context, apply func()) error {
			apply()
			return driver.Unknown(left(ctx))
		}},
	}
}

// sizes are lengths of values: the borders of a memory store, and of a server's buffers.
var sizes = []int{0, 1, 255, 256, 257, 4095, 4096, 4097, 65535, 65536}
