package redis

import (
	"context"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Pinger = (*store)(nil)

// Ping implements [driver.Pinger] by PING. In a Cluster one node answers.
func (s *store) Ping(ctx context.Context) error {
	c, err := s.kv.running()
	if err != nil {
		return err
	}
	_, err = c.do(ctx, c.rueidis.B().Ping().Build())
	return err
}
