package redis

import (
	"context"
	"errors"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Clearer = (*store)(nil)

// mostPasses is how often Clear begins anew because the servers were not the same all the time.
const mostPasses = 5

// Clear implements [driver.Clearer]: pages of SCAN, and an UNLINK of each key, together for a page.
func (s *store) Clear(ctx context.Context, below bool) error {
	l, err := s.kv.running()
	if err != nil {
		return err
	}
	began := false
	for range mostPasses {
		err = l.scan(ctx, pattern(s.prefix, below), func(physical []string) error {
			var ours []string
			for _, p := range physical {
				if path, _, ok := driver.Under(s.prefix, p); ok && (below || len(path) == 0) {
					ours = append(ours, p)
				}
			}
			began = began || len(ours) > 0
			var failed error
			l.doMany(ctx, l.client, len(ours),
				func(i int) rueidis.Completed { return l.client.B().Unlink().Key(ours[i]).Build() },
				func(_ int, _ rueidis.RedisMessage, err error) {
					if failed == nil {
						failed = err
					}
				})
			return failed
		})
		if !errors.Is(err, errChanged) {
			break
		}
	}
	if err != nil && began {
		err = driver.Unknown(err)
	}
	return err
}
