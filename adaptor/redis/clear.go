package redis

import (
	"context"
	"errors"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Clearer = (*store)(nil)

// maxClearPasses limits the scans of one Clear. Clear scans again if the topology has changed during a
// scan.
const maxClearPasses = 5

// Clear implements [driver.Clearer]. It scans the keys and sends the UNLINKs of a page together.
func (s *store) Clear(ctx context.Context, below bool) error {
	c, err := s.kv.running()
	if err != nil {
		return err
	}
	changed := false // a key was deleted or may have been deleted
	for range maxClearPasses {
		err = c.scan(ctx, pattern(s.prefix, below), func(physical []string) error {
			var matched []string
			for _, p := range physical {
				if path, _, ok := driver.Under(s.prefix, p); ok && (below || len(path) == 0) {
					matched = append(matched, p)
				}
			}
			var firstErr error
			c.doMany(ctx, c.rueidis, len(matched),
				func(i int) rueidis.Completed { return c.rueidis.B().Unlink().Key(matched[i]).Build() },
				func(_ int, _ rueidis.RedisMessage, err error) {
					changed = changed || err == nil || driver.IsUnknown(err)
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
	switch {
	case changed:
		return driver.Unknown(err)
	case driver.IsUnknown(err): // a SCAN had no reply, and a SCAN changes nothing
		return errors.Unwrap(err)
	}
	return err
}
