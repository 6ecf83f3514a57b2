// Package codec turns values into the JSON text that is stored, and back.
//
// The semantics are those of encoding/json, on the engine that is to be the next
// encoding/json (github.com/go-json-experiment/json); plain values are written by a
// faster writer of our own, to the same text. There are four differences: text
// that is not UTF-8, or has an unpaired surrogate, is an error; <, >, & and U+2028
// stay as they are; nesting beyond 10,000 is an error; and no value, however deep
// or cyclic, and no panic in a method of it, ends the process.
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

// Marshal returns the compact JSON text of v. The caller owns it. An error is an
// [*Error].
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

// engineText is the measure of what Marshal writes.
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

// tooDeep finds the nesting that the engine lets through: it does not count an empty
// slice or map at the bottom. Only text with that many brackets is read again.
func tooDeep(text []byte) bool {
	return len(text) > 2*maxDepth &&
		bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > maxDepth &&
		!jsontext.Value(text).IsValid(options)
}

// Unmarshal decodes text into target, a pointer to a zero value; what it points to
// shares no memory with text. An error is an [*Error], and leaves target undefined.
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

// numberOptions teach the engine encoding/json.Number, which it would take for a
// string; they are used only where one occurs, since they switch fast paths off.
var numberOptions = jsonv2.JoinOptions(options,
	jsonv2.WithMarshalers(jsonv2.MarshalToFunc(func(enc *jsontext.Encoder, n json.Number) error {
		if kind, length := enc.StackIndex(enc.StackDepth()); kind == '{' && length%2 == 0 {
			return errors.ErrUnsupported // the name of a member: a string, as ever
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

// What the quick options accept they read as the exact ones do, in one pass: they do
// not check the whole text first, nor go on after an error. A refusal of theirs says
// nothing: the exact ones have to read again.
var (
	fastOptions       = jsonv2.JoinOptions(options, jsonv1.ReportErrorsWithLegacySemantics(false))
	fastNumberOptions = jsonv2.JoinOptions(numberOptions, jsonv1.ReportErrorsWithLegacySemantics(false))
	// The engine has a faster way into an interface if no name comes twice.
	fastAnyOptions = jsonv2.JoinOptions(fastOptions, jsontext.AllowDuplicateNames(false))
)

// Error says that a Go type and a JSON text did not come together. Its text, and
// Reason, hold nothing of the value.
type Error struct {
	Type   reflect.Type // nil for an untyped nil
	Offset int64        // in the text, in bytes; -1 if unknown
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

// causeText names the kind of a cause, as far as that quotes nothing of the value. What
// lies below the engine's own errors is the user's, and is not looked at.
func causeText(err error) string {
	switch e := err.(type) {
	case *keyError:
		return fmt.Sprintf(": %v has keys that are no strings, integers or text marshalers", e.mapType)
	case *jsonv1.UnsupportedTypeError:
		return fmt.Sprintf(": type %v has no JSON form", e.Type)
	case *jsonv1.UnsupportedValueError:
		return ": it holds what JSON has no form for, such as NaN, an infinity or a cycle"
	case *jsonv1.MarshalerError:
		return fmt.Sprintf(": %v failed to marshal itself, or brought text that is not JSON", valueType(e.Type))
	case *jsonv1.SyntaxError:
		// The engine's texts for these two are constant; its others quote characters.
		switch e.Error() {
		case "exceeded max depth":
			return causeText(errTooDeep)
		case "invalid UTF-8":
			return ": it holds text that is not UTF-8"
		}
		return ": it is not JSON, or holds an unpaired surrogate"
	}
	switch err {
	case errTooDeep:
		return ": nesting beyond 10,000"
	case errCyclic:
		return ": it is cyclic, or its pointers are nested too deep"
	}
	return ""
}

// valueType is the type that a user wrote: the engine calls methods on a pointer.
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

// recoverPanic turns a panic, in a method of the value or in the engine, into an error.
func recoverPanic(t reflect.Type, err *error) {
	if r := recover(); r != nil {
		cause, _ := r.(error)
		*err = &Error{
			Type:   t,
			Offset: -1,
			Reason: fmt.Sprintf("type %v panicked on its way to or from JSON", t),
			Err:    &panicError{r, cause},
		}
	}
}

// panicError holds what a method panicked with; errors.As finds an error in it.
type panicError struct {
	value any
	cause error
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
func (e *panicError) Unwrap() error { return e.cause }
