package adaptor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/codec"
)

// Code says what kind of failure an [Error] is. There are four.
type Code string

const (
	// CodeInvalidTTL: a time to live that is not positive, or options that
	// contradict each other. Nothing was changed.
	CodeInvalidTTL Code = "INVALID_TTL"
	// CodeEmptyNamespace: Namespace("").
	CodeEmptyNamespace Code = "EMPTY_NAMESPACE"
	// CodeInvalidValue: a value that JSON can't hold, a stored value that does not
	// fit the type or the operation. Nothing was changed, but if Op is "Decode" by the
	// [GetDel] or [Swap] whose old value it is about.
	CodeInvalidValue Code = "INVALID_VALUE"
	// CodeStoreOperationFailed: the backend failed, or the context had ended.
	// [OutcomeUnknown] tells whether a write may have happened all the same.
	CodeStoreOperationFailed Code = "STORE_OPERATION_FAILED"
)

// One sentinel per [Code], for errors.Is.
var (
	ErrInvalidTTL           = errors.New("kv: invalid ttl")
	ErrEmptyNamespace       = errors.New("kv: empty namespace")
	ErrInvalidValue         = errors.New("kv: invalid value")
	ErrStoreOperationFailed = errors.New("kv: store operation failed")
)

// sentinels are looked for in this order.
var sentinels = []struct {
	code     Code
	sentinel error
}{
	{CodeInvalidTTL, ErrInvalidTTL},
	{CodeEmptyNamespace, ErrEmptyNamespace},
	{CodeInvalidValue, ErrInvalidValue},
	{CodeStoreOperationFailed, ErrStoreOperationFailed},
}

// CodeOf returns the code of the first [*Error] in err's tree, or of a sentinel in it;
// "" for an error that is not ours, and for nil.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) && e != nil {
		return e.Code
	}
	for _, s := range sentinels {
		if errors.Is(err, s.sentinel) {
			return s.code
		}
	}
	return ""
}

// Error is the error of Namespace and of every store operation.
//
// Its text names the operation, the namespace, the code and the kind of cause,
// never the key or a value: those are often secrets. They can be had from Key, and
// from Err, whose own text makes no such promise.
type Error struct {
	Code Code
	// Op is the method that failed, such as "Set"; "Get" for [Get], "Of" for [Of]; "Decode" where
	// [GetDel] or [Swap] has worked, and what came out is not of its type; "Set of GetOrLoad" of
	// what [OnUnstored] hears.
	Op string
	// Namespace is the path as it stands in a physical key: "sessions/admin". For
	// Op "Namespace" it is the parent's, "" at the top.
	Namespace string
	// Key is the key of the operation; never part of the text. Of a batch it is "": see
	// [KeyErrors]; and of what works on a whole namespace.
	Key string
	// Err is the cause: the context's error, the driver's, the codec's.
	Err error
}

// Error says what failed, on which namespace, and why, without key and value.
func (e *Error) Error() string {
	if e == nil {
		return "kv: no error (nil *adaptor.Error)"
	}
	var b strings.Builder
	b.WriteString("kv: ")
	b.WriteString(e.Op)
	if e.Namespace != "" {
		fmt.Fprintf(&b, " in namespace %q", e.Namespace)
	}
	b.WriteString(": ")
	b.WriteString(string(e.Code))
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(reason(e.Err))
	}
	if OutcomeUnknown(e) {
		b.WriteString(" (outcome unknown: the write may have happened)")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// Is reports whether target is the sentinel of e's code.
func (e *Error) Is(target error) bool {
	for _, s := range sentinels {
		if e != nil && s.code == e.Code {
			return s.sentinel == target
		}
	}
	return false
}

// MarshalText returns the text of Error, so that an error that is logged as JSON
// shows no more than that.
func (e *Error) MarshalText() ([]byte, error) { return []byte(e.Error()), nil }

// GoString returns the text of Error, so that %#v shows no more than that.
func (e *Error) GoString() string { return e.Error() }

// OutcomeUnknown reports whether err is, or wraps, the error of a write that may
// have happened although it failed: a timeout, a cut connection, a context that
// ended after the request had left. The key should be read before the write is
// tried again. Every other failed write was surely not applied. It is false for
// reads and for nil. Of the error of a batch it tells whether that is so for one of the
// keys that failed: see [KeyErrors].
func OutcomeUnknown(err error) bool {
	switch e := err.(type) {
	case *Error:
		return e != nil && e.Code == CodeStoreOperationFailed && writes(e.Op) && driver.IsUnknown(e.Err)
	case interface{ Unwrap() error }:
		return OutcomeUnknown(e.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), OutcomeUnknown)
	}
	return false
}

// The operations, as Error.Op names them.
const (
	opNamespace        = "Namespace"
	opGet              = "Get"
	opGetRaw           = "GetRaw"
	opSet              = "Set"
	opDel              = "Del"
	opHas              = "Has"
	opExpire           = "Expire"
	opTTL              = "TTL"
	opIncr             = "Incr"
	opIncrTTL          = "IncrTTL"
	opSetNX            = "SetNX"
	opCompareAndSwap   = "CompareAndSwap"
	opCompareAndDelete = "CompareAndDelete"
	opOf               = "Of"
	opGetOrLoad        = "GetOrLoad"
	opUnstored         = "Set of GetOrLoad"
	opGetDel           = "GetDel"
	opGetExpire        = "GetExpire"
	opSwap             = "Swap"
	opPersist          = "Persist"
	opDecode           = "Decode"
	opGetMany          = "GetMany"
	opSetMany          = "SetMany"
	opDelMany          = "DelMany"
	opKeys             = "Keys"
	opTree             = "Tree"
	opClear            = "Clear"
	opClearTree        = "ClearTree"
	opPing             = "Ping"
)

func writes(op string) bool {
	switch op {
	case opNamespace, opGet, opGetRaw, opHas, opTTL, opOf, opGetOrLoad, opDecode, opGetMany, opKeys, opTree, opPing:
		return false
	}
	return true
}

// failure makes the error of an operation. Name and key are copied: an error may
// outlive the buffer that a caller's string shares memory with.
func failure(op string, path []string, key string, code Code, cause error) *Error {
	return &Error{Code: code, Op: op, Namespace: pathText(path), Key: strings.Clone(key), Err: cause}
}

func pathText(path []string) string {
	return strings.TrimSuffix(driver.Key(path, ""), ":")
}

// driverFailure makes the error of an operation whose backend call failed.
func driverFailure(op string, path []string, key string, cause error) *Error {
	code := CodeStoreOperationFailed
	if errors.Is(cause, driver.ErrInvalidValue) && !driver.IsUnknown(cause) {
		code = CodeInvalidValue
	}
	return failure(op, path, key, code, cause)
}

// reason is what may be shown of a cause: the text that was made to be shown
// (by the codec, by us, or by a driver through driver.Reason), that a context ended,
// or else only the type, because any other text may quote keys and values.
func reason(err error) string {
	if k, some := err.(KeyErrors); some {
		return k.Error()
	}
	var c *codec.Error
	if errors.As(err, &c) {
		return c.Reason
	}
	if text := driver.ReasonOf(err); text != "" {
		return text
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, driver.ErrInvalidValue} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return fmt.Sprintf("an error of type %T", err)
}
