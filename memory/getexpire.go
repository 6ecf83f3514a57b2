package memory

import (
	"context"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.GetExpirer = (*store)(nil)

// GetExpire implements [driver.GetExpirer].
func (s *store) GetExpire(_ context.Context, key string, ttl time.Duration) (text []byte, found bool, err error) {
	var v value
	var small [256]byte // an allocation under the lock may have to assist Go's collector
	var w writeOp
	w.lock(s, key, ttl)
	found = w.at != 0
	s.kv.reads.count(found)
	if found {
		w.record.wasRead()
		v = w.record.valueBeyondLock(small[:])
		if !driver.IsPlaceholder(v.text) {
			w.shard.setDeadline(w.record, w.at, deadlineAfter(w.clock.now(), ttl))
		}
	}
	w.unlock()
	if !found {
		return nil, false, nil
	}
	return v.copy(), true, nil
}
