package redis

import (
	"context"
	"errors"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Clearer = (*store)(nil)

// mostPasses is how often Clear begins anew because the servers were not the same all the time.
const maxClearPasses = 5

// Clear implements [driver.Clearer]: pages of SCAN, and an UNLINK of each key, together for a page.
func (s *store) Clear(ctx context.Context, below bool) error {
	c, err := s.kv.running()
	if err != nil {
		return err
	}
	sent := false
	for range maxClearPasses {
		err = c.scan(ctx, pattern(s.prefix, below), func(physical []string) error {
			var matched []string
			for _, p := range physical {
				if path, _, ok := driver.Under(s.prefix, p); ok && (below || len(path) == 0) {
					matched = append(matched, p)
				}
			}
			sent = sent || len(matched) > 0
			var firstErr error
			c.doMany(ctx, c.rueidis, len(matched),
				func(i int) rueidis.Completed { return c.rueidis.B().Unlink().Key(matched[i]).Build() },
				func(_ int, _ rueidis.RedisMessage, err error) {
					if firstErr == nil {
						firstErr = err
					}
				})
			return firstErr
		})
		if !errors.Is(err, errTopologyChanged) {
			break
		}
	}
	if err != nil && sent {
		err = driver.Unknown(err)
	}
	return err
}
