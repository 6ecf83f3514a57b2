package limit

import (
	"container/heap"
	"context"
	"errors"
	"math/bits"
	"sync"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// leases holds the events that this process has taken ahead, and the refusals that it remembers.
//
// A lease never allows more than the rates do. To see this, measure everything in events: let S be the debt in the
// store, R the debt of the events that were really used, and U the unused events of all leases. R + U ≤ S
// holds always, so R stays within the burst:
//   - Taking a lease adds the same to U and S. Using an event moves it from U to R. Giving it back takes it from U and S.
//   - While time passes, S loses as much as the rate regains, and so do R and every lease. A lease may lose
//     more: time counts from before the request was sent, and a bit faster than the clock.
//
// So the events of a lease do not come on top of a burst that has refilled in the meantime.
type leases struct {
	limiter *Limiter

	mu      sync.Mutex
	byKey   map[string]*lease
	due     dueHeap
	timer   *time.Timer // calls sweep when the first of due is due
	sweeps  bool        // sweep is running
	closed  bool
	flights int           // requests for leases that are under way, give-backs, and sweep
	idle    chan struct{} // closed when flights is 0 and closed is set
	lost    error         // the first error of a give-back after closed was set
}

// A lease is the knowledge of this process about a key.
type lease struct {
	key    string
	unused int64
	taken  time.Time // when the request for the events was sent
	until  time.Time // when unused events are given back

	uses []use // the last events that were used and not given back, for Refund

	last driver.Limited // the last answer of the store
	at   time.Time      // when it came

	refused   int64     // a call for so many events was refused,
	refusedTo time.Time // until this time; zero: there is no such refusal

	look   time.Time // when sweep looks at the lease; zero: never
	flight *flight   // the request that is under way, or nil
	stale  bool      // Reset has forgotten this lease
}

// A use is a number of events that were used at a time, or later.
type use struct {
	n  int64
	at time.Time
}

// mostUses limits the memory for uses, and useStep is the time within which two are one.
const (
	mostUses = 8
	useStep  = time.Millisecond
)

// A flight is a request for a lease. Other calls of the key wait for it.
type flight struct {
	done chan struct{}
	err  error // an outage; set before done is closed
}

// mostRefusals limits the memory for refusals.
const mostRefusals = 100_000

func (ls *leases) init(l *Limiter) {
	ls.limiter = l
	ls.byKey = map[string]*lease{}
}

// allow is Limiter.allow with leases.
func (ls *leases) allow(ctx context.Context, op, key string, n int64) (verdict, error) {
	l := ls.limiter
	deadline := time.Now().Add(l.config.Timeout)
	for {
		now := time.Now()
		ls.mu.Lock()
		if ls.closed {
			ls.mu.Unlock()
			return l.ask(ctx, op, key, callFor(n))
		}
		e := ls.byKey[key]
		if n == 0 {
			var held int64
			if e != nil {
				held = e.usable(l, now)
			}
			ls.mu.Unlock()
			return ls.peek(ctx, op, key, held)
		}
		if e == nil {
			e = ls.add(key)
		}
		if usable := e.usable(l, now); usable >= n {
			v := e.use(l, n, usable, now)
			ls.mu.Unlock()
			return v, nil
		}
		if e.refused == n && now.Before(e.refusedTo) {
			v := e.refuse(l, now)
			ls.mu.Unlock()
			return v, nil
		}
		f := e.flight
		if f == nil {
			f = &flight{done: make(chan struct{})}
			e.flight = f
			ls.flights++
			ls.mu.Unlock()
			return ls.request(ctx, op, e, f, n, deadline)
		}
		ls.mu.Unlock()
		if err := wait(ctx, f.done, time.Until(deadline)); err != nil {
			return l.decideWithout(ctx, op, key, callFor(n), err)
		}
		if f.err != nil {
			return l.decideWithout(ctx, op, key, callFor(n), f.err)
		}
	}
}

// wait waits for done, for at most d.
func wait(ctx context.Context, done <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errNoTurn
	}
}

var errNoTurn = driver.Reason(errors.New("limit: no turn"), "another call of the same key got no answer from the store within limit.Config.Timeout")

// peek asks the store, and adds the events that this process holds.
func (ls *leases) peek(ctx context.Context, op, key string, held int64) (verdict, error) {
	v, err := ls.limiter.ask(ctx, op, key, callFor(0))
	if err == nil && held > 0 && !v.Degraded {
		v.Allowed, v.RetryAfter, v.Remaining = true, 0, min(v.Remaining+held, v.Limit)
	}
	return v, err
}

// request asks the store for n events and more.
func (ls *leases) request(ctx context.Context, op string, e *lease, f *flight, n int64, deadline time.Time) (verdict, error) {
	l := ls.limiter
	sent := time.Now()
	c := driver.LimitCall{Need: n, Take: max(n, min(l.config.Lease, l.limits.MinBurst()))}
	res, err := l.call(ctx, e.key, c, deadline.Sub(sent))

	ls.mu.Lock()
	e.flight = nil
	now := time.Now()
	var v verdict
	var back driver.LimitCall // events that are not kept
	switch {
	case err != nil:
		if ctx.Err() == nil {
			f.err = err
		}
	case !res.Allowed:
		e.last, e.at = res, now
		v = l.verdict(res)
		if !e.stale && len(ls.byKey) <= mostRefusals {
			e.refused, e.refusedTo = n, now.Add(res.RetryAfter)
			ls.schedule(e, e.refusedTo)
		}
	default:
		e.last, e.at, e.refusedTo = res, now, time.Time{}
		extra := res.Taken - n
		e.count(n, sent)
		v = l.verdict(res)
		if e.stale {
			break // Reset may have come after the request, so nothing may be given back
		}
		if ls.closed {
			back = driver.LimitCall{Need: 1, Give: extra, Age: age(sent, now)}
			break
		}
		v.Remaining += extra
		e.unused, e.taken = e.usable(l, now)+extra, sent
		e.until = sent.Add(l.config.LeaseFor)
		ls.schedule(e, e.until)
	}
	ls.dropIfEmpty(e, now)
	ls.mu.Unlock()
	close(f.done)
	if back.Give > 0 {
		ls.giveBack(ctx, e.key, back)
	}
	ls.landed()
	if err != nil {
		return l.decideWithout(ctx, op, e.key, callFor(n), err)
	}
	return v, nil
}

func (ls *leases) landed() {
	ls.mu.Lock()
	ls.land()
	ls.mu.Unlock()
}

// land counts the end of a request. The caller holds mu.
func (ls *leases) land() {
	if ls.flights--; ls.flights == 0 && ls.closed {
		close(ls.idle)
	}
}

// age returns an upper bound of the time since t. The monotonic clock stops while a machine sleeps, the
// wall clock can be set back, and both may be slow by a thousandth.
func age(t, now time.Time) time.Duration {
	d := max(now.Sub(t), now.Round(0).Sub(t.Round(0)), 0)
	return d + d/1000
}

// regained returns how many events, rounded up, the fastest rate regains in d.
func (l *Limiter) regained(d time.Duration) (most int64) {
	for _, r := range l.rates {
		hi, lo := bits.Mul64(uint64(d), uint64(r.Events))
		if hi >= uint64(r.Per) {
			return 1<<63 - 1
		}
		n, rest := bits.Div64(hi, lo, uint64(r.Per))
		if rest > 0 {
			n++
		}
		most = max(most, int64(min(n, 1<<63-1)))
	}
	return most
}

// usable returns how many events of the lease may still be used.
func (e *lease) usable(l *Limiter, now time.Time) int64 {
	if e.unused == 0 || !now.Before(e.until) {
		return 0
	}
	return max(0, e.unused-l.regained(age(e.taken, now)))
}

// use takes n of the usable events.
func (e *lease) use(l *Limiter, n, usable int64, now time.Time) verdict {
	e.unused -= n
	e.count(n, now)
	v := l.verdict(e.last)
	v.Remaining += usable - n
	v.ResetIn = max(0, v.ResetIn-now.Sub(e.at))
	return v
}

// count counts events that are used at a time.
func (e *lease) count(n int64, at time.Time) {
	if last := len(e.uses) - 1; last >= 0 && at.Sub(e.uses[last].at) < useStep {
		e.uses[last].n += n
		if at.Before(e.uses[last].at) {
			e.uses[last].at = at
		}
		return
	}
	if len(e.uses) == mostUses {
		e.uses[1] = use{e.uses[0].n + e.uses[1].n, e.uses[0].at}
		e.uses = append(e.uses[:0], e.uses[1:]...)
	}
	e.uses = append(e.uses, use{n, at})
}

// regainedUses reports whether the rates have regained all events that were used.
func (e *lease) regainedUses(l *Limiter, now time.Time) bool {
	n, last := int64(0), time.Time{}
	for _, u := range e.uses {
		n, last = n+u.n, u.at
	}
	return n == 0 || l.regained(age(last, now)) >= n
}

func (e *lease) refuse(l *Limiter, now time.Time) verdict {
	v := l.verdict(e.last)
	v.RetryAfter = e.refusedTo.Sub(now)
	v.ResetIn = max(v.RetryAfter, v.ResetIn-now.Sub(e.at))
	return v
}

// refund returns the call that gives up to n events back that this process has used, the last ones first.
//
// R, the debt of used events, is at least the cost of the last n events less the time since the first one of these n. As no more
// is given back, R + U ≤ S remains true.
func (ls *leases) refund(key string, n int64) driver.LimitCall {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	e, now := ls.byKey[key], time.Now()
	c := driver.LimitCall{Need: 1}
	if e == nil {
		return c
	}
	for last := len(e.uses) - 1; last >= 0 && c.Give < n; last-- {
		u := &e.uses[last]
		back := min(n-c.Give, u.n)
		c.Give += back
		c.Age = max(c.Age, age(u.at, now))
		if u.n -= back; u.n == 0 {
			e.uses = e.uses[:last]
		}
	}
	e.refusedTo = time.Time{}
	return c
}

// forget drops the lease of a key.
func (ls *leases) forget(key string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if e := ls.byKey[key]; e != nil {
		e.unused, e.uses, e.refusedTo, e.stale = 0, nil, time.Time{}, true
		delete(ls.byKey, key)
	}
}

func (ls *leases) add(key string) *lease {
	e := &lease{key: string([]byte(key))} // key may share memory with a request buffer
	ls.byKey[e.key] = e
	return e
}

// next returns when sweep must look at the lease again.
func (e *lease) next(l *Limiter, now time.Time) time.Time {
	switch {
	case e.unused > 0:
		return e.until
	case now.Before(e.refusedTo):
		return e.refusedTo
	}
	return now.Add(max(l.config.LeaseFor, time.Second)) // used events, or a flight
}

// dropIfEmpty removes a lease that tells nothing any more.
func (ls *leases) dropIfEmpty(e *lease, now time.Time) {
	if e.flight == nil && e.unused == 0 && !now.Before(e.refusedTo) && e.regainedUses(ls.limiter, now) && ls.byKey[e.key] == e {
		delete(ls.byKey, e.key)
	}
}

// schedule has sweep look at a lease at a time, or before. The caller holds mu.
func (ls *leases) schedule(e *lease, at time.Time) {
	if ls.closed || !e.look.IsZero() && !e.look.After(at) {
		return
	}
	e.look = at
	heap.Push(&ls.due, dueLease{e, at})
	if ls.due[0].lease == e {
		ls.setTimer()
	}
}

// setTimer has sweep called when the first lease is due. A timer, unlike a goroutine that waits, needs no end. The caller holds mu.
func (ls *leases) setTimer() {
	switch {
	case ls.closed || ls.sweeps || len(ls.due) == 0:
	case ls.timer == nil:
		ls.timer = time.AfterFunc(time.Until(ls.due[0].at), ls.sweep)
	default:
		ls.timer.Reset(time.Until(ls.due[0].at))
	}
}

// sweep gives events back that were not used in time, and forgets refusals that are over.
func (ls *leases) sweep() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.closed || ls.sweeps {
		return
	}
	ls.sweeps = true
	ls.flights++
	for !ls.closed {
		now := time.Now()
		var backs []giveBack
		for len(ls.due) > 0 && !ls.due[0].at.After(now) && len(backs) < mostBacks {
			d := heap.Pop(&ls.due).(dueLease)
			e := d.lease
			if !e.look.Equal(d.at) {
				continue // it was looked at earlier
			}
			e.look = time.Time{}
			if b, some := e.takeBack(now, false); some {
				backs = append(backs, b)
				ls.flights++
			}
			ls.dropIfEmpty(e, now)
			if ls.byKey[e.key] == e {
				ls.schedule(e, e.next(ls.limiter, now))
			}
		}
		if len(backs) == 0 {
			break
		}
		ls.mu.Unlock()
		ls.giveAllBack(context.Background(), backs)
		ls.mu.Lock()
	}
	ls.sweeps = false
	ls.setTimer()
	ls.land()
}

// mostBacks is how many leases are given back together, backWorkers how many at a time.
const (
	mostBacks   = 1000
	backWorkers = 16
)

type giveBack struct {
	key  string
	call driver.LimitCall
}

// takeBack takes the unused events out of the lease if its time is over, or in any case.
func (e *lease) takeBack(now time.Time, always bool) (b giveBack, some bool) {
	if e.unused == 0 || !always && now.Before(e.until) {
		return b, false
	}
	b = giveBack{e.key, driver.LimitCall{Need: 1, Give: e.unused, Age: age(e.taken, now)}}
	e.unused = 0
	return b, true
}

// giveAllBack gives events back, some leases at a time. flights counts each one.
func (ls *leases) giveAllBack(ctx context.Context, backs []giveBack) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, backWorkers)
	for _, b := range backs {
		if ctx.Err() != nil {
			ls.lose(ctx.Err())
			ls.landed()
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			ls.giveBack(ctx, b.key, b.call)
			ls.landed()
			<-slots
		})
	}
	wg.Wait()
}

// giveBack gives events back once. If that fails, the rates regain them.
func (ls *leases) giveBack(ctx context.Context, key string, c driver.LimitCall) {
	l := ls.limiter
	if _, err := l.call(context.WithoutCancel(ctx), key, c, l.config.Timeout); err != nil {
		ls.lose(err)
	}
}

// lose records the error of a give-back for Close.
func (ls *leases) lose(err error) {
	ls.mu.Lock()
	if ls.closed && ls.lost == nil {
		ls.lost = ls.limiter.fail(opClose, "", err)
	}
	ls.mu.Unlock()
}

// close gives everything back.
func (ls *leases) close(ctx context.Context) error {
	ls.mu.Lock()
	if !ls.closed {
		ls.closed, ls.idle = true, make(chan struct{})
		now := time.Now()
		var backs []giveBack
		for _, e := range ls.byKey {
			if b, some := e.takeBack(now, true); some {
				backs = append(backs, b)
			}
		}
		ls.flights += len(backs)
		clear(ls.byKey)
		ls.due = nil
		if ls.timer != nil {
			ls.timer.Stop()
		}
		if ls.flights == 0 {
			close(ls.idle)
		}
		if len(backs) > 0 {
			go ls.giveAllBack(ctx, backs) // ends soon: each request has a time-out
		}
	}
	ls.mu.Unlock()
	select {
	case <-ls.idle:
	case <-ctx.Done():
		return ls.limiter.fail(opClose, "", ctx.Err())
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.lost
}

// A dueHeap orders leases by the time when they must be looked at.
type dueHeap []dueLease

type dueLease struct {
	lease *lease
	at    time.Time
}

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(dueLease)) }
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = dueLease{}
	*h = (*h)[:last]
	return x
}
