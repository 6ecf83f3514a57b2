package limit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// Config configures a [Limiter].
type Config struct {
	// Name distinguishes the keys of this limiter from the keys of other limiters in the same store. Limiters with the
	// same Name share their keys, also in other processes. The namespace is limit/<Name>. Name is required.
	Name string

	// Rates are the limits, at least one. Every rate must allow an event.
	Rates []Rate

	// OnOutage says how to decide when the store cannot answer. Zero means [Fail].
	OnOutage Outage

	// Timeout limits one decision. Zero means 250 ms.
	Timeout time.Duration

	// Lease is how many events of a key one round trip takes ahead, at most. Later calls then use these events without
	// a round trip. Zero means that every decision asks the store.
	Lease int64

	// LeaseFor is how long unused events of a lease are kept before they are given back. Zero means one second.
	LeaseFor time.Duration
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Name == "":
		return c, errors.New("limit: Config.Name is required")
	case c.OnOutage < Fail || c.OnOutage > Local:
		return c, fmt.Errorf("limit: Config.OnOutage must be Fail, Open, Closed or Local, got %d", c.OnOutage)
	case c.Timeout < 0:
		return c, fmt.Errorf("limit: Config.Timeout must not be negative, got %v (zero means 250 ms)", c.Timeout)
	case c.Lease < 0:
		return c, fmt.Errorf("limit: Config.Lease must not be negative, got %d (zero means no leases)", c.Lease)
	case c.LeaseFor < 0:
		return c, fmt.Errorf("limit: Config.LeaseFor must not be negative, got %v (zero means one second)", c.LeaseFor)
	}
	c.Name = strings.Clone(c.Name)
	if c.Timeout == 0 {
		c.Timeout = 250 * time.Millisecond
	}
	if c.LeaseFor == 0 {
		c.LeaseFor = time.Second
	}
	return c, nil
}

// A Decision is the answer to a call.
type Decision struct {
	// Allowed reports whether the events were taken.
	Allowed bool
	// Limit is the burst of the deciding rate: the one with the fewest events left.
	Limit int64
	// Remaining is how many whole events are left, the minimum over all rates.
	Remaining int64
	// RetryAfter is 0 if the call is allowed. Otherwise the same call is allowed after exactly this time, if no other
	// caller takes events.
	RetryAfter time.Duration
	// ResetIn is the time until every burst is whole.
	ResetIn time.Duration
	// Degraded reports that the store could not answer, and that Config.OnOutage decided.
	Degraded bool
}

// ErrNever is the error of a call that asks for more events than the burst of a rate: no wait can help, and nothing is
// taken.
var ErrNever = errors.New("limit: more events than a burst")

// A Limiter decides how often something may happen, per key. [New] makes one. It may be used concurrently.
//
// A method whose context is done returns [adaptor.ErrStoreOperationFailed], wrapping the context's error, and changes
// nothing. A stored value that is not a limiter's is [adaptor.ErrInvalidValue] and remains. Texts of errors contain no keys.
type Limiter struct {
	config   Config
	rates    []Rate
	limits   *driver.Limits
	policies []string // the names of the rates in header fields
	policy   string   // the field RateLimit-Policy
	store    driver.AtomicStore
	instant  driver.Instant // the store if it never waits, or nil
	outage   outage
	leases   leases
	turns    turns
}

// New returns a limiter on kv, which may be an adaptor or a store. It starts no goroutine and makes no round trip.
//
// New returns an error if kv is nil, if a field of config is invalid, or if a rate cannot be exact in int64: see
// [driver.NewLimits]. It copies config.
func New(kv adaptor.AtomicKVAdaptor, config Config) (*Limiter, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Limiter{config: config}
	if l.rates, l.limits, err = prepare(config.Rates); err != nil {
		return nil, err
	}
	l.config.Rates = nil
	opener := adaptor.Driver(kv)
	if opener == nil {
		return nil, errors.New("limit: New needs an adaptor, got nil")
	}
	l.store, err = opener.OpenAtomic([]string{"limit", config.Name})
	if err == nil && l.store == nil {
		err = errors.New("the adaptor opened no store")
	}
	if err != nil {
		return nil, fmt.Errorf("limit: New: %w", err)
	}
	l.instant, _ = l.store.(driver.Instant)
	l.policies, l.policy = policies(config.Name, l.rates)
	l.outage.epoch = time.Now()
	l.leases.init(l)
	return l, nil
}

// The operations in errors.
const (
	opAllow  = "AllowN"
	opPeek   = "Peek"
	opWait   = "Wait"
	opRefund = "Refund"
	opReset  = "Reset"
	opClose  = "Close"
)

// Allow takes one event of key, if every rate has one left. It is AllowN with n = 1.
func (l *Limiter) Allow(ctx context.Context, key string) (Decision, error) {
	return l.AllowN(ctx, key, 1)
}

// AllowN takes n events of key from every rate, or from none. With n = 0 it takes nothing and answers like Peek.
//
// AllowN returns an error that is [ErrNever] if n is above a burst, and [adaptor.ErrInvalidValue] if n is negative. A refused call is
// not an error.
func (l *Limiter) AllowN(ctx context.Context, key string, n int64) (Decision, error) {
	// The usual call, without a detour: the store never waits, and nothing is unusual.
	if l != nil && l.instant != nil && l.config.Lease == 0 && n > 0 && n <= l.limits.MinBurst() && l.outage.local.Load() == nil && ctx.Err() == nil {
		r, err := l.instant.Limit(ctx, key, l.limits, driver.LimitCall{Need: n, Take: n})
		if err == nil {
			return Decision{
				Allowed:    r.Allowed,
				Limit:      l.rates[r.Rate].Burst,
				Remaining:  r.Remaining,
				RetryAfter: r.RetryAfter,
				ResetIn:    r.ResetIn,
			}, nil
		}
	}
	v, err := l.allow(ctx, opAllow, key, n)
	return v.Decision, err
}

// Peek answers like AllowN, and takes nothing. Allowed then means that one event would be allowed now.
func (l *Limiter) Peek(ctx context.Context, key string) (Decision, error) {
	v, err := l.allow(ctx, opPeek, key, 0)
	return v.Decision, err
}

// A verdict is a decision with the rate that decided.
type verdict struct {
	Decision
	rate int
}

func (l *Limiter) allow(ctx context.Context, op, key string, n int64) (verdict, error) {
	if err := l.ready(ctx, op, key); err != nil {
		return verdict{}, err
	}
	switch {
	case n < 0:
		return verdict{}, l.fail(op, key, errNegative)
	case n > l.limits.MinBurst():
		return verdict{}, l.fail(op, key, errNever)
	case l.config.Lease > 0:
		return l.leases.allow(ctx, op, key, n)
	}
	return l.ask(ctx, op, key, callFor(n))
}

// callFor returns the call that takes n events, or looks for one.
func callFor(n int64) driver.LimitCall { return driver.LimitCall{Need: max(n, 1), Take: n} }

// ask asks the store, or follows Config.OnOutage.
func (l *Limiter) ask(ctx context.Context, op, key string, c driver.LimitCall) (verdict, error) {
	res, err := l.call(ctx, key, c, l.config.Timeout)
	if err == nil {
		return l.verdict(res), nil
	}
	return l.decideWithout(ctx, op, key, c, err)
}

func (l *Limiter) verdict(r driver.Limited) verdict {
	return verdict{Decision{
		Allowed:    r.Allowed,
		Limit:      l.rates[r.Rate].Burst,
		Remaining:  r.Remaining,
		RetryAfter: r.RetryAfter,
		ResetIn:    r.ResetIn,
	}, r.Rate}
}

// Refund gives n events of key back to every rate, for example after an action that does not count. No rate then
// has more events than its burst, and the entry of a key whose bursts are whole is removed.
//
// A limiter with leases gives back only events that it used itself, less the part that the rates have regained. Refund returns
// [adaptor.ErrInvalidValue] if n is negative, and [adaptor.ErrStoreOperationFailed] during an outage, in every mode of [Outage].
func (l *Limiter) Refund(ctx context.Context, key string, n int64) error {
	if err := l.ready(ctx, opRefund, key); err != nil {
		return err
	}
	switch {
	case n < 0:
		return l.fail(opRefund, key, errNegative)
	case n == 0:
		return nil
	}
	c := driver.LimitCall{Need: 1, Give: n}
	if l.config.Lease > 0 {
		if c = l.leases.refund(key, n); c.Give == 0 {
			return nil
		}
	}
	if _, err := l.call(ctx, key, c, l.config.Timeout); err != nil {
		return l.fail(opRefund, key, err)
	}
	return nil
}

// Reset makes every burst of key whole. It returns [adaptor.ErrStoreOperationFailed] during an outage, in every mode of [Outage].
func (l *Limiter) Reset(ctx context.Context, key string) error {
	if err := l.ready(ctx, opReset, key); err != nil {
		return err
	}
	l.leases.forget(key)
	if _, err := l.call(ctx, key, driver.LimitCall{Need: 1, Reset: true}, l.config.Timeout); err != nil {
		return l.fail(opReset, key, err)
	}
	return nil
}

// Close gives leased events back, and waits until this is done or until ctx ends. It returns an error if
// events could not be given back; they are then lost until the rates regain them. Close is idempotent. After Close the limiter
// works without leases. In an fx app, call Close in OnStop.
func (l *Limiter) Close(ctx context.Context) error {
	if l == nil || l.store == nil {
		return nil
	}
	return l.leases.close(ctx)
}

// ready returns the error of a limiter that was not made by New, or of a context that is done.
func (l *Limiter) ready(ctx context.Context, op, key string) error {
	if l == nil || l.store == nil {
		return (*Limiter)(nil).fail(op, key, errNotMade)
	}
	if err := ctx.Err(); err != nil {
		return l.fail(op, key, err)
	}
	return nil
}

// fail makes the error of an operation.
func (l *Limiter) fail(op, key string, cause error) error {
	e := &adaptor.Error{Code: adaptor.CodeStoreOperationFailed, Op: op, Key: strings.Clone(key), Err: cause}
	if l != nil {
		e.Namespace = strings.TrimSuffix(driver.Key([]string{"limit", l.config.Name}, ""), ":")
	}
	if errors.Is(cause, driver.ErrInvalidValue) && !driver.IsUnknown(cause) || errors.Is(cause, ErrNever) {
		e.Code = adaptor.CodeInvalidValue
	}
	if op == opPeek {
		e.Err = applied(cause)
	}
	return e
}

var (
	errNotMade  = driver.Reason(errors.New("limit: not made by New"), "the Limiter was not made by limit.New")
	errNegative = driver.Reason(fmt.Errorf("%w: negative", driver.ErrInvalidValue), "the number of events must not be negative")
	errNever    = driver.Reason(ErrNever, "the call asks for more events than the burst of a rate, and would never be allowed")
)

// applied returns err without the mark of a write that may have happened.
func applied(err error) error {
	if !driver.IsUnknown(err) {
		return err
	}
	text := driver.ReasonOf(err)
	if text == "" {
		text = "the store did not answer"
	}
	return driver.Reason(&appliedError{err}, text)
}

// An appliedError hides the mark from errors.As. It hides nothing from errors.Is.
type appliedError struct{ err error }

func (e *appliedError) Error() string        { return e.err.Error() }
func (e *appliedError) Is(target error) bool { return errors.Is(e.err, target) }
