package driver

import "errors"

// ErrInvalidValue is what a backend returns, or wraps, when the stored data does
// not allow the operation: not an integer, a sum that overflows, another type
// in the server. It says that nothing was changed. Callers see INVALID_VALUE.
var ErrInvalidValue = errors.New("kv: the stored value does not allow this operation")

// Unknown marks err as the error of a write that may have happened: a timeout,
// a cut connection, a context that ended after the request had left. Without
// the mark a failed write is taken as surely not applied. Unknown(nil) is nil.
// On a read the mark means nothing.
func Unknown(err error) error {
	if err == nil {
		return nil
	}
	return &unknownError{err}
}

// IsUnknown reports whether [Unknown] marked err, or an error that it wraps.
func IsUnknown(err error) bool {
	var u *unknownError
	return errors.As(err, &u)
}

type unknownError struct{ err error }

func (e *unknownError) Error() string { return e.err.Error() }
func (e *unknownError) Unwrap() error { return e.err }

// Reason wraps err in an error whose whole text is text, and which the front
// shows to users: "OOM", "connection refused", "the store is full". It must hold
// no key, no value and no password. Of an error without a Reason the front shows
// the type only, or that a context ended. Reason(nil, text) is nil.
func Reason(err error, text string) error {
	if err == nil {
		return nil
	}
	return &reasonError{err, text}
}

// ReasonOf returns the text that [Reason] gave to err, or to an error that it
// wraps; "" if there is none.
func ReasonOf(err error) string {
	var r *reasonError
	if errors.As(err, &r) {
		return r.text
	}
	return ""
}

type reasonError struct {
	err  error
	text string
}

func (e *reasonError) Error() string { return e.text }
func (e *reasonError) Unwrap() error { return e.err }
