package memory

import (
	"context"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Pinger = (*store)(nil)

// Ping implements [driver.Pinger]. Memory always answers.
func (s *store) Ping(context.Context) error { return nil }
