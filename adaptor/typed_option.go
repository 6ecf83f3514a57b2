package adaptor

import (
	"context"
	"fmt"
	"time"
)

// TypedOption is an option of [Of]: a plain value. The zero TypedOption does nothing. If an option
// is given twice, the last one counts.
type TypedOption struct {
	kind     typedOptionKind
	ttl      Option
	fraction float64
	unstored func(context.Context, error)
}

type typedOptionKind uint8

const (
	typedOptionNothing typedOptionKind = iota
	typedOptionTTL
	typedOptionNoneTTL
	typedOptionJitter
	typedOptionUnstored
	typedOptionLoadTimeout
)

// DefaultTTL sets the time to live of the values that a handle writes. It applies if the call has
// neither WithTTL nor WithKeepTTL, and if a loader sets no time to live. Without DefaultTTL such a
// value never expires.
//
// It is rounded up to whole milliseconds. If ttl is not positive, [Typed.Err] and each write that
// needs it return ErrInvalidTTL.
func DefaultTTL(ttl time.Duration) TypedOption {
	return TypedOption{kind: typedOptionTTL, ttl: WithTTL(ttl)}
}

// NoneTTL sets for how long [Typed.GetOrLoad] remembers that there is no value, if the loader
// sets none. Without NoneTTL the next call loads again. It is rounded up to whole milliseconds. If
// ttl is not positive, [Typed.Err] and GetOrLoad return ErrInvalidTTL.
func NoneTTL(ttl time.Duration) TypedOption {
	return TypedOption{kind: typedOptionNoneTTL, ttl: WithTTL(ttl)}
}

// Jitter shortens each time to live that [Typed.GetOrLoad] sets by a random part, up to this
// fraction. Entries that were loaded together are then not loaded again together: Jitter(0.1) turns
// an hour into 54 to 60 minutes. Set, SetMany and all other methods do not use it. If fraction is
// less than 0, or not less than 1, [Typed.Err] and GetOrLoad return ErrInvalidTTL.
func Jitter(fraction float64) TypedOption {
	return TypedOption{kind: typedOptionJitter, fraction: fraction}
}

// OnUnstored calls report if [Typed.GetOrLoad] has loaded a value that the store refused: the
// store is full, read only, or cannot be reached. The callers get the value without an error, but
// the next call loads again. GetOrLoad does not call report if a write during the load has won.
//
// The parameters of report are the loader's context, and an error that names the namespace but no
// key and no value. The error is ErrStoreOperationFailed, and [OutcomeUnknown] reports whether
// the value may be stored. It is ErrInvalidValue if the store takes no such value, for
// example because the value is too long.
//
// GetOrLoad calls report once per load, before the callers get their value, and for several keys
// from several goroutines concurrently. It must be quick. A panic in it reaches the callers like
// a panic of the loader. A nil report does nothing.
func OnUnstored(report func(ctx context.Context, err error)) TypedOption {
	return TypedOption{kind: typedOptionUnstored, unstored: report}
}

// LoadTimeout ends the context of a load after d. The cause of the context is then an error that says so.
// A loader that returns because its context has ended fails, and all its callers get its error. A
// loader that ignores its context is not interrupted. If d is not positive, [Typed.Err] and
// [Typed.GetOrLoad] return ErrInvalidTTL.
//
// Without LoadTimeout a load runs until it returns, or until its last caller has left.
func LoadTimeout(d time.Duration) TypedOption {
	return TypedOption{kind: typedOptionLoadTimeout, ttl: Option{optionTTL, d}}
}

func (o TypedOption) apply(h *handle) {
	switch o.kind {
	case typedOptionTTL:
		h.ttl = o.ttl
	case typedOptionNoneTTL:
		h.none = o.ttl
	case typedOptionJitter:
		h.jitter = o.fraction
	case typedOptionUnstored:
		h.unstored = o.unstored
	case typedOptionLoadTimeout:
		h.loadTimeout = o.ttl
	}
}

// check returns ErrInvalidTTL if an option of the handle is invalid.
func (h handle) check(op, key string) error {
	for _, opt := range [...]Option{h.ttl, h.none} {
		if _, err := h.store.plain().writeTTL(op, key, []Option{opt}, false); err != nil {
			return err
		}
	}
	if h.loadTimeout.kind == optionTTL && h.loadTimeout.ttl <= 0 {
		cause := ttlError(fmt.Sprintf("the load timeout must be positive, got %v", h.loadTimeout.ttl))
		return failure(op, h.store.plain().pathOf(), key, CodeInvalidTTL, cause)
	}
	if !(h.jitter >= 0 && h.jitter < 1) { // nor NaN
		cause := ttlError(fmt.Sprintf("the jitter must be at least 0 and below 1, got %v", h.jitter))
		return failure(op, h.store.plain().pathOf(), key, CodeInvalidTTL, cause)
	}
	return nil
}
