package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Limit implements [driver.Limiter]. The deadline of the entry is exact to the nanosecond.
//
// Most decisions need no memory and move no record. They are made here, the others by writeLimit.
func (s *store) Limit(_ context.Context, key string, l *driver.Limits, call driver.LimitCall) (res driver.Limited, err error) {
	c := s.kv.clock()
	sh, hash := s.locate(key)
	sh.mu.Lock()
	r, pos := sh.find(hash, &s.namespace, key)
	if r == nil || r.expired(&c) || r.kind() == integer {
		sh.mu.Unlock()
		return s.writeLimit(key, l, call)
	}
	ok := false
	if call.Give == 0 && !call.Reset {
		res, ok = l.DecideInPlace(r.text(), remaining(r, &c), call.Need, call.Take)
	}
	if !ok {
		ok = sh.limitOverwriting(&res, r, pos, &c, l, call)
	} else if res.Taken > 0 {
		sh.setDeadline(r, pos.ref(), deadlineAfter(c.now(), res.ResetIn))
	}
	sh.mu.Unlock()
	if !ok {
		return s.writeLimit(key, l, call)
	}
	s.kv.expireSome(&c)
	return res, nil
}

// limitOverwriting makes a decision whose text fits in the place of the old one. If it returns false, nothing has changed.
func (sh *shard) limitOverwriting(res *driver.Limited, r *record, pos position, c *clock, l *driver.Limits, call driver.LimitCall) bool {
	text := r.text()
	decided, write, next, ttl, err := l.Decide(sh.scratch[:0], text, remaining(r, c), call, 1)
	switch {
	case err != nil || write == driver.LimitDrop:
		return false
	case write == driver.LimitStore:
		sh.scratch = next
		if !bytes.Equal(text, next) && !r.overwrite(value{text: next}) {
			return false
		}
		sh.setDeadline(r, pos.ref(), deadlineAfter(c.now(), ttl))
	}
	*res = decided
	return true
}

// writeLimit makes a decision as a writeOp.
func (s *store) writeLimit(key string, l *driver.Limits, c driver.LimitCall) (driver.Limited, error) {
	if len(s.namespace.name)+len(key) > maxLimitKey {
		return driver.Limited{}, errors.ErrUnsupported // the record of such a key is written before the lock is taken
	}
	var res driver.Limited
	var w writeOp
	for !w.ended {
		w.err = nil
		w.lock(s, key, driver.KeepTTL)
		res = w.limit(l, c)
		w.end()
	}
	if w.err != nil {
		return driver.Limited{}, w.err
	}
	return res, nil
}

// maxLimitKey leaves room for the state of many rates in a record that shares its segment.
const maxLimitKey = maxSmall / 8

// limit makes a decision with the lock.
func (w *writeOp) limit(l *driver.Limits, c driver.LimitCall) driver.Limited {
	var text []byte
	var ttlLeft time.Duration
	if w.at != 0 {
		if w.record.kind() == integer {
			w.err = errCounter
			return driver.Limited{}
		}
		text, ttlLeft = w.record.text(), remaining(w.record, &w.clock)
	}
	res, change, next, ttl, err := l.Decide(w.shard.scratch[:0], text, ttlLeft, c, 1)
	if w.err = err; err != nil {
		return driver.Limited{}
	}
	switch change {
	case driver.LimitStore:
		w.shard.scratch = next
		if !bytes.Equal(text, next) && !w.putState(next) {
			return driver.Limited{}
		}
		w.shard.setDeadline(w.record, w.at, deadlineAfter(w.clock.now(), ttl))
	case driver.LimitDrop:
		if w.at != 0 {
			w.remove()
		}
	}
	return res
}

// putState stores the text of a state, and leaves the deadline to its caller.
func (w *writeOp) putState(text []byte) bool {
	if most := w.store.kv.config.MaxValueBytes; most > 0 && len(text) > most {
		w.err = driver.Reason(driver.ErrInvalidValue,
			fmt.Sprintf("the state of the rate limiter is of %d bytes, and memory.Config.MaxValueBytes is %d", len(text), most))
		return false
	}
	w.value = value{text: text}
	w.size = recordSize(len(w.store.namespace.name)+len(w.key), w.value)
	return w.put()
}

var errCounter = driver.Reason(driver.ErrInvalidValue, "the stored value is not the state of a rate limiter")

// Instant implements [driver.Instant].
func (s *store) Instant() {}
