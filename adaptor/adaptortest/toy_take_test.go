package adaptortest

import (
	"bytes"
	"context"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

var (
	_ driver.Taker     = toyStore{}
	_ driver.Persister = toyStore{}
)

func (s toyStore) GetDel(_ context.Context, key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.liveFor("GetDel", key)
	if s.has("GetDel is not atomic") {
		s.yield()
	}
	switch {
	case e == nil:
		return nil, false, nil
	case s.has("GetDel takes null for missing") && string(e.value) == "null":
		return nil, false, nil
	case s.has("GetDel deletes nothing"):
		return bytes.Clone(e.value), true, nil
	case s.has("GetDel keeps the deadline for the next entry"):
		s.ghosts[s.at(key)] = e.deadline
	}
	delete(s.entries, s.at(key))
	if s.has("GetDel trims white space") {
		return bytes.TrimSpace(e.value), true, nil
	}
	return e.value, true, nil
}

func (s toyStore) Swap(_ context.Context, key string, value []byte, ttl time.Duration) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.liveFor("Swap", key)
	var old []byte
	if e != nil {
		old = e.value
	}
	found := e != nil
	switch {
	case s.has("Swap is not atomic"):
		s.yield()
	case s.has("Swap drops the deadline") && ttl == driver.KeepTTL:
		ttl = driver.NoTTL
	case s.has("Swap keeps the deadline") && ttl == driver.NoTTL:
		ttl = driver.KeepTTL
	case s.has("Swap only replaces") && !found:
		return nil, false, nil
	case s.has("Swap takes null for missing") && string(old) == "null":
		found = false
	case s.has("Swap returns the new value") && found:
		old = bytes.Clone(value)
	}
	if s.has("Swap of more than 256 bytes returns the new value") && len(old) == len(value) && len(old) > 256 {
		old = bytes.Clone(value)
	}
	if s.has("Swap compacts the JSON text") {
		value = compact(value)
	}
	s.put(key, e, value, ttl)
	if s.has("Swap trims white space") {
		old = bytes.TrimSpace(old)
	}
	return old, found, nil
}

func (s toyStore) Persist(_ context.Context, key string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.liveFor("Persist", key)
	switch {
	case e == nil && s.has("Persist creates the key"):
		s.put(key, nil, []byte("null"), driver.NoTTL)
		return true, nil
	case e == nil:
		return false, nil
	case s.has("Persist reports whether there was a deadline") && e.deadline.IsZero():
		return false, nil
	case s.has("Persist does nothing"):
		return true, nil
	}
	e.deadline = time.Time{}
	return true, nil
}
