package redis

import (
	"context"
	"time"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/driver"
)

// GetDel implements [driver.Taker].
func (s *store) GetDel(ctx context.Context, key string) (value []byte, found bool, err error) {
	c, err := s.kv.running()
	if err != nil {
		return nil, false, err
	}
	return textReply(c.do(ctx, c.rueidis.B().Getdel().Key(s.prefix+key).Build()))
}

// Swap implements [driver.Taker].
func (s *store) Swap(ctx context.Context, key string, value []byte, ttl time.Duration) (old []byte, found bool, err error) {
	c, err := s.kv.running()
	if err != nil {
		return nil, false, err
	}
	swap := c.rueidis.B().Set().Key(s.prefix + key).Value(rueidis.BinaryString(value)).Get()
	var cmd rueidis.Completed
	switch ttl {
	case driver.NoTTL:
		cmd = swap.Build()
	case driver.KeepTTL:
		cmd = swap.Keepttl().Build()
	default:
		cmd = swap.PxMilliseconds(ttl.Milliseconds()).Build()
	}
	return textReply(c.do(ctx, cmd))
}
