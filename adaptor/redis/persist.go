package redis

import (
	"context"

	"github.com/zelt-go/kv/adaptor/redis/internal/script"
)

// Persist implements [driver.Persister]. It uses a script, because PERSIST alone does not distinguish a
// missing key from a key without a deadline.
func (s *store) Persist(ctx context.Context, key string) (bool, error) {
	c, err := s.kv.running()
	if err != nil {
		return false, err
	}
	return boolReply(c.eval(ctx, script.Persist, s.prefix+key))
}
