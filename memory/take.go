package memory

import (
	"context"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// GetDel implements [driver.Taker].
func (s *store) GetDel(_ context.Context, key string) (text []byte, found bool, err error) {
	var v value
	var w writeOp
	w.lock(s, key, driver.NoTTL)
	if found = w.at != 0; found {
		v = w.record.value() // nothing overwrites a removed record
		w.remove()
	}
	w.unlock()
	if !found {
		return nil, false, nil
	}
	return v.copy(), true, nil
}

// Swap implements [driver.Taker].
func (s *store) Swap(_ context.Context, key string, text []byte, ttl time.Duration) (old []byte, found bool, err error) {
	v := newValue(text)
	var before value
	var small [256]byte // an allocation under the lock may have to assist Go's collector
	var w writeOp
	for w.begin(s, key, v, ttl) {
		if found = w.at != 0; found {
			before = w.record.valueBeyondLock(small[:])
		}
		w.put()
		w.end()
	}
	if w.err != nil || !found {
		return nil, false, w.err
	}
	return before.copy(), true, nil
}
