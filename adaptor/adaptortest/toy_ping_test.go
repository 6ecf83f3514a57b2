package adaptortest

import (
	"context"
	"errors"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Pinger = toyStore{}

func (s toyStore) Ping(ctx context.Context) error {
	switch {
	case s.has("Ping fails"):
		return errors.New("no answer")
	case s.has("Ping stores its key"):
		return s.Set(ctx, "", []byte("1"), driver.NoTTL)
	}
	return nil
}
