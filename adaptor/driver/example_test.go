package driver_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/adaptortest"
	"github.com/zelt-go/kv/adaptor/driver"
)

// Toy is a complete backend that consists of a mutex and a map.
type Toy struct {
	mu      sync.Mutex
	entries map[string]toyEntry
}

type toyEntry struct {
	value    []byte
	deadline time.Time // zero: never expires
}

// NewToy returns an adaptor on an empty Toy.
func NewToy() adaptor.AtomicKVAdaptor {
	return adaptor.NewAtomic(&Toy{entries: map[string]toyEntry{}})
}

// OpenAtomic opens a namespace, which is only a prefix of the keys.
func (t *Toy) OpenAtomic(path []string) (driver.AtomicStore, error) {
	return toyStore{t, driver.Key(path, "")}, nil
}

type toyStore struct {
	toy    *Toy
	prefix string
}

// locked calls f with the entry at key. found is false if the entry is missing or expired. locked
// then stores the entry, or removes it if f sets found to false.
func (s toyStore) locked(key string, f func(e *toyEntry, found *bool)) {
	s.toy.mu.Lock()
	defer s.toy.mu.Unlock()
	at := s.prefix + key
	e, found := s.toy.entries[at]
	if found && !e.deadline.IsZero() && !time.Now().Before(e.deadline) {
		e, found = toyEntry{}, false
	}
	f(&e, &found)
	if found {
		s.toy.entries[strings.Clone(at)] = e
	} else {
		delete(s.toy.entries, at)
	}
}

func (e *toyEntry) put(value []byte, ttl time.Duration) {
	e.value = value
	if ttl != driver.KeepTTL {
		e.expire(ttl)
	}
}

func (e *toyEntry) expire(ttl time.Duration) {
	e.deadline = time.Time{}
	if ttl > 0 {
		e.deadline = time.Now().Add(ttl) // Add saturates
	}
}

func (e *toyEntry) left() time.Duration {
	if e.deadline.IsZero() {
		return driver.NoTTL
	}
	return time.Until(e.deadline)
}

func (s toyStore) Get(_ context.Context, key string) (value []byte, found bool, err error) {
	s.locked(key, func(e *toyEntry, there *bool) { value, found = bytes.Clone(e.value), *there })
	return value, found, nil
}

func (s toyStore) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	s.locked(key, func(e *toyEntry, found *bool) { e.put(value, ttl); *found = true })
	return nil
}

func (s toyStore) Del(_ context.Context, key string) error {
	s.locked(key, func(_ *toyEntry, found *bool) { *found = false })
	return nil
}

func (s toyStore) Has(_ context.Context, key string) (found bool, err error) {
	s.locked(key, func(_ *toyEntry, there *bool) { found = *there })
	return found, nil
}

func (s toyStore) Expire(_ context.Context, key string, ttl time.Duration) (found bool, err error) {
	s.locked(key, func(e *toyEntry, there *bool) { e.expire(ttl); found = *there })
	return found, nil
}

func (s toyStore) TTL(_ context.Context, key string) (ttl time.Duration, found bool, err error) {
	s.locked(key, func(e *toyEntry, there *bool) { ttl, found = e.left(), *there })
	return ttl, found, nil
}

func (s toyStore) Incr(_ context.Context, key string, by int64, ttl time.Duration) (sum int64, left time.Duration, err error) {
	s.locked(key, func(e *toyEntry, found *bool) {
		if !*found {
			e.put([]byte("0"), ttl)
		}
		if sum, err = driver.Add(e.value, by); err != nil {
			return // value and deadline are kept
		}
		e.put(strconv.AppendInt(nil, sum, 10), driver.KeepTTL)
		left, *found = e.left(), true
	})
	return sum, left, err
}

func (s toyStore) SetNX(_ context.Context, key string, value []byte, ttl time.Duration) (stored bool, err error) {
	s.locked(key, func(e *toyEntry, found *bool) {
		if !*found {
			e.put(value, ttl)
			stored, *found = true, true
		}
	})
	return stored, nil
}

func (s toyStore) CompareAndSwap(_ context.Context, key string, old, new []byte, ttl time.Duration) (swapped bool, err error) {
	s.locked(key, func(e *toyEntry, found *bool) {
		if *found && bytes.Equal(e.value, old) {
			e.put(new, ttl)
			swapped = true
		}
	})
	return swapped, nil
}

func (s toyStore) CompareAndDelete(_ context.Context, key string, old []byte) (deleted bool, err error) {
	s.locked(key, func(e *toyEntry, found *bool) {
		if *found && bytes.Equal(e.value, old) {
			deleted, *found = true, false
		}
	})
	return deleted, nil
}

// A complete backend has ten methods on bytes and passes the conformance suite.
func Example() {
	ctx := context.Background()
	visits, err := NewToy().Namespace("visits")
	if err != nil {
		return
	}
	n, err := visits.Incr(ctx, "home", 1, adaptor.WithTTL(time.Minute))
	fmt.Println(n, err)
	// Output: 1 <nil>
}

func TestToyConforms(t *testing.T) {
	adaptortest.TestAtomicAdaptor(t, adaptortest.Harness[adaptor.AtomicKVAdaptor]{
		New: func(testing.TB) adaptor.AtomicKVAdaptor { return NewToy() },
	})
}

// A wrapper gives a backend without optional interfaces the fallbacks of the front.
func TestToyConformsThroughIntercept(t *testing.T) {
	adaptortest.TestAtomicAdaptor(t, adaptortest.Harness[adaptor.AtomicKVAdaptor]{
		New: func(testing.TB) adaptor.AtomicKVAdaptor {
			return adaptor.Intercept(NewToy(), func(ctx context.Context, call *driver.Call) error { return call.Next(ctx) })
		},
	})
}
