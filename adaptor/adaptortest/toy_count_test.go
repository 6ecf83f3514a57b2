package adaptortest

import (
	"context"
	"strconv"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Counter = toyStore{}

func (s toyStore) Count(ctx context.Context, key string, by int64, ttl time.Duration) (int64, error) {
	s.mu.Lock()
	e := s.live(key)
	switch {
	case e == nil && s.has("Incr gives a new counter no TTL if nobody asks"):
		ttl = driver.NoTTL
	case e == nil || ttl == driver.NoTTL:
	case s.has("Incr moves the deadline if nobody asks"):
		e.deadline = s.deadline(ttl)
	case s.has("Incr gives a counter without TTL one if nobody asks") && e.deadline.IsZero():
		e.deadline = s.deadline(ttl)
	}
	if e != nil && s.has("Incr drops the deadline if nobody asks") {
		e.deadline = time.Time{}
	}
	s.mu.Unlock()
	if s.has("Incr is not atomic if nobody asks") {
		sum, _, err := s.Incr(ctx, key, 0, ttl)
		if err == nil {
			sum, err = driver.Add(strconv.AppendInt(nil, sum, 10), by)
		}
		if err == nil {
			err = s.Set(ctx, key, strconv.AppendInt(nil, sum, 10), driver.KeepTTL)
		}
		return sum, err
	}
	sum, _, err := s.Incr(ctx, key, by, ttl)
	return sum, err
}
