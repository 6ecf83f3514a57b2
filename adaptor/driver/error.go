package driver

import "errors"

// ErrInvalidValue means that the stored data does not allow the operation, and that nothing was changed. A
// backend returns it, or wraps it, for text that is not an integer, a sum that overflows, or an entry of
// another type in the server. Callers of the front see INVALID_VALUE.
var ErrInvalidValue = errors.New("kv: the stored value does not allow this operation")

// Unknown marks err as the error of a write that may have happened. Causes are a timeout, a cut connection, and
// a context that ended after the request was sent. A failed write without the mark was surely not applied. The
// mark has no meaning on the error of a read. Unknown(nil) returns nil.
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

// Reason wraps err in an error with the given text, which the front shows to users: "OOM", "connection
// refused", "the store is full". The text must not contain a key, a value or a password. For an error without a
// Reason, the front shows only its type, or that a context ended. Reason(nil, text) returns nil.
func Reason(err error, text string) error {
	if err == nil {
		return nil
	}
	return &reasonError{err, text}
}

// ReasonOf returns the text that [Reason] gave to err or to an error that err wraps. It returns "" if there is
// no such text.
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
