package redis

import (
	"context"
	"strconv"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/adaptor/redis/internal/script"
)

var _ driver.GetExpirer = (*store)(nil)

// GetExpire implements [driver.GetExpirer]. It is a script and not a GETEX, because GETEX would also
// prolong a placeholder. A remembered "none" would then stay as long as a session. The script
// takes one round trip, as GETEX does, but 3 µs of the server's time instead of 0.4 µs.
func (s *store) GetExpire(ctx context.Context, key string, ttl time.Duration) (value []byte, found bool, err error) {
	c, err := s.kv.running()
	if err != nil {
		return nil, false, err
	}
	return textReply(c.eval(ctx, script.GetExpire, s.prefix+key, strconv.FormatInt(ttl.Milliseconds(), 10), driver.PlaceholderPrefix))
}
