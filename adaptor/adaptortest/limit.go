package adaptortest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// limitCases are the rules of driver.Limiter, and of the fallback that driver.Limit has for stores without it.
var limitCases = []testCase{
	{"Limit/burst", "a key has its burst and regains an event every Per/Events; a refused call takes nothing and tells the time to wait", bothWays(func(c *check, s limitStore) {
		l := c.limits(driver.LimitRate{Events: 2, Per: 4 * time.Second, Burst: 2})
		for i := range int64(2) {
			c.decides(s, "k", l, take(1), driver.Limited{Allowed: true, Taken: 1, Remaining: 1 - i, ResetIn: time.Duration(2*i+2) * time.Second})
		}
		refused := driver.Limited{RetryAfter: 2 * time.Second, ResetIn: 4 * time.Second}
		c.decides(s, "k", l, take(1), refused)
		c.decides(s, "k", l, take(1), refused)
		c.decides(s, "k", l, driver.LimitCall{Need: 2}, driver.Limited{RetryAfter: 4 * time.Second, ResetIn: 4 * time.Second})
		c.pass(2*time.Second - c.before())
		if res := c.limit(s, "k", l, take(1)); res.Allowed && c.advance == nil {
			c.fail("Limit 1 ns before RetryAfter", "allowed", "refused")
		}
		c.pass(c.before() + c.margin)
		if res := c.limit(s, "k", l, driver.LimitCall{Need: 1}); !res.Allowed {
			c.fail("Limit after RetryAfter", fmt.Sprintf("%+v", res), "allowed")
		}
		c.decides(s, "other", l, driver.LimitCall{Need: 2}, driver.Limited{Allowed: true, Remaining: 2})
	})},
	{"Limit/every_rate", "events are taken from every rate, or from none", bothWays(func(c *check, s limitStore) {
		l := c.limits(driver.LimitRate{Events: 10, Per: time.Hour, Burst: 10}, driver.LimitRate{Events: 1, Per: time.Hour, Burst: 3})
		c.decides(s, "k", l, take(2), driver.Limited{Allowed: true, Taken: 2, Rate: 1, Remaining: 1, ResetIn: 2 * time.Hour})
		c.decides(s, "k", l, take(2), driver.Limited{Rate: 1, Remaining: 1, RetryAfter: time.Hour, ResetIn: 2 * time.Hour})
		c.decides(s, "k", c.limits(l.Rate(0)), driver.LimitCall{Need: 1}, driver.Limited{Allowed: true, Remaining: 8, ResetIn: 12 * time.Minute})
		c.decides(s, "k", l, driver.LimitCall{Need: 1, Take: 8}, driver.Limited{Allowed: true, Taken: 1, Rate: 1, ResetIn: 3 * time.Hour})
	})},
	{"Limit/gives_back", "giving back never exceeds the burst, is less what was regained since, and removes the entry when every burst is whole", bothWays(func(c *check, s limitStore) {
		l := c.limits(driver.LimitRate{Events: 6, Per: time.Hour, Burst: 6})
		c.limit(s, "k", l, take(5))
		c.decides(s, "k", l, driver.LimitCall{Need: 1, Give: 2}, driver.Limited{Allowed: true, Remaining: 3, ResetIn: 30 * time.Minute})
		c.decides(s, "k", l, driver.LimitCall{Need: 1, Give: 2, Age: 10 * time.Minute}, driver.Limited{Allowed: true, Remaining: 4, ResetIn: 20 * time.Minute})
		c.decides(s, "k", l, driver.LimitCall{Need: 1, Give: 1 << 62}, driver.Limited{Allowed: true, Remaining: 6})
		c.holds("Limit that gives all back", s.front, "k", absent)
		c.decides(s, "k", l, driver.LimitCall{Need: 1, Give: 1}, driver.Limited{Allowed: true, Remaining: 6})
		c.holds("Limit that gives back to a missing entry", s.front, "k", absent)
		c.limit(s, "k", l, take(5))
		c.decides(s, "k", l, driver.LimitCall{Need: 1, Reset: true}, driver.Limited{Allowed: true, Remaining: 6})
		c.holds("Limit that resets", s.front, "k", absent)
	})},
	{"Limit/deadline", "the entry lives until every burst is whole; a look and a refused call do not prolong it", bothWays(func(c *check, s limitStore) {
		l := c.limits(driver.LimitRate{Events: 1, Per: 2 * time.Second, Burst: 1}, driver.LimitRate{Events: 3, Per: 3 * time.Second, Burst: 3})
		c.decides(s, "k", l, driver.LimitCall{Need: 1}, driver.Limited{Allowed: true, Remaining: 1})
		c.holds("a look", s.front, "k", absent)
		c.limit(s, "k", l, take(1))
		c.ttlIs("Limit that takes an event", s.front, "k", 2*time.Second)
		c.pass(time.Second)
		c.limit(s, "k", l, take(1))
		c.limit(s, "k", l, driver.LimitCall{Need: 1})
		c.ttlIs("a refused Limit 1 s later", s.front, "k", time.Second)
		c.toDeadline()
		c.overDeadline()
		c.holds("after the deadline", s.front, "k", absent)
		c.decides(s, "k", l, driver.LimitCall{Need: 1}, driver.Limited{Allowed: true, Remaining: 1})
	})},
	{"Limit/other_rates", "rates that another caller has at the same key keep their state", bothWays(func(c *check, s limitStore) {
		hour, day := driver.LimitRate{Events: 4, Per: time.Hour, Burst: 4}, driver.LimitRate{Events: 12, Per: 24 * time.Hour, Burst: 12}
		c.limit(s, "k", c.limits(hour), take(3))
		c.decides(s, "k", c.limits(day), take(5), driver.Limited{Allowed: true, Taken: 5, Remaining: 7, ResetIn: 10 * time.Hour})
		c.decides(s, "k", c.limits(day, hour), driver.LimitCall{Need: 1}, driver.Limited{Allowed: true, Rate: 1, Remaining: 1, ResetIn: 10 * time.Hour})
	})},
	{"Limit/other_values", "a value that is not the state of a limiter is INVALID_VALUE and stays", bothWays(func(c *check, s limitStore) {
		l := c.limits(driver.LimitRate{Events: 4, Per: time.Hour, Burst: 4})
		for _, value := range []any{5, "5", nil, "rl.", []int{1}} {
			c.set(s.front, "k", value, adaptor.WithTTL(time.Hour))
			before := c.raw(s.front, "k")
			for _, call := range []driver.LimitCall{take(1), {Need: 1}, {Need: 1, Give: 1}, {Need: 1, Reset: true}} {
				_, err := driver.Limit(background, s.store, "k", l, call)
				if driver.IsUnknown(err) || !errors.Is(err, driver.ErrInvalidValue) {
					c.fail(fmt.Sprintf("Limit %+v of %s", call, before), fmt.Sprint(err), "ErrInvalidValue")
				}
			}
			c.holds("Limit", s.front, "k", before)
		}
	})},
	{"Limit/atomic", "concurrent calls take exactly the burst", bothWays(func(c *check, s limitStore) {
		l := c.limits(driver.LimitRate{Events: 50, Per: 1000 * time.Hour, Burst: 50}, driver.LimitRate{Events: 90, Per: 1000 * time.Hour, Burst: 90})
		var taken atomic.Int64
		c.concurrently(func(int) error {
			for range 20 {
				res, err := driver.Limit(background, s.store, "k", l, take(1))
				if err != nil {
					return err
				}
				taken.Add(res.Taken)
			}
			return nil
		})
		c.equal("8 goroutines, 20 Limit each: events taken", taken.Load(), 50)
	})},
}

// A limitStore is a namespace below the front and in front of it.
type limitStore struct {
	store driver.AtomicStore
	front *adaptor.KVStore
}

// bothWays runs a case on the store, and on the store without its optional interfaces.
func bothWays(run func(*check, limitStore)) func(*check) {
	return func(c *check) {
		for _, name := range []string{"own", "fallback"} {
			store, err := adaptor.Driver(c.atomic).OpenAtomic([]string{name})
			c.must("OpenAtomic", err)
			if name == "fallback" {
				store = struct{ driver.AtomicStore }{store}
			}
			run(c, limitStore{store, &c.atomicStore(name).KVStore})
		}
	}
}

func take(n int64) driver.LimitCall { return driver.LimitCall{Need: n, Take: n} }

func (c *check) limits(rates ...driver.LimitRate) *driver.Limits {
	l, err := driver.NewLimits(rates)
	c.must("NewLimits", err)
	return l
}

func (c *check) limit(s limitStore, key string, l *driver.Limits, call driver.LimitCall) driver.Limited {
	res, err := driver.Limit(background, s.store, key, l, call)
	c.must(fmt.Sprintf("Limit %q %+v", key, call), err)
	return res
}

// decides fails unless a decision has this result, where time may have passed.
func (c *check) decides(s limitStore, key string, l *driver.Limits, call driver.LimitCall, want driver.Limited) {
	got := c.limit(s, key, l, call)
	done := fmt.Sprintf("Limit %q %+v", key, call)
	if c.advance != nil {
		for _, t := range []struct{ got, want *time.Duration }{{&got.RetryAfter, &want.RetryAfter}, {&got.ResetIn, &want.ResetIn}} {
			if late := *t.want/10 + 5*time.Second; *t.got <= *t.want+2*time.Millisecond && *t.got >= *t.want-late && (*t.got > 0) == (*t.want > 0) {
				*t.got = *t.want
			}
		}
	}
	c.equal(done, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
}
