// Package codec encodes values as the JSON text that stores keep, and decodes that text.
//
// It follows the semantics of encoding/json. The engine is github.com/go-json-experiment/json, the
// planned next version of encoding/json. A faster writer in this package writes plain values, as
// the same text. There are four differences from encoding/json:
//
//   - Text that is not UTF-8, or contains an unpaired surrogate, is an error.
//   - The characters <, >, & and U+2028 are not escaped.
//   - Nesting beyond 10,000 is an error.
//   - No value ends the process, however deep or cyclic it is. Nor does a panic in a method of a
//     value.
package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// Marshal returns the compact JSON text of v. The caller owns the text. Every error is an [*Error].
func Marshal(v any) (text []byte, err error) {
	t := reflect.TypeOf(v)
	defer recoverPanic(t, &err)
	if text = plainText(v); text == nil {
		text, err = engineText(v)
	}
	if err == nil && tooDeep(text) {
		err = errTooDeep
	}
	if err != nil {
		return nil, marshalError(t, err)
	}
	return text, nil
}

// engineText returns the text that the engine writes. plainText must write the same text.
func engineText(v any) ([]byte, error) {
	opts := options
	if v != nil {
		number, err := inspect(reflect.ValueOf(v))
		if err != nil {
			return nil, err
		}
		if number {
			opts = numberOptions
		}
	}
	return jsonv2.Marshal(v, opts)
}

// tooDeep reports whether text is nested too deep. The engine does not count an empty slice or map
// at the deepest level. Only a text with that many brackets is parsed again.
func tooDeep(text []byte) bool {
	return len(text) > 2*maxDepth &&
		bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > maxDepth &&
		!jsontext.Value(text).IsValid(options)
}

// Unmarshal decodes text into target, which must be a pointer to a zero value. The result shares no
// memory with text. Every error is an [*Error]. After an error, the value of target is undefined.
func Unmarshal(text []byte, target any) (err error) {
	t := reflect.TypeOf(target).Elem()
	defer recoverPanic(t, &err)
	known := shapeOf(t)
	if known.selfPointer {
		return unmarshalError(t, errCyclic)
	}
	opts, exact := fastOptions, options
	switch {
	case known.number:
		opts, exact = fastNumberOptions, numberOptions
	case known.needsWalk && appenderOf(t) != nil:
		opts = fastAnyOptions
	}
	if err := jsonv2.Unmarshal(text, target, opts); err != nil {
		reflect.ValueOf(target).Elem().SetZero()
		if err := jsonv2.Unmarshal(text, target, exact); err != nil {
			return unmarshalError(t, err)
		}
	}
	return nil
}

var options = jsonv2.JoinOptions(
	jsonv1.DefaultOptionsV1(),
	jsontext.AllowInvalidUTF8(false),
	jsontext.EscapeForHTML(false),
	jsontext.EscapeForJS(false),
)

// numberOptions make the engine treat encoding/json.Number as a number instead of a string. They
// disable fast paths, so they are used only for types that contain a json.Number.
var numberOptions = jsonv2.JoinOptions(options,
	jsonv2.WithMarshalers(jsonv2.MarshalToFunc(func(enc *jsontext.Encoder, n json.Number) error {
		if kind, length := enc.StackIndex(enc.StackDepth()); kind == '{' && length%2 == 0 {
			return errors.ErrUnsupported // the name of a member is a string
		}
		return jsonv1.Number(n).MarshalJSONTo(enc)
	})),
	jsonv2.WithUnmarshalers(jsonv2.UnmarshalFromFunc(func(dec *jsontext.Decoder, n *json.Number) error {
		if kind, length := dec.StackIndex(dec.StackDepth()); kind == '{' && length%2 == 0 {
			return errors.ErrUnsupported
		}
		return (*jsonv1.Number)(n).UnmarshalJSONFrom(dec)
	})),
)

// With the fast options, the engine reads text in one pass: it does not check the whole text first,
// and stops at the first error. Accepted text gives the same value as with the exact options. An
// error has no meaning: the exact options must then read the text again.
var (
	fastOptions       = jsonv2.JoinOptions(options, jsonv1.ReportErrorsWithLegacySemantics(false))
	fastNumberOptions = jsonv2.JoinOptions(numberOptions, jsonv1.ReportErrorsWithLegacySemantics(false))
	// The engine decodes into an interface faster if duplicate names are not allowed.
	fastAnyOptions = jsonv2.JoinOptions(fastOptions, jsontext.AllowDuplicateNames(false))
)

// An Error describes a Go value that cannot be encoded, or a text that cannot be decoded. The
// result of Error, and Reason, contain no part of the value.
type Error struct {
	Type   reflect.Type // nil for an untyped nil
	Offset int64        // position in the text, in bytes; -1 if unknown
	Reason string
	Err    error // the cause; its text may quote the value
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func marshalError(t reflect.Type, err error) *Error {
	at := offset(err)
	e := &Error{Type: t, Offset: at, Err: err}
	e.Reason = fmt.Sprintf("a value of type %v can't be stored as JSON%s%s", t, causeText(err), offsetText(at))
	return e
}

func unmarshalError(t reflect.Type, err error) *Error {
	at := offset(err)
	e := &Error{Type: t, Offset: at, Err: err}
	e.Reason = fmt.Sprintf("the stored value does not decode into type %v%s%s", t, causeText(err), offsetText(at))
	return e
}

// causeText describes a cause without any part of the value. It looks at the engine's own errors
// only, and not at the errors of a user's methods that they wrap.
func causeText(err error) string {
	switch e := err.(type) {
	case *keyError:
		return fmt.Sprintf(": %v has keys that are not strings, integers or text marshalers", e.mapType)
	case *jsonv1.UnsupportedTypeError:
		return fmt.Sprintf(": JSON cannot represent type %v", e.Type)
	case *jsonv1.UnsupportedValueError:
		return ": it contains a value that JSON cannot represent, such as NaN, an infinity or a cycle"
	case *jsonv1.MarshalerError:
		return fmt.Sprintf(": %v failed to marshal itself, or returned text that is not JSON", valueType(e.Type))
	case *jsonv1.SyntaxError:
		// The engine's texts for these two errors are constant. Its other texts quote characters.
		switch e.Error() {
		case "exceeded max depth":
			return causeText(errTooDeep)
		case "invalid UTF-8":
			return ": it contains text that is not UTF-8"
		}
		return ": it is not JSON, or contains an unpaired surrogate"
	}
	switch {
	case errors.Is(err, errTooDeep):
		return ": nesting beyond 10,000"
	case errors.Is(err, errCyclic):
		return ": it is cyclic, or its pointers are nested too deep"
	}
	return ""
}

// valueType returns the type of the value in the user's code. The engine calls methods on a
// pointer.
func valueType(t reflect.Type) reflect.Type {
	if t != nil && t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

func offset(err error) int64 {
	switch e := err.(type) {
	case *jsonv1.SyntaxError:
		return e.Offset
	case *jsonv1.UnmarshalTypeError:
		return e.Offset
	case *jsonv2.SemanticError:
		return e.ByteOffset
	}
	return -1
}

func offsetText(offset int64) string {
	if offset < 0 {
		return ""
	}
	return fmt.Sprintf(" (at byte %d)", offset)
}

// recoverPanic turns a panic in the engine, or in a method of the value, into an error.
func recoverPanic(t reflect.Type, err *error) {
	if r := recover(); r != nil {
		cause, _ := r.(error)
		*err = &Error{
			Type:   t,
			Offset: -1,
			Reason: fmt.Sprintf("type %v panicked during its conversion to or from JSON", t),
			Err:    &panicError{r, cause},
		}
	}
}

// A panicError contains the argument of panic. If that is an error, errors.As finds it.
type panicError struct {
	value any
	cause error
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
func (e *panicError) Unwrap() error { return e.cause }
