package adaptor

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Option changes how a write treats the time to live. It is a plain value; the
// zero Option does nothing.
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

// WithTTL makes the entry expire after ttl, rounded up to whole milliseconds. On
// Incr, IncrTTL and SetNX it counts only if the call creates the entry. A ttl that
// is not positive, a second WithTTL, or WithKeepTTL beside it make the operation
// fail with ErrInvalidTTL.
func WithTTL(ttl time.Duration) Option {
	return Option{optionTTL, ttl}
}

// WithKeepTTL leaves the deadline of the entry as it is; a new entry has none. It
// is for Set, Swap and CompareAndSwap. On Incr, IncrTTL and SetNX, which never change the
// deadline of an existing entry, it is ErrInvalidTTL.
func WithKeepTTL() Option {
	return Option{kind: optionKeepTTL}
}

// writeTTL returns what the options of a write tell the driver.
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

// wholeTTL rounds ttl up to whole milliseconds. What is longer than the longest
// Duration of whole milliseconds, 292 years, becomes that.
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

// shownTTL makes a time left fit to show: what is left of a deadline never reads as 0.
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
