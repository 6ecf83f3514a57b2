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

// Code names the kind of failure of an [Error]. There are four codes.
type Code string

const (
	// CodeInvalidTTL means that a time to live is not positive, or that options contradict each other. Nothing
	// was changed.
	CodeInvalidTTL Code = "INVALID_TTL"
	// CodeEmptyNamespace means that the name of a namespace is empty.
	CodeEmptyNamespace Code = "EMPTY_NAMESPACE"
	// CodeInvalidValue means that JSON cannot represent a value, or that a stored value does not fit the type or
	// the operation. Nothing was changed, unless Op is "Decode": then [GetDel], [Swap] or [GetExpire] was
	// applied, and the value that it returns does not decode.
	CodeInvalidValue Code = "INVALID_VALUE"
	// CodeStoreOperationFailed means that the backend failed, or that the context ended. [OutcomeUnknown] tells
	// whether a write may have happened.
	CodeStoreOperationFailed Code = "STORE_OPERATION_FAILED"
)

// The sentinels of the codes, for errors.Is.
var (
	ErrInvalidTTL           = errors.New("kv: invalid ttl")
	ErrEmptyNamespace       = errors.New("kv: empty namespace")
	ErrInvalidValue         = errors.New("kv: invalid value")
	ErrStoreOperationFailed = errors.New("kv: store operation failed")
)

// codes contains each code with its sentinel, and with the error of a driver that has the code. CodeOf searches
// it in this order. An error of a driver that is not in the table has the last code.
var codes = [...]struct {
	code     Code
	sentinel error
	driver   error
}{
	{CodeInvalidTTL, ErrInvalidTTL, nil},
	{CodeEmptyNamespace, ErrEmptyNamespace, nil},
	{CodeInvalidValue, ErrInvalidValue, driver.ErrInvalidValue},
	{CodeStoreOperationFailed, ErrStoreOperationFailed, nil},
}

// CodeOf returns the code of the first [*Error] in err's tree, or else of the first sentinel. It returns "" for
// nil and for an error that does not come from this package.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) && e != nil {
		return e.Code
	}
	for _, c := range codes {
		if errors.Is(err, c.sentinel) {
			return c.code
		}
	}
	return ""
}

// CodeOfDriver returns the code that the error of a driver has in an [*Error], or "" for nil. It is for a
// [driver.Interceptor], which receives the errors of the driver.
func CodeOfDriver(err error) Code {
	if err == nil {
		return ""
	}
	for _, c := range codes {
		// A write that may have happened has no code that says that nothing was changed.
		if c.driver != nil && errors.Is(err, c.driver) && !driver.IsUnknown(err) {
			return c.code
		}
	}
	return CodeStoreOperationFailed
}

// Error is the error of Namespace and of every store operation.
//
// Its text names the operation, the namespace, the code and the kind of cause. The text never
// contains the key or the value, because they are often secrets. The field Key and the text of Err
// may contain them.
type Error struct {
	Code Code
	// Op is the name of the failed operation:
	//   - the name of a method, such as "Set", or of a function, such as "Get" for [Get]
	//   - "Decode" if [GetDel], [Swap] or [GetExpire] was applied and its result does not decode
	//   - "Set of GetOrLoad" in the error that [OnUnstored] receives
	Op string
	// Namespace is the whole path as in a physical key, for example "sessions/admin". For the Op
	// "Namespace" it is the path of the parent, or "" at the top.
	Namespace string
	// Key is the key of the operation. It is "" for a batch (see [KeyErrors]) and for an operation
	// on a whole namespace.
	Key string
	// Err is the cause: the error of the context, of the driver or of the codec.
	Err error
}

// Error returns the operation, the namespace, the code and the reason, without the key and the
// value.
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
	for _, c := range codes {
		if e != nil && c.code == e.Code {
			return c.sentinel == target
		}
	}
	return false
}

// MarshalText returns the text of Error, so that an error in a JSON log contains no secret.
func (e *Error) MarshalText() ([]byte, error) { return []byte(e.Error()), nil }

// GoString returns the text of Error, so that %#v prints no secret.
func (e *Error) GoString() string { return e.Error() }

// OutcomeUnknown reports whether err is, or wraps, the error of a write that may have happened
// although it failed. Causes are a timeout, a cut connection, and a context that ended after the
// request was sent. Read the key before you repeat such a write. Every other failed write was
// surely not applied.
//
// OutcomeUnknown returns false for nil and for the error of a read. For the error of a batch, it
// reports whether the outcome of a failed key is unknown; see [KeyErrors].
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

// failure returns the error of an operation. It copies the path and the key, because an error may
// live longer than the buffer that a caller's string shares memory with.
func failure(op string, path []string, key string, code Code, cause error) *Error {
	return &Error{Code: code, Op: op, Namespace: pathText(path), Key: strings.Clone(key), Err: cause}
}

func pathText(path []string) string {
	return strings.TrimSuffix(driver.Key(path, ""), ":")
}

// driverFailure returns the error of an operation whose call of the driver failed.
func driverFailure(op string, path []string, key string, cause error) *Error {
	return failure(op, path, key, CodeOfDriver(cause), cause)
}

// reason returns the printable part of a cause. It is the text of the codec, of this package, or of
// driver.Reason, or says that a context ended. For any other error it is only the type, because the
// text may quote keys and values.
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
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, driver.ErrInvalidValue, errors.ErrUnsupported} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return fmt.Sprintf("an error of type %T", err)
}
