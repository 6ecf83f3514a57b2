package adaptor_test

import (
	"context"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// bare is a backend without optional interfaces. The function between runs before each operation,
// as another caller.
type bare struct {
	entries map[string]string
	ttls    map[string]time.Duration
	between func(op, key string) error // may be nil
}

func newBare() *bare {
	return &bare{entries: map[string]string{}, ttls: map[string]time.Duration{}}
}

func (b *bare) OpenAtomic([]string) (driver.AtomicStore, error) { return bareStore{b}, nil }

type bareStore struct{ *bare }

func (s bareStore) come(op, key string) error {
	if s.between == nil {
		return nil
	}
	return s.between(op, key)
}

func (s bareStore) put(key, value string, ttl time.Duration) {
	s.entries[key] = value
	if ttl != driver.KeepTTL {
		s.ttls[key] = ttl
	}
}

func (s bareStore) Get(_ context.Context, key string) ([]byte, bool, error) {
	if err := s.come("Get", key); err != nil {
		return nil, false, err
	}
	value, found := s.entries[key]
	return []byte(value), found, nil
}

func (s bareStore) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	if err := s.come("Set", key); err != nil {
		return err
	}
	s.put(key, string(value), ttl)
	return nil
}

func (s bareStore) Del(_ context.Context, key string) error {
	if err := s.come("Del", key); err != nil {
		return err
	}
	delete(s.entries, key)
	return nil
}

func (s bareStore) Has(_ context.Context, key string) (bool, error) {
	_, found := s.entries[key]
	return found, nil
}

func (s bareStore) Expire(_ context.Context, key string, ttl time.Duration) (bool, error) {
	_, found := s.entries[key]
	s.ttls[key] = ttl
	return found, nil
}

func (s bareStore) TTL(_ context.Context, key string) (time.Duration, bool, error) {
	_, found := s.entries[key]
	return s.ttls[key], found, nil
}

func (s bareStore) Incr(_ context.Context, key string, by int64, _ time.Duration) (int64, time.Duration, error) {
	sum, err := driver.Add([]byte(s.entries[key]), by)
	return sum, 0, err
}

func (s bareStore) SetNX(_ context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	if err := s.come("SetNX", key); err != nil {
		return false, err
	}
	if _, found := s.entries[key]; found {
		return false, nil
	}
	if ttl == driver.KeepTTL {
		panic("SetNX has nothing to keep")
	}
	s.put(key, string(value), ttl)
	return true, nil
}

func (s bareStore) CompareAndSwap(_ context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	if err := s.come("CompareAndSwap", key); err != nil {
		return false, err
	}
	if value, found := s.entries[key]; !found || value != string(old) {
		clear(old) // the backend owns it
		clear(new)
		return false, nil
	}
	s.put(key, string(new), ttl)
	clear(old)
	return true, nil
}

func (s bareStore) CompareAndDelete(_ context.Context, key string, old []byte) (bool, error) {
	if err := s.come("CompareAndDelete", key); err != nil {
		return false, err
	}
	value, found := s.entries[key]
	same := found && value == string(old)
	if same {
		delete(s.entries, key)
	}
	clear(old)
	return same, nil
}
