package adaptortest

import (
	"context"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Limiter = toyStore{}

func (s toyStore) Limit(_ context.Context, key string, l *driver.Limits, c driver.LimitCall) (driver.Limited, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.liveFor("Limit", key)
	var text []byte
	var left time.Duration
	if e != nil {
		text, left = e.value, s.left(e)
	}
	if s.has("Limit is not atomic") {
		s.yield()
	}
	call := c
	switch {
	case s.has("Limit takes fewer events than are needed") && c.Take > 0:
		call.Need = 1
	case s.has("Limit ignores the age of events") && c.Give > 0:
		call.Age = 0
	case s.has("Limit takes what it only looks for"):
		call.Take = max(c.Take, c.Need)
	}
	res, write, next, ttl, err := l.Decide(nil, text, left, call, 1)
	switch {
	case err != nil && s.has("Limit replaces other values"):
		res, write, next, ttl, err = l.Decide(nil, nil, 0, call, 1)
	case s.has("Limit keeps an entry whose bursts are whole") && write == driver.LimitDrop:
		return res, nil
	case s.has("Limit gives the entry a longer life") && write == driver.LimitStore:
		ttl *= 2
	case s.has("a refused Limit prolongs the entry") && c.Take > 0 && !res.Allowed:
		e.deadline = e.deadline.Add(time.Second)
	case s.has("Limit forgets other rates") && e != nil && write == driver.LimitStore:
		_, _, next, ttl, _ = l.Decide(nil, nil, 0, call, 1)
	case s.has("Limit waits 1 ns too short") && res.RetryAfter > 0:
		res.RetryAfter--
	}
	if err != nil {
		return driver.Limited{}, err
	}
	switch write {
	case driver.LimitStore:
		if e == nil {
			e = &toyEntry{}
		}
		e.value, e.deadline = next, time.Now().Add(ttl)
		s.entries[s.at(key)] = e
	case driver.LimitDrop:
		delete(s.entries, s.at(key))
	}
	return res, nil
}
