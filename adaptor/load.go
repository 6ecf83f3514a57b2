package adaptor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/flight"
)

// Loaded is the result of a loader. The zero Loaded is the zero T.
type Loaded[T any] struct {
	Value T
	// None says that there is no value. GetOrLoad then ignores Value.
	None bool
	// TTL is the time to live of the result. Zero means the handle's [DefaultTTL] or [NoneTTL]. If
	// TTL is negative, GetOrLoad returns ErrInvalidTTL.
	TTL time.Duration
}

// LoadPanic is the value that [Typed.GetOrLoad] panics with if the loader has panicked.
type LoadPanic struct {
	// Value is the value of the loader's panic.
	Value any
	// Stack is the stack of the loader, as debug.Stack formats it.
	Stack []byte
}

// Error returns the text of Value, and Stack.
func (p *LoadPanic) Error() string {
	return fmt.Sprintf("kv: the loader panicked: %v\n\n%s", p.Value, p.Stack)
}

// Unwrap returns Value if it is an error.
func (p *LoadPanic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// GetOrLoad returns the value at key. If there is none, it calls load, stores the result and
// returns it. If load reports that there is none, found is false and err is nil. A program that
// changes the source of load must change it first, and delete or set the key afterwards.
//
// Callers of one key share one load, also through different handles on the namespace. That holds for
// one adaptor in one process: another process runs its own load. Each caller gets its own T,
// decoded from JSON text as [Get] does.
//
// The context of load has the values of the first caller's context. It ends when the last caller
// has left, and not at the deadline of one caller. A caller whose context ends returns early, with
// ErrStoreOperationFailed around the error of its context. The other callers still get the value.
//
// A load must not ask for its own key, nor for a key whose load waits for it. GetOrLoad then
// returns ErrStoreOperationFailed if the load passes on its own context. With another context
// it waits for ever.
//
// GetOrLoad returns the error of load unchanged to all callers, and stores nothing. A panic
// reaches all callers as a [*LoadPanic], and so does runtime.Goexit. If all callers have left
// before, no caller gets the error or the panic. GetOrLoad returns ErrStoreOperationFailed for a nil
// load, also if the key has a value.
//
// # The stored result and its time to live
//
// The time to live of a value is Loaded.TTL, or else [DefaultTTL]. A result without a value is
// remembered for Loaded.TTL, or else [NoneTTL], or else not at all. [Jitter] shortens each of
// these times. After the load, GetOrLoad returns ErrInvalidValue if JSON cannot represent the value, and
// ErrInvalidTTL if the time to live is invalid. It returns ErrInvalidTTL for an invalid option of
// the handle before it loads.
//
// If the store refuses the result, GetOrLoad returns the value without an error, and the next call
// loads again. [OnUnstored] reports it. If the store cannot be read, GetOrLoad returns that error
// and does not call load. It returns ErrInvalidValue for a stored value that does not decode into
// T, and the value remains in the store.
//
// A bounded memory store that is full of unexpired entries refuses every new entry, because it
// evicts none. A cache in it stops caching: 100 reads of the most popular key are 100 loads, and
// OnUnstored reports each load. Three remedies exist: give every entry of the store a time to live, set a
// bigger memory.Config.MaxBytes, or give the cache its own MemoryKV.
//
// # A write during a load wins
//
// During a load a placeholder is stored at the key. GetOrLoad stores the result in one atomic step
// that succeeds only if this very placeholder is still there. Every write removes the placeholder:
// Set or Del, of any handle or plain store, in any process, and also of another program. Then
// the result of the load is not stored.
//
// A call that begins after such a write has returned does not get the result of an earlier
// load: it starts a second load. The callers of the first load get the written value if there is
// one, or else the result of their load.
//
// This holds across processes as far as the store is one. A failover of Redis may lose an
// acknowledged Del, and the placeholder is there again. If the store refuses the placeholder (it is
// full, or read only), nothing is stored, but a caller may share a load that began before its own
// Del.
//
// # The placeholder in other operations
//
// A placeholder is a missing key to all methods of [Typed], to [Get], and to each operation that
// returns a value: GetRaw, GetMany, GetDel, GetExpire and Swap. The other operations of a
// plain store see an entry with its own time to live, and Keys lists its key. On a key that is
// loaded, do not use these methods of a plain store:
//
//   - Has, TTL, Expire and Persist
//   - SetNX and Incr
//   - Set and SetMany with WithKeepTTL
//
// A placeholder stays for up to five minutes if its process dies, if the store fails when the load
// removes it, or if several loads share it and all fail. Loads of several processes share it, and so
// do a load that all callers have left and the next one. The next load takes a placeholder over.
// Another program sees text that begins with a space, a quote and "kv:", and should treat it as a
// missing key.
func (t Typed[T]) GetOrLoad(ctx context.Context, key string, load func(ctx context.Context) (Loaded[T], error)) (value T, found bool, err error) {
	if load == nil {
		return value, false, t.store.plain().fail(opGetOrLoad, key, errNoLoader)
	}
	text, found, err := t.store.peek(ctx, opGetOrLoad, key)
	if err == nil && !settled(text, found) {
		text, err = t.loadText(ctx, key, text, func(ctx context.Context) (Loaded[any], error) {
			loaded, err := load(ctx)
			return Loaded[any]{loaded.Value, loaded.None, loaded.TTL}, err
		})
	}
	return decode[T](t.store.plain(), opGetOrLoad, key, text, string(text) != placeholderNone, err)
}

var errNoLoader = driver.Reason(errors.New("kv: nil loader"), "the loader is nil: pass a function that returns an adaptor.Loaded")

// loads are the running loads of this process.
var loads flight.Group[loadKey, []byte]

// loadKey is a key of a backend. Two apps have two backends.
type loadKey struct {
	backend  any
	physical string
}

type loadCall = flight.Call[loadKey, []byte]

// loading is a GetOrLoad of a key without a value.
type loading struct {
	handle
	key  string
	load func(context.Context) (Loaded[any], error)
}

// loadText waits for a load of key, and starts one if none runs. It returns a text that
// is settled. The parameter text is the placeholder at the key, or nil.
func (h handle) loadText(ctx context.Context, key string, text []byte, load func(context.Context) (Loaded[any], error)) ([]byte, error) {
	if err := h.check(opGetOrLoad, key); err != nil {
		return nil, err
	}
	// A load may outlive its first caller, and the key may share memory with the caller's buffer.
	l := &loading{h, strings.Clone(key), load}
	at := loadKey{h.store.origin, driver.Key(h.store.path, l.key)}
	var doubted *loadCall
	for {
		stored := unshared(string(text))
		call, err := loads.Join(ctx, at, func(c *loadCall, placeholder string) flight.Admission {
			switch placeholder {
			case "": // the load has not begun
				return flight.Enter
			case stored: // no write since the load began
				return flight.Enter
			}
			if c == doubted { // its placeholder was stored before text was read, and is gone
				return flight.Replace
			}
			doubted = c
			return flight.LookAgain
		}, l.fill)
		if err != nil {
			return nil, l.store.fail(opGetOrLoad, l.key, errOwnKey)
		}
		if call != nil {
			if text, err := l.wait(ctx, call); text != nil || err != nil {
				return text, err
			}
		}
		var found bool
		if text, found, err = l.store.peek(ctx, opGetOrLoad, l.key); err != nil || settled(text, found) {
			return text, err
		}
	}
}

var errOwnKey = driver.Reason(errors.New("kv: a load asks for its own key"),
	"a load asks for its own key, or for one whose load waits for it: that would never end")

// wait returns the result of call. It panics or calls runtime.Goexit if the load did.
func (l *loading) wait(ctx context.Context, call *loadCall) ([]byte, error) {
	if !call.Wait(ctx) {
		return nil, l.store.fail(opGetOrLoad, l.key, ctx.Err())
	}
	text, crash, err := call.Result()
	if crash != nil {
		if crash.Goexit {
			runtime.Goexit()
		}
		panic(&LoadPanic{crash.Value, crash.Stack})
	}
	return text, err
}

// fill loads the key and stores the result. It returns a text that is settled, or nil if there
// was nothing to load. After nil each caller has to read the key itself, because the text that
// fill has read may be gone before a caller joins.
func (l *loading) fill(ctx context.Context, call *loadCall) ([]byte, error) {
	lease, err := acquire(ctx, l.store, l.key)
	if errors.Is(err, errSettled) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	stored := false
	defer func() {
		if !stored {
			lease.release(ctx)
		}
	}()
	call.SetTag(unshared(lease.placeholder))
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer lease.renew(ctx)()
	loaded, err := l.run(ctx)
	if err != nil {
		return nil, err
	}
	text, ttl, err := l.result(loaded)
	if err != nil {
		return nil, err
	}
	var refusal error
	if !loaded.None || ttl != driver.NoTTL {
		stored, refusal = lease.settle(ctx, text, ttl)
	}
	if stored {
		return text, nil
	}
	if refusal == nil || driver.IsUnknown(refusal) {
		if written := l.written(ctx); written != nil {
			return written, nil
		}
	}
	if refusal != nil && l.unstored != nil {
		l.unstored(ctx, l.store.fail(opUnstored, l.key, refusal))
	}
	return text, nil
}

// run calls the loader, whose context ends after LoadTimeout.
func (l *loading) run(ctx context.Context) (Loaded[any], error) {
	if l.loadTimeout.kind == optionTTL {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, l.loadTimeout.ttl, errLoadTimeout)
		defer cancel()
	}
	return l.load(ctx)
}

var errLoadTimeout = errors.New("kv: the load took longer than its LoadTimeout")

// written returns the text that another write stored during the load, or nil.
func (l *loading) written(ctx context.Context) []byte {
	ctx, cancel := outlive(ctx)
	defer cancel()
	text, found, err := l.store.peek(ctx, opGetOrLoad, l.key)
	if err != nil || !settled(text, found) {
		return nil
	}
	return text
}

// result returns the text to store for loaded, and its time to live.
func (l *loading) result(loaded Loaded[any]) ([]byte, time.Duration, error) {
	p := l.store.plain()
	opt := l.ttl
	if loaded.None {
		opt = l.none
	}
	if loaded.TTL != 0 {
		opt = WithTTL(loaded.TTL)
	}
	ttl, err := p.writeTTL(opGetOrLoad, l.key, []Option{opt}, false)
	if err != nil {
		return nil, 0, err
	}
	ttl = jittered(ttl, l.jitter)
	if loaded.None {
		return []byte(placeholderNone), ttl, nil
	}
	text, err := p.encode(opGetOrLoad, l.key, loaded.Value)
	return text, ttl, err
}

// jittered shortens ttl by a random part, up to fraction of ttl. The result is a positive number of
// whole milliseconds, or NoTTL.
func jittered(ttl time.Duration, fraction float64) time.Duration {
	most := int64(float64(ttl/time.Millisecond) * fraction)
	return max(ttl-time.Duration(rand.Int64N(most+1))*time.Millisecond, min(ttl, time.Millisecond))
}
