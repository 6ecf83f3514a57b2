package driver

import (
	"bytes"
	"context"
	"errors"
	"time"
)

// An AtomicStore may implement GetExpirer to read a value and set its deadline in one step. Without
// it, the front reads the value, and compares and swaps it by itself with the new deadline. It
// repeats both steps if another caller was faster: the result is as exact, but takes more
// round trips.
type GetExpirer interface {
	// GetExpire returns the value at key as Get does, and sets its deadline to now + ttl as Expire
	// does. A placeholder keeps its deadline: if [IsPlaceholder] reports true, GetExpire is only Get.
	// GetExpire creates nothing.
	GetExpire(ctx context.Context, key string, ttl time.Duration) (value []byte, found bool, err error)
}

// GetExpire returns the value at key and sets its deadline by [GetExpirer], or else by Get and
// CompareAndSwap. It returns a placeholder as Get does, and leaves its deadline unchanged.
func GetExpire(ctx context.Context, s AtomicStore, key string, ttl time.Duration) (value []byte, found bool, err error) {
	if g, ok := s.(GetExpirer); ok {
		if value, found, err = g.GetExpire(ctx, key, ttl); !errors.Is(err, errors.ErrUnsupported) {
			return value, found, err
		}
	}
	for range mostGetExpires {
		value, found, err = s.Get(ctx, key)
		if err != nil || !found {
			return nil, false, err
		}
		if IsPlaceholder(value) {
			return value, true, nil
		}
		done, err := s.CompareAndSwap(ctx, key, bytes.Clone(value), bytes.Clone(value), ttl)
		if err != nil {
			return nil, false, err
		}
		if done {
			return value, true, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
	}
	return nil, false, errGetExpire
}

const mostGetExpires = 10_000

var errGetExpire = Reason(errors.New("kv: other writes in between"), "other callers changed the key in between, 10,000 times, or the backend contradicts itself")
