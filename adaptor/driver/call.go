package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

// An Interceptor is called around every operation of the stores that [Intercept] wraps. It calls call.Next
// once to run the operation, and returns the error of Next, another error, or nil:
//
//   - If the interceptor does not call Next, or Next fails, the operation fails even if the interceptor
//     returns nil.
//   - If Next has run a write and the interceptor returns another error, [Unknown] marks this error. A
//     write without an answer remains unknown under every error.
//   - An error that is returned before Next means that the operation was surely not applied.
//
// An Interceptor calls Next in the goroutine in which it was called. It may be called concurrently.
type Interceptor func(ctx context.Context, call *Call) error

// A Call describes one operation of a [Store] to an [Interceptor]. One operation is one Call, even if the
// backend needs several steps. Changes to the fields have no effect on the operation.
//
// A Call is valid until the interceptor returns. After that, Next returns an error, until the Call is reused for
// another operation. An interceptor that keeps data copies the fields, with the elements of Path and Keys.
//
// Keys are often secrets. A Call therefore prints and marshals as its method and namespace only.
type Call struct {
	// Method is Get, Set, Del, Has, Expire, TTL, Persist, Incr, SetNX, CompareAndSwap, CompareAndDelete,
	// GetDel, GetExpire, Swap, Limit, GetMany, SetMany, DelMany, Keys, Tree, Clear, ClearTree, Ping, or the name of
	// an operation that a later version adds.
	Method string
	// Path is the whole path of the namespace, from the backend, under every wrapper.
	Path []string
	// Key is the key of an operation on one key.
	Key string
	// Keys are the keys of GetMany, SetMany or DelMany.
	Keys []string
	// BytesIn is the total size of the values to store.
	BytesIn int

	// Next sets the following fields.

	// Found reports whether Get, Has, Expire, TTL, Persist, GetDel, GetExpire or Swap found an entry. It is false for a
	// read that found only a placeholder of the front.
	Found bool
	// Applied reports whether SetNX, CompareAndSwap or CompareAndDelete changed the entry, or Limit took events.
	Applied bool
	// Count is the number of keys that GetMany found, that SetMany or DelMany wrote, or that Keys or Tree
	// listed.
	Count int
	// BytesOut is the total size of the values that Get, GetDel, GetExpire, Swap or GetMany returned. Placeholders do
	// not count.
	BytesOut int

	// The operation itself. An interceptor cannot change it.

	self  *Call // a copy of a Call cannot run the operation
	state callState
	op    op
	store *interceptedStore
	first [1]string // the array of a Path of one name
	path  []string  // the array of a longer Path
	key   string
	err   error // of Next

	by         int64
	ttl        time.Duration
	old, value []byte
	keys       []string
	values     [][]byte
	yield      func(path []string, key string) bool

	done bool // the operation's bool
	sum  int64
	left time.Duration
	got  []Got
	errs []error

	limits    *Limits
	limitCall LimitCall
	limited   Limited
}

type callState uint8

const (
	callEnded   callState = iota // the interceptor has returned
	callReady                    // Next was not called
	callRunning                  // Next has not returned
	callSkipped                  // Next has returned without running the operation
	callDone                     // Next has run the operation
)

type op uint8

const (
	opGet op = iota
	opHas
	opTTL
	opGetMany
	opKeys
	opTree
	opPing
	opLimitLook // a Limit that changes nothing
	opSet       // the first write
	opDel
	opExpire
	opPersist
	opIncr
	opCount
	opSetNX
	opCompareAndSwap
	opCompareAndDelete
	opGetDel
	opGetExpire
	opSwap
	opLimit
	opSetMany
	opDelMany
	opClear
	opClearTree
)

var methods = [...]string{
	opGet: "Get", opHas: "Has", opTTL: "TTL", opGetMany: "GetMany", opKeys: "Keys", opTree: "Tree", opPing: "Ping",
	opSet: "Set", opDel: "Del", opExpire: "Expire", opPersist: "Persist", opIncr: "Incr", opCount: "Incr",
	opSetNX: "SetNX", opCompareAndSwap: "CompareAndSwap", opCompareAndDelete: "CompareAndDelete",
	opGetDel: "GetDel", opGetExpire: "GetExpire", opSwap: "Swap", opLimitLook: "Limit", opLimit: "Limit",
	opSetMany: "SetMany", opDelMany: "DelMany",
	opClear: "Clear", opClearTree: "ClearTree",
}

func (o op) writes() bool { return o >= opSet }

// Next runs the operation with ctx and returns its error. The first call of Next counts: every other call
// returns an error and does nothing, and so does a call after the interceptor has returned. If ctx is done,
// Next does nothing and returns the context's error.
//
// For GetMany, SetMany and DelMany, the error wraps the errors of all failed keys. Each key keeps its own
// result if the interceptor returns nil or an error that wraps the error of Next. For Keys and Tree, Next
// returns when the caller's loop has ended. A loop that ends early is not an error.
func (c *Call) Next(ctx context.Context) error {
	if c.state != callReady || c.self != c {
		return errNextTwice
	}
	if ctx == nil {
		c.state, c.err = callSkipped, errNoContext
		return c.err
	}
	if err := ctx.Err(); err != nil {
		c.state, c.err = callSkipped, err
		return err
	}
	c.state = callRunning
	var err error
	switch s := c.store.inner; c.op {
	case opGet:
		c.value, c.done, err = s.Get(ctx, c.key)
		c.read()
	case opHas:
		c.done, err = s.Has(ctx, c.key)
		c.Found = c.done
	default:
		err = c.run(ctx, s)
	}
	c.state, c.err = callDone, err
	return err
}

// run runs an operation that is not one of the most frequent ones.
func (c *Call) run(ctx context.Context, s AtomicStore) (err error) {
	switch c.op {
	case opTTL:
		c.left, c.done, err = s.TTL(ctx, c.key)
		c.Found = c.done
	case opSet:
		err = s.Set(ctx, c.key, c.value, c.ttl)
	case opDel:
		err = s.Del(ctx, c.key)
	case opExpire:
		c.done, err = s.Expire(ctx, c.key, c.ttl)
		c.Found = c.done
	case opPersist:
		c.done, err = Persist(ctx, s, c.key)
		c.Found = c.done
	case opIncr:
		c.sum, c.left, err = s.Incr(ctx, c.key, c.by, c.ttl)
	case opCount:
		c.sum, err = Count(ctx, s, c.key, c.by, c.ttl)
	case opSetNX:
		c.done, err = s.SetNX(ctx, c.key, c.value, c.ttl)
		c.Applied = c.done
	case opCompareAndSwap:
		c.done, err = s.CompareAndSwap(ctx, c.key, c.old, c.value, c.ttl)
		c.Applied = c.done
	case opCompareAndDelete:
		c.done, err = s.CompareAndDelete(ctx, c.key, c.old)
		c.Applied = c.done
	case opGetDel:
		c.value, c.done, err = GetDel(ctx, s, c.key)
		c.read()
	case opGetExpire:
		c.value, c.done, err = GetExpire(ctx, s, c.key, c.ttl)
		c.read()
	case opSwap:
		c.value, c.done, err = Swap(ctx, s, c.key, c.value, c.ttl)
		c.read()
	case opLimit, opLimitLook:
		c.limited, err = Limit(ctx, s, c.key, c.limits, c.limitCall)
		c.Applied = err == nil && c.limited.Taken > 0
	case opGetMany:
		c.got = GetMany(ctx, s, c.keys)
		c.readMany()
		err = batchError(len(c.keys), func(i int) error { return c.got[i].Err })
	case opSetMany:
		c.errs = SetMany(ctx, s, c.keys, c.values, c.ttl)
		err = c.wroteMany()
	case opDelMany:
		c.errs = DelMany(ctx, s, c.keys)
		err = c.wroteMany()
	case opKeys, opTree:
		err = c.list(ctx)
	case opClear, opClearTree:
		err = Clear(ctx, Plain(c.store.opener.inner), c.store.at, s, c.op == opClearTree)
	case opPing:
		err = Ping(ctx, s)
	}
	return err
}

// read sets Found and BytesOut from the value that the operation returned.
func (c *Call) read() {
	if c.Found = c.done && !IsPlaceholder(c.value); c.Found {
		c.BytesOut = len(c.value)
	}
}

func (c *Call) readMany() {
	count, size := 0, 0
	for _, g := range c.got {
		if g.Err == nil && g.Found && !IsPlaceholder(g.Value) {
			count++
			size += len(g.Value)
		}
	}
	c.Count, c.BytesOut = count, size
}

func (c *Call) wroteMany() error {
	c.Count = len(c.keys)
	if c.errs == nil {
		return nil
	}
	for _, err := range c.errs {
		if err != nil {
			c.Count--
		}
	}
	return batchError(len(c.keys), func(i int) error { return c.errs[i] })
}

func (c *Call) list(ctx context.Context) error {
	count := 0
	err := Keys(ctx, c.store.inner, c.op == opTree, func(path []string, key string) bool {
		count++
		return c.yield(path, key)
	})
	c.Count = count
	return err
}

// failed reports whether the operation fails if its interceptor returns err.
func (c *Call) failed(err error) bool { return err != nil || c.state != callDone || c.err != nil }

// failure returns the error of an operation that fails after its interceptor has returned err.
func (c *Call) failure(err error) error {
	switch {
	case c.state == callReady && err == nil:
		err = errNoNext
	case c.state == callRunning:
		if err == nil {
			err = errUnfinished
		}
		err = c.unknown(err)
	case c.state == callDone && c.err == nil:
		err = c.unknown(err)
	case err == nil:
		err = c.err
	case IsUnknown(c.err):
		err = c.unknown(err)
	}
	return final(err)
}

// unknown marks err if the operation is a write.
func (c *Call) unknown(err error) error {
	if !c.op.writes() || IsUnknown(err) {
		return err
	}
	return Unknown(err)
}

// Namespace returns the whole path as it is written in a physical key, for example "sessions/admin".
func (c *Call) Namespace() string { return strings.TrimSuffix(Key(c.Path, ""), ":") }

// String returns the method and the namespace.
func (c Call) String() string {
	if len(c.Path) == 0 {
		return c.Method
	}
	return fmt.Sprintf("%s in namespace %q", c.Method, c.Namespace())
}

// Format writes the text of String for every verb.
func (c Call) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// MarshalText returns the text of String.
func (c Call) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue returns the method and the namespace as a group.
func (c Call) LogValue() slog.Value {
	return slog.GroupValue(slog.String("method", c.Method), slog.String("namespace", c.Namespace()))
}

// manyError is the error of a batch: it wraps the errors of the failed keys.
type manyError struct {
	failed []error
	of     int
}

// batchError returns the error of a batch of n keys, or nil if no key failed.
func batchError(n int, errOf func(i int) error) error {
	var failed []error
	for i := range n {
		if err := errOf(i); err != nil {
			failed = append(failed, err)
		}
	}
	if failed == nil {
		return nil
	}
	return &manyError{failed, n}
}

func (e *manyError) Error() string {
	text := fmt.Sprintf("%d of %d keys failed", len(e.failed), e.of)
	if reason := ReasonOf(e.failed[0]); reason != "" {
		text += ", the first with: " + reason
	}
	return text
}

func (e *manyError) Unwrap() []error { return e.failed }

var (
	errNoContext  = Reason(errors.New("kv: nil context"), "the interceptor passed a nil context to Next")
	errNextTwice  = Reason(errors.New("kv: Next was called again"), "the interceptor called Next a second time or after it had returned")
	errNoNext     = Reason(errors.New("kv: Next was not called"), "the interceptor did not call Next")
	errUnfinished = Reason(errors.New("kv: Next has not returned"), "the interceptor returned before Next had returned")
)
