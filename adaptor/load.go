package adaptor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/codec"
	"github.com/zelt-go/kv/internal/flight"
)

const (
	// leaseTTL is how long the note of a process that died stays. It harms nobody: the next
	// load takes it over.
	leaseTTL = 5 * time.Minute
	// storeTimeout ends what is done at the store when all may have left: no context of theirs does.
	storeTimeout = 5 * time.Second
)

// Loaded is what a loader found. The zero Loaded is the zero T.
type Loaded[T any] struct {
	Value T
	// None says that there is none; Value is ignored.
	None bool
	// TTL is the time to live of that. 0: as the handle's [DefaultTTL], or [NoneTTL], says.
	// A negative one is ErrInvalidTTL.
	TTL time.Duration
}

// LoadPanic is what [Typed.GetOrLoad] panics with when the loader has panicked.
type LoadPanic struct {
	// Value is what the loader panicked with.
	Value any
	// Stack is that of the loader, as debug.Stack formats it.
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

// GetOrLoad returns the value at key, and calls load, stores what it returns and returns
// that if there is none. found is false, and err nil, if load says that there is none. What
// load has to read must be changed first, and the key deleted or set then.
//
// Callers of one key share one load, whatever handle on the namespace they have, as long
// as they use one adaptor in one process: other processes load for themselves. Each gets
// a T of its own, decoded from JSON text as [Get] does.
//
// load gets a context with the values of the first caller's. It ends when the last caller
// has left, and not with any one's context or deadline: who has no time left leaves, with
// ErrStoreOperationFailed around the error of its own context, and the others get the
// value. A load may not ask for its own key, nor for one whose load waits for it: that is
// ErrStoreOperationFailed, as long as it asks with its own context, and waits for ever
// otherwise.
//
// The error of load is returned to all callers as it is, and nothing is stored. So is a
// panic, as a [*LoadPanic], and runtime.Goexit. When all have left before, nobody learns of
// it.
//
// # What is stored, and for how long
//
// A value is stored for Loaded.TTL, or else [DefaultTTL]. That there is none is
// remembered for Loaded.TTL, or else [NoneTTL], or else not at all. [Jitter] shortens all
// of these. What JSON can't hold is ErrInvalidValue, and a bad time to live
// ErrInvalidTTL, after the load has run; a bad option of the handle, before.
//
// When the store fails to store what was loaded, the value is returned all the same,
// without an error: the next call loads again. [OnUnstored] hears of it. When the store
// fails to read, load is not called, and that is the error, ErrInvalidValue too: a stored
// value that is no T stays.
//
// # A write during a load wins
//
// While a load runs, a note lies at the key; the result is stored in one atomic step
// that needs this very note to be there still. Every write takes it away: Set or Del,
// of this handle, of another one or of the plain store, in this process or another, by
// another program too. Then the result is not stored, and does not come back.
//
// Nor does a call that begins after such a write has returned get the result of a load
// that began before it: it starts a second load. Who had asked before gets the value that
// was written, if there is one, or else what the load returned.
//
// That holds across processes as far as the store is one: a failover of Redis may lose
// a Del that was acknowledged, and the note is there again. If the store refuses the
// note (it is full, or read only), nothing is stored, but a caller may share a load that
// began before its own Del.
//
// # What others see
//
// A note is a missing key to all methods of [Typed], to [Get] and to all that returns a
// value: GetRaw, GetMany, GetDel and Swap. The other methods of a plain store see an entry,
// with a time to live of its own: Has, TTL, Expire, Persist, SetNX, Incr, and Set and SetMany
// with WithKeepTTL, are not for keys that are loaded, and Keys lists it. It stays for up to
// five minutes when a process dies while it loads, and when loads of several processes fail
// that have shared it; the next load takes it over. Another program sees text that
// begins with a space, a quote and "kv:", and should take it for a missing key.
func (t Typed[T]) GetOrLoad(ctx context.Context, key string, load func(ctx context.Context) (Loaded[T], error)) (value T, found bool, err error) {
	text, found, err := t.store.peek(ctx, opGetOrLoad, key)
	if err == nil && !settled(text, found) {
		text, err = t.await(ctx, key, text, load)
	}
	if err != nil || string(text) == placeholderNone {
		return value, false, err
	}
	if err := codec.Unmarshal(text, &value); err != nil {
		var zero T
		return zero, false, failure(opGetOrLoad, t.store.path, key, CodeInvalidValue, err)
	}
	return value, true, nil
}

// loads are the loads that run in this process.
var loads flight.Group[loadKey, []byte]

// loadKey is a key of a backend. Two apps have two backends.
type loadKey struct {
	backend  any
	physical string
}

// await returns the text that a load of key settles on. text is what lies there.
func (t Typed[T]) await(ctx context.Context, key string, text []byte, load func(context.Context) (Loaded[T], error)) ([]byte, error) {
	if err := t.check(opGetOrLoad, key); err != nil {
		return nil, err
	}
	key = strings.Clone(key) // a load may outlive its first caller
	at := loadKey{t.store.opener, driver.Key(t.store.path, key)}
	var doubted *flight.Call[loadKey, []byte]
	for {
		lies := leaseOf(string(text))
		call, err := loads.Join(ctx, at, func(c *flight.Call[loadKey, []byte], lease string) flight.Admission {
			switch {
			case lease == "": // it has not begun to load
				return flight.Enter
			case lease == lies: // nothing was written since
				return flight.Enter
			case c == doubted: // its note was there before text was read, and is gone
				return flight.Replace
			}
			doubted = c
			return flight.LookAgain
		}, func(ctx context.Context, c *flight.Call[loadKey, []byte]) ([]byte, error) {
			return t.fill(ctx, c, key, load)
		})
		if err != nil {
			return nil, t.store.fail(opGetOrLoad, key, errOwnKey)
		}
		if call != nil {
			if text, err := t.result(ctx, key, call); text != nil || err != nil {
				return text, err
			}
		}
		var found bool
		if text, found, err = t.store.peek(ctx, opGetOrLoad, key); err != nil || settled(text, found) {
			return text, err
		}
	}
}

// errSettled is never seen by users.
var errSettled = errors.New("kv: there is nothing to load")

var errOwnKey = driver.Reason(errors.New("kv: a load asks for its own key"),
	"a load asks for its own key, or for one whose load waits for it: that would never end")

func (t Typed[T]) result(ctx context.Context, key string, call *flight.Call[loadKey, []byte]) ([]byte, error) {
	if !call.Wait(ctx) {
		return nil, t.store.fail(opGetOrLoad, key, ctx.Err())
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

// fill loads key and stores the result; it returns a text that is settled, or nil if there
// was nothing to load any more: then each caller has to look itself, since what fill has
// seen may be gone by the time a caller joins.
func (t Typed[T]) fill(ctx context.Context, call *flight.Call[loadKey, []byte], key string, load func(context.Context) (Loaded[T], error)) ([]byte, error) {
	own := newLease()
	note, refusal, err := t.lease(ctx, key, own)
	if err == errSettled {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	stored := false
	defer func() {
		if !stored && note == own { // and nobody shares it
			ctx, cancel := outlive(ctx)
			defer cancel()
			_, _ = t.store.atomic.CompareAndDelete(ctx, key, []byte(own))
		}
	}()
	call.SetTag(leaseOf(note))
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if note != "" {
		defer t.renewing(ctx, key, note)()
	}
	loaded, err := load(ctx)
	if err != nil {
		return nil, err
	}
	text, ttl, err := t.textOf(key, loaded)
	if err != nil {
		return nil, err
	}
	if loaded.None && ttl == driver.NoTTL {
		refusal = nil // there is nothing to store
	} else if note != "" {
		if stored, err = t.settle(ctx, key, note, text, ttl); stored || err != nil {
			refusal = err
		}
	}
	if stored {
		return text, nil
	}
	if refusal == nil || driver.IsUnknown(refusal) { // was something written meanwhile?
		ctx, cancel := outlive(ctx)
		defer cancel()
		written, found, err := t.store.peek(ctx, opGetOrLoad, key)
		if err == nil && settled(written, found) {
			return written, nil
		}
	}
	if refusal != nil && t.unstored != nil {
		t.unstored(ctx, t.store.fail(opUnstored, key, refusal))
	}
	return text, nil
}

// outlive returns a context for what is done at the store when all may have left.
func outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
}

// lease puts the note own at key, or takes over one that lies there, and returns it. The
// refusal is the store's, which does not take it: then the note is "", or, if it may lie
// there all the same, the note. The error is errSettled if there is nothing to load.
//
// Another note is that of another process, or of a load of ours which all have left. It is
// shared: either result may be stored, as long as nothing was written.
func (t Typed[T]) lease(ctx context.Context, key, own string) (note string, refusal, err error) {
	for range mostTries {
		placed, err := t.store.atomic.SetNX(ctx, key, []byte(own), leaseTTL)
		switch {
		case driver.IsUnknown(err):
			return own, err, nil
		case err != nil:
			return "", err, nil
		case placed:
			return own, nil, nil
		}
		text, found, err := t.store.peek(ctx, opGetOrLoad, key)
		switch {
		case err != nil:
			return "", nil, err
		case settled(text, found):
			return "", nil, errSettled
		case found:
			note := shared(string(text))
			// It may be gone by now; if not, it has all its time again.
			taken, err := t.store.atomic.CompareAndSwap(ctx, key, text, []byte(note), leaseTTL)
			switch {
			case driver.IsUnknown(err):
				return note, err, nil
			case err != nil:
				return "", err, nil
			case taken:
				return note, nil, nil
			}
		}
	}
	return "", errInBetween, nil
}

// settle replaces the note, which somebody may share by now, by text, or by itself if text is nil,
// and reports whether it was there. It goes on when all have left.
func (t Typed[T]) settle(ctx context.Context, key, note string, text []byte, ttl time.Duration) (bool, error) {
	ctx, cancel := outlive(ctx)
	defer cancel()
	for _, note := range slices.Compact([]string{note, shared(note)}) {
		next := slices.Clone(text)
		if text == nil {
			next = []byte(note)
		}
		done, err := t.store.atomic.CompareAndSwap(ctx, key, []byte(note), next, ttl)
		if done || err != nil {
			return done, err
		}
	}
	return false, nil
}

// renewing gives the note its time again and again, until what it returns is called.
func (t Typed[T]) renewing(ctx context.Context, key, note string) (stop func()) {
	var (
		mu      sync.Mutex
		timer   *time.Timer
		stopped bool
	)
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(leaseTTL/2, func() {
		renewed, err := t.settle(ctx, key, note, nil, leaseTTL)
		mu.Lock()
		defer mu.Unlock()
		if !stopped && (renewed || err != nil) { // else something was written
			timer.Reset(leaseTTL / 2)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

// textOf returns what is stored for loaded, and for how long.
func (t Typed[T]) textOf(key string, loaded Loaded[T]) ([]byte, time.Duration, error) {
	p := t.store.plain()
	opt := t.ttl
	if loaded.None {
		opt = t.none
	}
	if loaded.TTL != 0 {
		opt = WithTTL(loaded.TTL)
	}
	ttl, err := p.writeTTL(opGetOrLoad, key, []Option{opt}, false)
	if err != nil {
		return nil, 0, err
	}
	ttl = jittered(ttl, t.jitter)
	if loaded.None {
		return []byte(placeholderNone), ttl, nil
	}
	text, err := p.encode(opGetOrLoad, key, loaded.Value)
	return text, ttl, err
}

// jittered shortens ttl by a random part of fraction of it. It stays a positive number of
// whole milliseconds, or NoTTL.
func jittered(ttl time.Duration, fraction float64) time.Duration {
	most := int64(float64(ttl/time.Millisecond) * fraction)
	return max(ttl-time.Duration(rand.Int64N(most+1))*time.Millisecond, min(ttl, time.Millisecond))
}
