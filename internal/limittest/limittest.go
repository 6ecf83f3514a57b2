// Package limittest checks the rules of kvmodule/limit on an engine: memory, Redis, a Cluster, or an adaptor without
// optional interfaces.
package limittest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/kvmodule/limit"
)

// An Engine is an adaptor under test.
type Engine struct {
	// New returns an adaptor without data.
	New func(t testing.TB) adaptor.AtomicKVAdaptor
	// Run runs a test, for example in a bubble of testing/synctest. Nil runs it as it is.
	Run func(t *testing.T, test func(t *testing.T))
	// Slack is how much time may pass on the clock of the store while nothing waits. 0 means a fake clock.
	Slack time.Duration
	// Step is the step of the clock.
	Step time.Duration
}

var ctx = context.Background()

// Test checks all rules.
func Test(t *testing.T, e Engine) {
	for _, rule := range []struct {
		name string
		test func(t *testing.T, e Engine)
	}{
		{"a key has its burst, and regains events", burst},
		{"n events of every rate, or none", allOrNone},
		{"bad arguments change nothing", badArguments},
		{"Peek and n = 0 take nothing", peek},
		{"Refund and Reset", refund},
		{"the entry lives until every burst is whole", timeToLive},
		{"other values are INVALID_VALUE and remain", otherValues},
		{"a deploy with other rates", deploy},
		{"keys and names are byte strings", anyBytes},
		{"waiting exactly RetryAfter suffices", retryAfter},
		{"Wait", waiting},
		{"concurrent calls take exactly the burst", concurrent},
		{"leases", leases},
		{"a lease is given back", giveBack},
	} {
		t.Run(strings.ReplaceAll(rule.name, " ", "_"), func(t *testing.T) {
			if e.Run == nil {
				rule.test(t, e)
				return
			}
			e.Run(t, func(t *testing.T) { rule.test(t, e) })
		})
	}
}

func open(t testing.TB, kv adaptor.AtomicKVAdaptor, c limit.Config) *limit.Limiter {
	t.Helper()
	if c.Name == "" {
		c.Name = "api"
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second // a busy machine is no outage
	}
	l, err := limit.New(kv, c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close(ctx)) })
	return l
}

// entries returns the namespace of a limiter.
func entries(t testing.TB, kv adaptor.AtomicKVAdaptor, name string) *adaptor.AtomicKVStore {
	t.Helper()
	s, err := kv.Namespace("limit")
	require.NoError(t, err)
	s, err = s.Namespace(name)
	require.NoError(t, err)
	return s
}

// same compares decisions. On a real clock times may be shorter by the slack.
func (e Engine) same(t testing.TB, want, got limit.Decision) {
	t.Helper()
	for _, d := range []struct {
		name      string
		want, got *time.Duration
	}{{"RetryAfter", &want.RetryAfter, &got.RetryAfter}, {"ResetIn", &want.ResetIn, &got.ResetIn}} {
		if *d.got <= *d.want+e.Step && *d.got >= *d.want-e.Slack && (*d.got == 0) == (*d.want == 0) {
			*d.got = *d.want
		}
	}
	require.Equal(t, want, got)
}

func burst(t *testing.T, e Engine) {
	l := open(t, e.New(t), limit.Config{Rates: []limit.Rate{{Events: 3, Per: time.Hour, Burst: 3}}})
	for i := range int64(3) {
		d, err := l.Allow(ctx, "k")
		require.NoError(t, err)
		e.same(t, limit.Decision{Allowed: true, Limit: 3, Remaining: 2 - i, ResetIn: time.Duration(i+1) * 20 * time.Minute}, d)
	}
	for range 3 {
		d, err := l.Allow(ctx, "k")
		require.NoError(t, err)
		e.same(t, limit.Decision{Limit: 3, RetryAfter: 20 * time.Minute, ResetIn: time.Hour}, d)
	}
	d, err := l.AllowN(ctx, "k", 2)
	require.NoError(t, err)
	e.same(t, limit.Decision{Limit: 3, RetryAfter: 40 * time.Minute, ResetIn: time.Hour}, d)
	d, err = l.Allow(ctx, "other")
	require.NoError(t, err)
	assert.True(t, d.Allowed)
	fast := open(t, e.New(t), limit.Config{Name: "fast", Rates: []limit.Rate{{Events: 3, Per: time.Second, Burst: 1}}})
	for range 3 {
		d, err = fast.Allow(ctx, "k")
		require.NoError(t, err)
		require.True(t, d.Allowed)
		d, err = fast.Allow(ctx, "k")
		require.NoError(t, err)
		e.same(t, limit.Decision{Limit: 1, RetryAfter: 333333334, ResetIn: 333333334}, d)
		time.Sleep(d.RetryAfter + e.Slack/100)
	}
}

func allOrNone(t *testing.T, e Engine) {
	kv := e.New(t)
	l := open(t, kv, limit.Config{Rates: []limit.Rate{limit.PerMinute(10), {Events: 1, Per: time.Hour, Burst: 4}}})
	d, err := l.AllowN(ctx, "k", 3)
	require.NoError(t, err)
	e.same(t, limit.Decision{Allowed: true, Limit: 4, Remaining: 1, ResetIn: 3 * time.Hour}, d)
	d, err = l.AllowN(ctx, "k", 2)
	require.NoError(t, err)
	e.same(t, limit.Decision{Limit: 4, Remaining: 1, RetryAfter: time.Hour, ResetIn: 3 * time.Hour}, d)
	minute := open(t, kv, limit.Config{Rates: []limit.Rate{limit.PerMinute(10)}})
	d, err = minute.Peek(ctx, "k")
	require.NoError(t, err)
	assert.True(t, d.Remaining == 7 || d.Remaining == 8 && e.Slack > 0, "the refused call took nothing from the other rate: %+v", d)
	_, err = l.AllowN(ctx, "k", 5)
	require.ErrorIs(t, err, limit.ErrNever)
	_, err = minute.AllowN(ctx, "new", 11)
	require.ErrorIs(t, err, limit.ErrNever)
	d, err = minute.AllowN(ctx, "new", 10)
	require.NoError(t, err)
	assert.True(t, d.Allowed)
}

func badArguments(t *testing.T, e Engine) {
	kv := e.New(t)
	l := open(t, kv, limit.Config{Rates: []limit.Rate{limit.PerHour(5)}})
	done, cancel := context.WithCancel(ctx)
	cancel()
	_, err1 := l.AllowN(ctx, "secret", -1)
	err2 := l.Refund(ctx, "secret", -1)
	for _, err := range []error{err1, err2} {
		assert.ErrorIs(t, err, adaptor.ErrInvalidValue)
		assert.NotContains(t, err.Error(), "secret")
	}
	_, err1 = l.Allow(done, "secret")
	_, err2 = l.Peek(done, "secret")
	for _, err := range []error{err1, err2, l.Refund(done, "secret", 1), l.Reset(done, "secret"), l.Wait(done, "secret")} {
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		assert.ErrorIs(t, err, context.Canceled)
		assert.NotContains(t, err.Error(), "secret")
		assert.False(t, adaptor.OutcomeUnknown(err))
	}
	found, err := entries(t, kv, "api").Has(ctx, "secret")
	require.NoError(t, err)
	assert.False(t, found)
}

func peek(t *testing.T, e Engine) {
	kv := e.New(t)
	l := open(t, kv, limit.Config{Rates: []limit.Rate{limit.PerHour(2)}})
	look := func(want limit.Decision) {
		t.Helper()
		for range 2 {
			d, err := l.Peek(ctx, "k")
			require.NoError(t, err)
			e.same(t, want, d)
			d, err = l.AllowN(ctx, "k", 0)
			require.NoError(t, err)
			e.same(t, want, d)
		}
	}
	look(limit.Decision{Allowed: true, Limit: 2, Remaining: 2})
	found, err := entries(t, kv, "api").Has(ctx, "k")
	require.NoError(t, err)
	assert.False(t, found)
	_, err = l.AllowN(ctx, "k", 2)
	require.NoError(t, err)
	look(limit.Decision{Limit: 2, RetryAfter: 30 * time.Minute, ResetIn: time.Hour})
}

func refund(t *testing.T, e Engine) {
	kv := e.New(t)
	l := open(t, kv, limit.Config{Rates: []limit.Rate{limit.PerHour(4), {Events: 1, Per: time.Minute, Burst: 6}}})
	has := func() bool {
		found, err := entries(t, kv, "api").Has(ctx, "k")
		require.NoError(t, err)
		return found
	}
	require.NoError(t, l.Refund(ctx, "k", 3))
	assert.False(t, has())
	_, err := l.AllowN(ctx, "k", 4)
	require.NoError(t, err)
	require.NoError(t, l.Refund(ctx, "k", 1))
	require.NoError(t, l.Refund(ctx, "k", 0))
	d, err := l.AllowN(ctx, "k", 1)
	require.NoError(t, err)
	e.same(t, limit.Decision{Allowed: true, Limit: 4, Remaining: 0, ResetIn: time.Hour}, d)
	require.NoError(t, l.Refund(ctx, "k", 1_000_000))
	assert.False(t, has(), "every burst is whole")
	d, err = l.Peek(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, limit.Decision{Allowed: true, Limit: 4, Remaining: 4}, d)
	_, err = l.AllowN(ctx, "k", 4)
	require.NoError(t, err)
	require.NoError(t, l.Reset(ctx, "k"))
	require.NoError(t, l.Reset(ctx, "k"))
	assert.False(t, has())
}

func timeToLive(t *testing.T, e Engine) {
	kv := e.New(t)
	l := open(t, kv, limit.Config{Rates: []limit.Rate{{Events: 10, Per: time.Second, Burst: 2}, {Events: 2, Per: 600 * time.Millisecond}}})
	s := entries(t, kv, "api")
	d, err := l.AllowN(ctx, "k", 2)
	require.NoError(t, err)
	for range 2 {
		ttl, found, err := s.TTL(ctx, "k")
		require.NoError(t, err)
		require.True(t, found)
		assert.LessOrEqual(t, ttl, d.ResetIn+2*time.Millisecond)
		assert.Greater(t, ttl, d.ResetIn-e.Slack-time.Nanosecond)
		for range 5 { // neither prolongs the entry
			r, err := l.Allow(ctx, "k")
			require.NoError(t, err)
			require.False(t, r.Allowed)
			d, err = l.Peek(ctx, "k")
			require.NoError(t, err)
		}
		time.Sleep(100 * time.Millisecond)
		d.ResetIn -= 100 * time.Millisecond
	}
	time.Sleep(d.ResetIn + 2*time.Millisecond)
	found, err := s.Has(ctx, "k")
	require.NoError(t, err)
	assert.False(t, found)
}

func otherValues(t *testing.T, e Engine) {
	kv := e.New(t)
	l := open(t, kv, limit.Config{Rates: []limit.Rate{limit.PerHour(4)}, OnOutage: limit.Open})
	s := entries(t, kv, "api")
	for _, text := range []string{`5`, `"5"`, `null`, `{"a":1}`, `"rl.x"`, `"rl.aaaaaaaa+"`, `""`} {
		require.NoError(t, s.Set(ctx, "secret", json.RawMessage(text), adaptor.WithTTL(time.Hour)))
		_, err1 := l.Allow(ctx, "secret")
		_, err2 := l.Peek(ctx, "secret")
		for i, err := range []error{err1, err2, l.Refund(ctx, "secret", 1), l.Reset(ctx, "secret"), l.Wait(ctx, "secret")} {
			assert.ErrorIs(t, err, adaptor.ErrInvalidValue, "%d %s", i, text)
			assert.Equal(t, adaptor.CodeInvalidValue, adaptor.CodeOf(err))
			assert.NotContains(t, fmt.Sprint(err), "secret")
		}
		got, found, err := s.GetRaw(ctx, "secret")
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, text, string(got))
	}
}

func deploy(t *testing.T, e Engine) {
	kv := e.New(t)
	same, before, after := limit.PerHour(10), limit.PerMinute(5), limit.PerMinute(7)
	old := open(t, kv, limit.Config{Rates: []limit.Rate{before, same}})
	fresh := open(t, kv, limit.Config{Rates: []limit.Rate{same, after}})
	_, err := old.AllowN(ctx, "k", 4)
	require.NoError(t, err)
	d, err := fresh.Peek(ctx, "k")
	require.NoError(t, err)
	e.same(t, limit.Decision{Allowed: true, Limit: 10, Remaining: 6, ResetIn: 24 * time.Minute}, d)
	d, err = fresh.AllowN(ctx, "k", 6)
	require.NoError(t, err)
	assert.True(t, d.Allowed)
	d, err = old.Peek(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, int64(0), d.Remaining)
	only := open(t, kv, limit.Config{Rates: []limit.Rate{before}})
	d, err = only.Peek(ctx, "k")
	require.NoError(t, err)
	assert.LessOrEqual(t, d.Remaining, int64(1)+int64(e.Slack/(12*time.Second)), "the old process still finds its rate")
}

func anyBytes(t *testing.T, e Engine) {
	kv := e.New(t)
	for _, name := range []string{"a", "a/b", "a:b", "\x00", "\xff", strings.Repeat("n", 300), `"\`} {
		l := open(t, kv, limit.Config{Name: name, Rates: []limit.Rate{limit.PerHour(1)}})
		for _, key := range []string{"", "a", "b:k", "\x00", "\xff\xfe", "{tag}", strings.Repeat("k", 64<<10)} {
			d, err := l.Allow(ctx, key)
			require.NoError(t, err)
			assert.True(t, d.Allowed, "%q %q", name, key[:min(5, len(key))])
			d, err = l.Allow(ctx, key)
			require.NoError(t, err)
			assert.False(t, d.Allowed)
		}
	}
	buffer := []byte("reused")
	l := open(t, kv, limit.Config{Name: "copied", Rates: []limit.Rate{limit.PerHour(1)}})
	_, err := l.Allow(ctx, string(buffer))
	require.NoError(t, err)
	found, err := entries(t, kv, "copied").Has(ctx, "reused")
	require.NoError(t, err)
	assert.True(t, found)
}

func retryAfter(t *testing.T, e Engine) {
	r := rand.New(rand.NewPCG(1, 2))
	kv := e.New(t)
	refused := 0
	for i := range 20 {
		rates := []limit.Rate{{Events: 1 + r.Int64N(99), Per: time.Duration(1 + r.Int64N(int64(500*time.Millisecond))), Burst: 1 + r.Int64N(9)}}
		if i%2 == 0 {
			rates = append(rates, limit.Rate{Events: 7, Per: 77777777, Burst: 3})
		}
		l := open(t, kv, limit.Config{Name: fmt.Sprint("retry-", i), Rates: rates})
		for range 10 {
			n := 1 + r.Int64N(min(rates[0].Burst, 3))
			d, err := l.AllowN(ctx, "k", n)
			require.NoError(t, err)
			if d.Allowed {
				continue
			}
			refused++
			time.Sleep(d.RetryAfter)
			again, err := l.AllowN(ctx, "k", n)
			require.NoError(t, err)
			require.True(t, again.Allowed, "after exactly %v: %+v, %+v", d.RetryAfter, again, rates)
		}
	}
	assert.Greater(t, refused, 20)
}

func waiting(t *testing.T, e Engine) {
	kv := e.New(t)
	l := open(t, kv, limit.Config{Rates: []limit.Rate{{Events: 10, Per: time.Second, Burst: 1}}})
	begin := time.Now()
	for range 4 {
		require.NoError(t, l.Wait(ctx, "k"))
	}
	took := time.Since(begin)
	assert.GreaterOrEqual(t, took, 300*time.Millisecond-time.Duration(3*e.Step))
	assert.LessOrEqual(t, took, 300*time.Millisecond+e.Slack)

	slow := open(t, kv, limit.Config{Name: "slow", Rates: []limit.Rate{limit.PerHour(1)}})
	require.NoError(t, slow.Wait(ctx, "k"))
	soon, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	begin = time.Now()
	err := slow.Wait(soon, "k")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	assert.LessOrEqual(t, time.Since(begin), e.Slack)
	canceled, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(50*time.Millisecond, cancel)
	defer timer.Stop()
	assert.ErrorIs(t, slow.Wait(canceled, "k"), context.Canceled)
	require.NoError(t, slow.Refund(ctx, "k", 1))
	d, err := slow.Peek(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, int64(1), d.Remaining, "a Wait that gave up took nothing")
}

func concurrent(t *testing.T, e Engine) {
	kv := e.New(t)
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		l := open(t, kv, limit.Config{Rates: []limit.Rate{limit.PerHour(60), {Events: 1, Per: time.Hour, Burst: 100}}})
		wg.Go(func() {
			for range 20 {
				if d, err := l.Allow(ctx, "k"); err == nil && d.Allowed {
					allowed.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, int64(60), allowed.Load())
}

func leases(t *testing.T, e Engine) {
	kv := e.New(t)
	rates := []limit.Rate{{Events: 200, Per: time.Second, Burst: 150}, {Events: 100_000, Per: time.Hour, Burst: 100_000}}
	var allowed, asked atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	const during = 2 * time.Second
	for range 2 {
		l := open(t, kv, limit.Config{Rates: rates, Lease: 50, LeaseFor: 300 * time.Millisecond})
		for i := range 4 {
			wg.Go(func() {
				for time.Since(begin) < during {
					d, err := l.Allow(ctx, "k")
					if err != nil {
						t.Error(err)
						return
					}
					asked.Add(1)
					if d.Allowed {
						allowed.Add(1)
					} else {
						assert.Positive(t, d.RetryAfter)
					}
					time.Sleep(time.Duration(i+1) * time.Millisecond)
				}
			})
		}
	}
	wg.Wait()
	most := 150 + int64(200*time.Since(begin)/time.Second)
	assert.LessOrEqual(t, allowed.Load(), most)
	assert.Greater(t, allowed.Load(), most/3)
}

func giveBack(t *testing.T, e Engine) {
	kv := e.New(t)
	rates := []limit.Rate{limit.PerHour(10)}
	a := open(t, kv, limit.Config{Rates: rates, Lease: 8, LeaseFor: 200 * time.Millisecond})
	b := open(t, kv, limit.Config{Rates: rates})
	d, err := a.Allow(ctx, "k")
	require.NoError(t, err)
	e.same(t, limit.Decision{Allowed: true, Limit: 10, Remaining: 9, ResetIn: 48 * time.Minute}, d)
	remaining := func(least, most int64) {
		t.Helper()
		for begin := time.Now(); ; time.Sleep(time.Millisecond) {
			d, err := b.Peek(ctx, "k")
			require.NoError(t, err)
			if least <= d.Remaining && d.Remaining <= most {
				return
			}
			require.Less(t, time.Since(begin), e.Slack+time.Nanosecond, "%d, not %d to %d", d.Remaining, least, most)
		}
	}
	remaining(2, 2)
	d, err = a.Allow(ctx, "k")
	require.NoError(t, err)
	assert.True(t, d.Allowed)
	assert.True(t, d.Remaining == 8 || d.Remaining == 7 && e.Slack > 0, "%d", d.Remaining) // time takes the last event of a lease
	time.Sleep(200*time.Millisecond + e.Slack/10)
	if e.Slack == 0 {
		time.Sleep(time.Nanosecond)
	}
	remaining(7, 8) // 8 less the part that was regained in the meantime
	_, err = a.AllowN(ctx, "k", 3)
	require.NoError(t, err)
	for range 3 {
		_, err = a.Allow(ctx, "other")
		require.NoError(t, err)
	}
	require.NoError(t, a.Close(ctx))
	require.NoError(t, a.Close(ctx))
	d, err = b.Peek(ctx, "other")
	require.NoError(t, err)
	assert.True(t, d.Remaining == 7 || d.Remaining == 6 && e.Slack > 0, "%d", d.Remaining)
	before := d.Remaining
	d, err = a.Allow(ctx, "other")
	require.NoError(t, err)
	assert.True(t, d.Allowed)
	d, err = b.Peek(ctx, "other")
	require.NoError(t, err)
	assert.True(t, d.Remaining == before-1 || d.Remaining == before && e.Slack > 0, "without leases after Close: %d", d.Remaining)
}
