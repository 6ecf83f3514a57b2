package adaptor

import (
	"context"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// GetExpire returns the JSON text at key, and makes the entry expire after ttl from now, in
// one atomic step. It is a sliding time to live: each read prolongs it. If there is no value,
// found is false and err is nil, and GetExpire creates nothing. A placeholder of
// [Typed.GetOrLoad] is a missing key and keeps its deadline.
//
// The caller owns the slice. GetExpire rounds ttl up to whole milliseconds, and returns
// ErrInvalidTTL if ttl is not positive. The function [GetExpire] decodes the text.
func (s *AtomicKVStore) GetExpire(ctx context.Context, key string, ttl time.Duration) (value []byte, found bool, err error) {
	return s.getExpire(ctx, opGetExpire, key, ttl)
}

// GetExpire is the method GetExpire with the value decoded into a new T, as [Get] does. If the
// value does not decode into T, GetExpire returns ErrInvalidValue with the Op "Decode". The
// value remains in the store, with the new deadline.
func GetExpire[T any](ctx context.Context, s *AtomicKVStore, key string, ttl time.Duration) (value T, found bool, err error) {
	text, found, err := s.GetExpire(ctx, key, ttl)
	return decode[T](s.plain(), opDecode, key, text, found, err)
}

func (s *AtomicKVStore) getExpire(ctx context.Context, op, key string, ttl time.Duration) (value []byte, found bool, err error) {
	p := s.plain()
	if ttl, err = wholeTTL(ttl); err != nil {
		return nil, false, failure(op, p.pathOf(), key, CodeInvalidTTL, err)
	}
	if !s.ready(ctx) {
		return nil, false, s.notReady(ctx, op, key)
	}
	value, found, err = driver.GetExpire(ctx, s.atomic, key, ttl)
	if err != nil {
		return nil, false, p.fail(op, key, err)
	}
	if isPlaceholder(value) {
		return nil, false, nil
	}
	return value, found, nil
}
