package memory

import (
	"bytes"
	"context"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.GetExpirer = (*store)(nil)

// GetExpire implements [driver.GetExpirer].
func (s *store) GetExpire(_ context.Context, key string, ttl time.Duration) (text []byte, found bool, err error) {
	var v value
	var small [256]byte // an allocation with the lock may have to help Go's garbage collector
	var w writeOp
	w.lock(s, key, ttl)
	found = w.at != 0
	s.kv.reads.count(found)
	if found {
		w.record.wasRead()
		v = w.record.value()
		if !driver.IsPlaceholder(v.text) {
			w.shard.setDeadline(w.record, w.at, deadlineAfter(w.clock.now(), ttl))
		}
		switch {
		case w.record.kind() >= sealed: // its text never changes
		case len(v.text) <= len(small):
			v.text = small[:copy(small[:], v.text)]
		default:
			v.text = bytes.Clone(v.text)
		}
	}
	w.unlock()
	if !found {
		return nil, false, nil
	}
	return v.copy(), true, nil
}
