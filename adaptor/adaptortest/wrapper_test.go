package adaptortest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// publicWrapper is a wrapper over the public API of an adaptor, as a program wrote it before driver.Intercept
// existed. It reads placeholders as missing keys, and stores them as values.
type publicWrapper struct{ kv adaptor.AtomicKVAdaptor }

func (w publicWrapper) OpenAtomic(path []string) (driver.AtomicStore, error) {
	s, err := w.kv.Namespace(path[0])
	for _, name := range path[1:] {
		if err == nil {
			s, err = s.Namespace(name)
		}
	}
	return publicStore{s}, err
}

type publicStore struct{ *adaptor.AtomicKVStore }

func option(ttl time.Duration) adaptor.Option {
	switch ttl {
	case driver.NoTTL:
		return adaptor.Option{}
	case driver.KeepTTL:
		return adaptor.WithKeepTTL()
	}
	return adaptor.WithTTL(ttl)
}

func (s publicStore) Get(ctx context.Context, key string) ([]byte, bool, error) {
	return s.GetRaw(ctx, key)
}

func (s publicStore) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.AtomicKVStore.Set(ctx, key, json.RawMessage(value), option(ttl))
}

func (s publicStore) Incr(ctx context.Context, key string, by int64, ttl time.Duration) (int64, time.Duration, error) {
	sum, left, err := s.IncrTTL(ctx, key, by, option(ttl))
	if adaptor.CodeOf(err) == adaptor.CodeInvalidValue {
		err = driver.ErrInvalidValue
	}
	return sum, left, err
}

func (s publicStore) SetNX(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	return s.AtomicKVStore.SetNX(ctx, key, json.RawMessage(value), option(ttl))
}

func (s publicStore) CompareAndSwap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	return s.AtomicKVStore.CompareAndSwap(ctx, key, json.RawMessage(old), json.RawMessage(new), option(ttl))
}

func (s publicStore) CompareAndDelete(ctx context.Context, key string, old []byte) (bool, error) {
	return s.AtomicKVStore.CompareAndDelete(ctx, key, json.RawMessage(old))
}

// A wrapper over the public API fails the cases about placeholders, and no other case.
func TestAWrapperOverThePublicAPIIsCaught(t *testing.T) {
	h := Harness[adaptor.AtomicKVAdaptor]{New: func(testing.TB) adaptor.AtomicKVAdaptor {
		return adaptor.NewAtomic(publicWrapper{adaptor.NewAtomic(newToy(""))})
	}}
	placeholders := []string{"Raw/begins_with_space", "Raw/placeholder", "GetExpire/placeholder"}
	for _, c := range allCases() {
		failures := runCase(t, c, clock{}, both(h))
		if caught, want := len(failures) > 0, slices.Contains(placeholders, c.name); caught != want {
			t.Errorf("%s: caught %v, want %v\n%s", c.name, caught, want, strings.Join(failures, "\n"))
		}
	}
}
