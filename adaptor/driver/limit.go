package driver

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"
)

// An AtomicStore may implement Limiter to decide about a rate limit in one step, by the clock of the
// store. Without it, the function [Limit] uses Get, TTL, SetNX, CompareAndSwap and CompareAndDelete.
//
// The state of all rates of a key is one entry: the text that [Limits.Decide] describes. A backend that keeps the text
// and can lock an entry calls Decide. A backend with its own scripts uses Cost, Capacity and Result.
type Limiter interface {
	// Limit makes one decision about the entry at key. It changes the entry in the same step, or not at all.
	// A stored value that is not the state of a limiter, or that has no deadline, is ErrInvalidValue and
	// remains. l and its rates do not change.
	Limit(ctx context.Context, key string, l *Limits, c LimitCall) (Limited, error)
}

// A LimitRate allows Events events per Per in the long run, and Burst events in one moment.
type LimitRate struct {
	Events int64
	Per    time.Duration
	Burst  int64
}

// A LimitCall describes a decision. Without Take, Give and Reset, it only looks.
type LimitCall struct {
	// Need is how many events must be available, at least 1 and at most the smallest burst.
	Need int64
	// Take is how many events to take at most, 0 or at least Need. If fewer than Need are available, none
	// is taken.
	Take int64
	// Give is how many events to give back; more than a burst count as the burst. No rate then has more
	// events than its burst.
	Give int64
	// Age is how long ago the events that Give gives back were taken, at most. A rate gets back only the part
	// that it has not regained in this time.
	Age time.Duration
	// Reset removes the entry.
	Reset bool
}

// Limited is the result of a decision. All times are rounded up to the clock's unit.
type Limited struct {
	Allowed    bool          // Need events were available
	Taken      int64         // 0 if not allowed
	Rate       int           // the index of the rate with the fewest events left, the first one of several
	Remaining  int64         // whole events that this rate has left
	RetryAfter time.Duration // until Need events are available; 0 if allowed
	ResetIn    time.Duration // until every burst is whole
}

// A Span is an exact length of time: NS nanoseconds, and the part Part/d of one more. d is the [Limits.Denominator] of the
// rate that the Span belongs to, and Part is less than d.
type Span struct{ NS, Part int64 }

// Limits are the rates of a limiter, prepared for decisions. Limits may be used concurrently.
//
// A rate is a bucket that loses its debt while time passes: GCRA, the generic cell rate algorithm of ITU-T
// recommendation I.371, annex A, in the form of virtual scheduling. An event costs Per/Events of time. The debt of
// a bucket is the time until it is whole, and never exceeds Burst·Per/Events. The fraction Per/Events is kept
// in lowest terms, so that all arithmetic is exact.
type Limits struct {
	rates []limitRate
	least int64  // the smallest burst
	short []byte // the state of a single rate whose bucket is whole at the deadline
	clock storeClock
}

type limitRate struct {
	LimitRate
	id       string
	num, den int64 // Per/Events in lowest terms
	capacity Span  // of Burst events
	one      Span  // of one event
}

const (
	// MaxLimitTime is the longest time in which a burst may become whole: 100 years.
	MaxLimitTime = 100 * 365 * 24 * time.Hour

	// maxDenominator keeps 1,000 denominators, which the scripts of Redis add, exact in a double.
	maxDenominator = 1 << 42

	idLength = 8

	// maxRates keeps the state of a key small.
	maxRates = 64
)

// NewLimits prepares rates. It returns an error if a rate is not positive, or if its arithmetic would not be
// exact in int64: if its burst takes longer than [MaxLimitTime] to become whole, or if Events, after
// division by the greatest common divisor of Events and Per, exceed 2^42. It copies rates.
func NewLimits(rates []LimitRate) (*Limits, error) {
	if len(rates) == 0 || len(rates) > maxRates {
		return nil, fmt.Errorf("kv: %d rates: a limiter needs 1 to %d", len(rates), maxRates)
	}
	l := &Limits{rates: make([]limitRate, len(rates)), least: math.MaxInt64}
	for i, rate := range rates {
		r := &l.rates[i]
		r.LimitRate = rate
		l.least = min(l.least, rate.Burst)
		if rate.Events < 1 || rate.Per < 1 || rate.Burst < 1 {
			return nil, fmt.Errorf("kv: rate %d: Events, Per and Burst must be positive, got %d, %d ns and %d", i, rate.Events, rate.Per, rate.Burst)
		}
		divisor := gcd(int64(rate.Per), rate.Events)
		r.num, r.den = int64(rate.Per)/divisor, rate.Events/divisor
		hi, lo := bits.Mul64(uint64(rate.Burst), uint64(r.num))
		if hi >= uint64(r.den) {
			return nil, errSlowRate(i)
		}
		if ns, _ := bits.Div64(hi, lo, uint64(r.den)); ns >= uint64(MaxLimitTime) {
			return nil, errSlowRate(i)
		}
		if r.den > maxDenominator {
			return nil, fmt.Errorf("kv: rate %d: Events per Per is too fine a fraction: in lowest terms, Events must be at most 2^42", i)
		}
		r.capacity, r.one = r.cost(rate.Burst), r.cost(1)
		hash := fnv.New64a()
		fmt.Fprintf(hash, "%d/%d/%d", rate.Events, int64(rate.Per), rate.Burst)
		r.id = base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:idLength*6/8])
	}
	if len(rates) == 1 {
		l.short = []byte(statePrefix + "." + l.rates[0].id + `"`)
	}
	return l, nil
}

func errSlowRate(i int) error {
	return fmt.Errorf("kv: rate %d: its burst must be whole again after at most %v", i, MaxLimitTime)
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Len returns the number of rates.
func (l *Limits) Len() int { return len(l.rates) }

// Rate returns a rate as NewLimits got it.
func (l *Limits) Rate(i int) LimitRate { return l.rates[i].LimitRate }

// ID returns the name of a rate in the state: 8 characters of a URL-safe base64 alphabet that depend on Events,
// Per and Burst only.
func (l *Limits) ID(i int) string { return l.rates[i].id }

// Denominator returns the d of a rate's [Span]. It is at most 2^42.
func (l *Limits) Denominator(i int) int64 { return l.rates[i].den }

// Capacity returns the debt of a rate that has no event left.
func (l *Limits) Capacity(i int) Span { return l.rates[i].capacity }

// Cost returns the debt of n events, of at most a whole burst.
func (l *Limits) Cost(i int, n int64) Span { return l.rates[i].cost(n) }

// Refund returns the debt that a rate loses when c gives events back.
func (l *Limits) Refund(i int, c LimitCall) Span {
	return l.rates[i].sub(l.rates[i].cost(c.Give), Span{NS: int64(c.Age)})
}

// MinBurst returns the smallest burst.
func (l *Limits) MinBurst() int64 { return l.least }

func (r *limitRate) cost(n int64) Span {
	hi, lo := bits.Mul64(uint64(min(n, r.Burst)), uint64(r.num))
	ns, part := bits.Div64(hi, lo, uint64(r.den))
	return Span{int64(ns), int64(part)}
}

// costOf is cost, which is ready for one event.
func (r *limitRate) costOf(n int64) Span {
	if n == 1 {
		return r.one
	}
	return r.cost(n)
}

func (r *limitRate) add(a, b Span) Span {
	sum := Span{a.NS + b.NS, a.Part + b.Part}
	if sum.Part >= r.den {
		sum.NS, sum.Part = sum.NS+1, sum.Part-r.den
	}
	return sum
}

// sub returns a - b, or 0 if b is longer.
func (r *limitRate) sub(a, b Span) Span {
	d := Span{a.NS - b.NS, a.Part - b.Part}
	if d.Part < 0 {
		d.NS, d.Part = d.NS-1, d.Part+r.den
	}
	if d.NS < 0 {
		return Span{}
	}
	return d
}

// left returns the whole events that a bucket with a debt has left.
func (r *limitRate) left(debt Span) int64 {
	free := r.sub(r.capacity, debt)
	if r.den == 1 {
		return free.NS / r.num
	}
	hi, lo := bits.Mul64(uint64(free.NS), uint64(r.den))
	lo, carry := bits.Add64(lo, uint64(free.Part), 0)
	n, _ := bits.Div64(hi+carry, lo, uint64(r.num))
	return int64(n)
}

// up rounds up to a multiple of unit.
func (s Span) up(unit int64) int64 {
	ns := s.NS
	if s.Part > 0 {
		ns++
	}
	if unit > 1 {
		ns = (ns + unit - 1) / unit * unit
	}
	return ns
}

// Result returns the result of a decision after which the rates have these debts. taken are the events that
// were taken. unit is the step of the clock that measured the debts: a caller that waits for a multiple of it
// has waited long enough.
func (l *Limits) Result(debts []Span, c LimitCall, taken int64, unit time.Duration) Limited {
	res := Limited{Taken: taken, Remaining: math.MaxInt64}
	for i := range l.rates {
		r := &l.rates[i]
		if left := r.left(debts[i]); left < res.Remaining {
			res.Rate, res.Remaining = i, left
		}
		res.ResetIn = max(res.ResetIn, time.Duration(debts[i].up(int64(unit))))
	}
	res.Allowed = taken > 0 || c.Take == 0 && res.Remaining >= c.Need
	if !res.Allowed {
		for i := range l.rates {
			r := &l.rates[i]
			over := r.sub(r.add(debts[i], r.costOf(c.Need)), r.capacity)
			res.RetryAfter = max(res.RetryAfter, time.Duration(over.up(int64(unit))))
		}
	}
	return res
}

// A LimitWrite is the change of an entry by a decision.
type LimitWrite int

// The changes of an entry.
const (
	LimitKeep  LimitWrite = iota // nothing
	LimitStore                   // the text and the deadline
	LimitDrop                    // remove it
)

// Decide makes a decision from the stored text, which is nil if there is no entry, and from the time that the entry
// has left. It appends a new text to buf, and returns the new time to live, a multiple of unit.
//
// The state is one JSON string:
//
//	"rl.<id>+<ns>/<part>.<id>…"
//
// Each rate whose bucket is not whole has an item: its [Limits.ID], and the [Span] from the time at which its bucket is
// whole to the deadline of the entry. Zeros are left out. The deadline is on the clock of the store, so the
// state needs no other clock, and clients with wrong clocks share one limit. A backend that knows the time of
// its clock may write "rl@<time in ms> first, and count from that time, which is up to a millisecond later than the deadline. A
// caller that does not lock the entry adds ~ and a random number, by which two states at different times differ.
//
// Items of rates that l does not have remain until their buckets are whole: during a deploy that
// changes rates, old and new processes use the same entry.
//
// A text of another form, or a left that is not positive, is ErrInvalidValue.
func (l *Limits) Decide(buf, text []byte, left time.Duration, c LimitCall, unit time.Duration) (res Limited, write LimitWrite, next []byte, ttl time.Duration, err error) {
	var few [4]Span
	debts := few[:]
	if len(l.rates) > len(few) {
		debts = make([]Span, len(l.rates))
	}
	debts = debts[:len(l.rates)]
	var others []item
	switch {
	case text == nil:
	case left <= 0:
		return res, 0, nil, 0, errNotALimit
	case l.short != nil && bytes.Equal(text, l.short):
		debts[0].NS = int64(left)
	default:
		if others, err = l.read(debts, text, int64(left)); err != nil {
			return res, 0, nil, 0, err
		}
	}
	if text != nil {
		for i := range debts {
			if r := &l.rates[i]; debts[i].NS >= r.capacity.NS {
				debts[i] = r.least(debts[i], r.capacity)
			}
		}
	}

	taken := int64(0)
	switch {
	case c.Reset:
		clear(debts)
		res = l.Result(debts, c, 0, 1)
		if text != nil {
			write = LimitDrop
		}
		return res, write, nil, 0, nil
	case c.Give > 0:
		for i := range debts {
			r := &l.rates[i]
			debts[i] = r.sub(debts[i], l.Refund(i, c))
		}
	case c.Take > 0:
		taken = min(c.Take, l.available(debts))
		if taken < c.Need {
			return l.Result(debts, c, 0, 1), LimitKeep, nil, 0, nil
		}
		for i := range debts {
			r := &l.rates[i]
			debts[i] = r.add(debts[i], r.costOf(taken))
		}
	}
	res = l.Result(debts, c, taken, 1)
	if c.Take == 0 && (c.Give == 0 || text == nil) {
		return res, LimitKeep, nil, 0, nil
	}

	whole := int64(0) // when all are
	for i := range debts {
		whole = max(whole, debts[i].up(int64(unit)))
	}
	for i := range others {
		whole = max(whole, Span{NS: int64(left) - others[i].before.NS}.up(int64(unit)))
	}
	if whole == 0 {
		return res, LimitDrop, nil, 0, nil
	}
	if l.short != nil && others == nil && whole == debts[0].NS && debts[0].Part == 0 {
		return res, LimitStore, append(buf, l.short...), time.Duration(whole), nil
	}
	next = append(buf, statePrefix...)
	for i := range debts {
		if r := &l.rates[i]; debts[i] != (Span{}) {
			next = appendItem(next, r.id, r.sub(Span{NS: whole}, debts[i]))
		}
	}
	for _, o := range others {
		next = appendItem(next, o.id, Span{o.before.NS + whole - int64(left), o.before.Part})
	}
	return res, LimitStore, append(next, '"'), time.Duration(whole), nil
}

// DecideInPlace makes the decision of [Limits.Decide] about need and take events, on a clock of nanoseconds, if the stored text
// stays as it is. ok is false if the text must change, or if Decide has more to do. If events were taken, only the
// deadline changes: to ResetIn from now.
func (l *Limits) DecideInPlace(text []byte, left time.Duration, need, take int64) (res Limited, ok bool) {
	r := &l.rates[0]
	if r.den != 1 || l.short == nil || left <= 0 || string(text) != string(l.short) {
		return res, false
	}
	free := max(r.capacity.NS-int64(left), 0)
	n := free / r.num
	res.Remaining = n
	res.ResetIn = time.Duration(r.capacity.NS - free)
	if n < need {
		res.RetryAfter = time.Duration(r.costOf(need).NS - free)
		return res, true
	}
	res.Allowed = true
	if take > 0 {
		res.Taken = min(take, n)
		res.Remaining = n - res.Taken
		res.ResetIn += time.Duration(r.costOf(res.Taken).NS)
	}
	return res, true
}

// available returns how many events all rates have.
func (l *Limits) available(debts []Span) int64 {
	least := int64(math.MaxInt64)
	for i := range l.rates {
		least = min(least, l.rates[i].left(debts[i]))
	}
	return least
}

// least returns the shorter span.
func (r *limitRate) least(a, b Span) Span {
	if a.NS < b.NS || a.NS == b.NS && a.Part < b.Part {
		return a
	}
	return b
}

const statePrefix = `"rl`

var errNotALimit = Reason(ErrInvalidValue, "the stored value is not the state of a rate limiter")

// An item is the state of one rate.
type item struct {
	id     string
	before Span // from the time when its bucket is whole to the deadline
}

// read fills in the debts of the rates in text, and returns the items of other rates that are not whole.
func (l *Limits) read(debts []Span, text []byte, left int64) (others []item, err error) {
	t, ok := bytes.CutPrefix(text, []byte(statePrefix))
	if !ok {
		return nil, errNotALimit
	}
	if len(t) > 0 && t[0] == '@' {
		if _, t, ok = number(t[1:]); !ok {
			return nil, errNotALimit
		}
		left += int64(time.Millisecond)
	}
	for len(t) > 0 && t[0] == '.' {
		if len(t) < 1+idLength || !isID(t[1:1+idLength]) {
			return nil, errNotALimit
		}
		id := t[1 : 1+idLength]
		t = t[1+idLength:]
		var before Span
		if len(t) > 0 && t[0] == '+' {
			if before.NS, t, ok = number(t[1:]); !ok {
				return nil, errNotALimit
			}
		}
		if len(t) > 0 && t[0] == '/' {
			if before.Part, t, ok = number(t[1:]); !ok {
				return nil, errNotALimit
			}
		}
		known := false
		for i := range l.rates {
			if r := &l.rates[i]; r.id == string(id) {
				if before.Part >= r.den {
					return nil, errNotALimit
				}
				debts[i] = r.sub(Span{NS: left}, before)
				known = true
			}
		}
		if !known && before.NS < left && len(others) < maxRates {
			others = append(others, item{string(id), before})
		}
	}
	if len(t) > 0 && t[0] == '~' {
		if _, t, ok = number(t[1:]); !ok {
			return nil, errNotALimit
		}
	}
	if len(t) != 1 || t[0] != '"' {
		return nil, errNotALimit
	}
	return others, nil
}

func isID(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// number reads the decimal number at the beginning of t.
func number(t []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for ; i < len(t) && '0' <= t[i] && t[i] <= '9'; i++ {
		if n > (math.MaxInt64-9)/10 {
			return 0, nil, false
		}
		n = n*10 + int64(t[i]-'0')
	}
	return n, t[i:], i > 0
}

func appendItem(b []byte, id string, before Span) []byte {
	b = append(append(b, '.'), id...)
	if before.NS > 0 {
		b = strconv.AppendInt(append(b, '+'), before.NS, 10)
	}
	if before.Part > 0 {
		b = strconv.AppendInt(append(b, '/'), before.Part, 10)
	}
	return b
}

// Limit makes one decision by [Limiter], or else by Get, TTL, and a write that fails if the entry has changed in the
// meantime.
//
// Without Limiter, a decision takes three round trips if no other caller changes the entry. The debts are exact as of
// TTL, and the new deadline counts from the write. The time between the two is lost for the caller, so that a slow backend
// allows a bit less. On a backend whose clock has steps of a millisecond, RetryAfter is up
// to two milliseconds longer.
func Limit(ctx context.Context, s AtomicStore, key string, l *Limits, c LimitCall) (Limited, error) {
	if n, ok := s.(Limiter); ok {
		if res, err := n.Limit(ctx, key, l, c); !unavailable(err) {
			return res, err
		}
	}
	for range limitTries {
		res, done, err := l.limitOnce(ctx, s, key, c)
		if err != nil || done {
			return res, err
		}
		if err := ctx.Err(); err != nil {
			return Limited{}, err
		}
	}
	return Limited{}, errLimitContended
}

// limitTries is how often a decision is made again because another caller has changed the entry.
const limitTries = 10_000

var errLimitContended = Reason(errors.New("kv: too many concurrent decisions"),
	"other callers changed the key 10,000 times between read and write, or Get and SetNX of the backend disagree")

// limitOnce makes a decision. done is false if another caller has changed the entry in the meantime.
func (l *Limits) limitOnce(ctx context.Context, s AtomicStore, key string, c LimitCall) (res Limited, done bool, err error) {
	text, found, err := s.Get(ctx, key)
	if err != nil {
		return res, false, err
	}
	var left time.Duration
	if found {
		if left, found, err = s.TTL(ctx, key); err != nil || !found {
			return res, false, err
		}
		text = append([]byte{}, text...) // not nil
		l.clock.read(text, left)
	} else {
		text = nil
	}
	res, write, next, ttl, err := l.Decide(nil, text, left, c, time.Millisecond)
	if err != nil {
		return Limited{}, false, err
	}
	switch {
	case write == LimitStore:
		// The number makes two states with equal texts at different times differ: otherwise CompareAndSwap would take one
		// for the other, and a TTL could belong to another state.
		next = strconv.AppendUint(append(next[:len(next)-1], '~'), rand.Uint64N(1e9), 10)
		next = append(next, '"')
		written := string(next)
		if found {
			done, err = s.CompareAndSwap(ctx, key, text, next, ttl)
		} else {
			done, err = s.SetNX(ctx, key, next, ttl)
		}
		if done {
			l.clock.wrote(written, ttl)
		}
	case !found:
		done = true
	case write == LimitDrop:
		done, err = s.CompareAndDelete(ctx, key, text)
	default: // another caller may have written between Get and TTL
		var again []byte
		again, found, err = s.Get(ctx, key)
		done = found && bytes.Equal(again, text)
	}
	if !res.Allowed && l.clock.coarse() {
		res.RetryAfter = time.Duration(Span{NS: int64(res.RetryAfter)}.up(int64(time.Millisecond))) + time.Millisecond // a TTL of 0 reads as 1 ms
	}
	return res, done, err
}

// A storeClock finds out whether the clock behind TTL is exact, or has steps of a millisecond.
type storeClock struct {
	state atomic.Int32
	last  atomic.Pointer[stateWrite]
}

const (
	clockUnknown = iota
	clockCoarse
	clockExact
)

func (k *storeClock) coarse() bool { return k.state.Load() == clockCoarse }

// A stateWrite is a write of this process.
type stateWrite struct {
	text string
	ttl  time.Duration
	at   time.Time
}

func (k *storeClock) wrote(text string, ttl time.Duration) {
	if k.state.Load() == clockUnknown {
		k.last.Store(&stateWrite{text, ttl, time.Now()})
	}
}

// read learns from a TTL. It shows an exact clock if it is not in whole milliseconds, and a coarse one if it is although
// the local clock has moved by a part of a millisecond since the write.
func (k *storeClock) read(text []byte, left time.Duration) {
	state := k.state.Load()
	if state == clockExact {
		return
	}
	if left%time.Millisecond != 0 {
		k.state.Store(clockExact)
	} else if last := k.last.Load(); state == clockUnknown && last != nil && last.text == string(text) && time.Since(last.at) != last.ttl-left {
		k.state.CompareAndSwap(clockUnknown, clockCoarse)
	}
}

// A Limiter may implement Instant if its method Limit waits for nothing but locks that are held for a moment. Callers then use
// no time-out.
type Instant interface {
	Limiter
	// Instant does nothing.
	Instant()
}
