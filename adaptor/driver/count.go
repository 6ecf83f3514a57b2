package driver

import (
	"context"
	"time"
)

// Counter is what an [AtomicStore] may have whose Incr costs more than it would if nobody wanted
// to know the time left. Without it the front calls Incr, and drops that.
type Counter interface {
	// Count is Incr without the time left.
	Count(ctx context.Context, key string, by int64, ttl time.Duration) (sum int64, err error)
}
