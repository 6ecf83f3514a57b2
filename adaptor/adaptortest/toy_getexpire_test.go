package adaptortest

import (
	"bytes"
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.GetExpirer = toyStore{}

func (s toyStore) GetExpire(_ context.Context, key string, ttl time.Duration) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.liveFor("GetExpire", key)
	switch {
	case e == nil && s.has("GetExpire creates the key"):
		s.put(key, nil, []byte("null"), ttl)
		return nil, false, nil
	case e == nil:
		return nil, false, nil
	case s.has("GetExpire takes null for missing") && string(e.value) == "null":
		return nil, false, nil
	}
	value := bytes.Clone(e.value)
	if s.has("GetExpire returns the store's own bytes") {
		value = e.value
	}
	if s.has("GetExpire is not atomic") {
		s.yield()
		s.put(key, nil, bytes.Clone(value), ttl)
		return value, true, nil
	}
	switch {
	case driver.IsPlaceholder(e.value) && !s.has("GetExpire prolongs a placeholder"),
		s.has("GetExpire leaves the deadline"),
		s.has("GetExpire gives no deadline to an entry without") && e.deadline.IsZero(),
		s.has("GetExpire never shortens") && !e.deadline.IsZero() && time.Until(e.deadline) > ttl:
	default:
		e.deadline = s.deadline(ttl)
	}
	return value, true, nil
}

// bareToy is a toy without any optional interface: the front uses its fallbacks.
type bareToy struct{ *toy }

func (t bareToy) OpenAtomic(path []string) (driver.AtomicStore, error) {
	s, err := t.toy.OpenAtomic(path)
	return bareToyStore{s}, err
}

type bareToyStore struct{ driver.AtomicStore }

// Get lets other goroutines run between a read and the write that depends on it.
func (s bareToyStore) Get(ctx context.Context, key string) ([]byte, bool, error) {
	defer runtime.Gosched()
	return s.AtomicStore.Get(ctx, key)
}

func TestToyWithoutOptionalInterfaces(t *testing.T) {
	TestAtomicAdaptor(t, Harness[adaptor.AtomicKVAdaptor]{New: func(testing.TB) adaptor.AtomicKVAdaptor {
		return adaptor.NewAtomic(bareToy{newToy("")})
	}})
}
