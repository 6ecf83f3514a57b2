package memory

import (
	"context"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Persist implements [driver.Persister].
func (s *store) Persist(_ context.Context, key string) (found bool, err error) {
	var w writeOp
	w.lock(s, key, driver.NoTTL)
	if found = w.at != 0; found {
		w.shard.setDeadline(w.record, w.at, 0)
	}
	w.unlock()
	return found, nil
}
