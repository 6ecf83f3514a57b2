package adaptor

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Option says how a write treats the time to live. It is a plain value. The zero Option does
// nothing.
type Option struct {
	kind optionKind
	ttl  time.Duration
}

type optionKind uint8

const (
	optionNone optionKind = iota
	optionTTL
	optionKeepTTL
)

// WithTTL makes the entry expire after ttl from now:
//
//	err := store.Set(ctx, "abc", session, adaptor.WithTTL(30*time.Minute))
//
// A bare number is a number of nanoseconds. WithTTL(1800) is 1.8 µs and not half an hour, and it
// becomes 1 ms, because ttl is rounded up to whole milliseconds.
//
// Incr, IncrTTL and SetNX use WithTTL only if the call creates the entry. An operation returns
// ErrInvalidTTL if ttl is not positive, and if a second WithTTL or a WithKeepTTL is beside it.
func WithTTL(ttl time.Duration) Option {
	return Option{optionTTL, ttl}
}

// WithKeepTTL keeps the deadline of an existing entry. A new entry never expires. The option is for
// Set, SetMany, Swap and CompareAndSwap. Incr, IncrTTL and SetNX return ErrInvalidTTL for it: they
// never change the deadline of an existing entry.
func WithKeepTTL() Option {
	return Option{kind: optionKeepTTL}
}

// writeTTL returns the ttl that the options of a write give to the driver. It allows WithKeepTTL if
// mayKeep is set.
func writeTTL(opts []Option, mayKeep bool) (time.Duration, error) {
	ttl := driver.NoTTL
	for _, opt := range opts {
		switch opt.kind {
		case optionTTL:
			switch ttl {
			case driver.NoTTL:
			case driver.KeepTTL:
				return 0, errTTLAndKeep
			default:
				return 0, errTwoTTLs
			}
			whole, err := wholeTTL(opt.ttl)
			if err != nil {
				return 0, err
			}
			ttl = whole
		case optionKeepTTL:
			switch {
			case !mayKeep:
				return 0, errNothingToKeep
			case ttl > 0:
				return 0, errTTLAndKeep
			}
			ttl = driver.KeepTTL
		}
	}
	return ttl, nil
}

// wholeTTL rounds ttl up to whole milliseconds. The longest result is the longest Duration of whole
// milliseconds, 292 years.
func wholeTTL(ttl time.Duration) (time.Duration, error) {
	const longest = math.MaxInt64 / time.Millisecond * time.Millisecond
	switch {
	case ttl <= 0:
		return 0, ttlError(fmt.Sprintf("the ttl must be positive, got %v", ttl))
	case ttl > longest:
		return longest, nil
	}
	if part := ttl % time.Millisecond; part > 0 {
		ttl += time.Millisecond - part
	}
	return ttl, nil
}

// shownTTL returns a driver's time left in the form for users: at least one millisecond, or 0 if the
// entry never expires.
func shownTTL(left time.Duration) time.Duration {
	if left == driver.NoTTL {
		return 0
	}
	return max(left, time.Millisecond)
}

var (
	errTTLAndKeep    = ttlError("WithTTL and WithKeepTTL exclude each other")
	errTwoTTLs       = ttlError("WithTTL may be given once")
	errNothingToKeep = ttlError("WithKeepTTL has no meaning here: an existing entry always keeps its deadline")
)

func ttlError(text string) error {
	return driver.Reason(errors.New(text), text)
}
