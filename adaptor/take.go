package adaptor

import (
	"bytes"
	"context"
	"errors"

	"github.com/zelt-go/kv/adaptor/driver"
)

// GetDel removes key, and returns the JSON text that it had, in one atomic step: of many who
// take a one-time token, one finds it. found is false, and err nil, if there was none. The caller
// owns the slice. The function [GetDel] decodes it.
func (s *AtomicKVStore) GetDel(ctx context.Context, key string) (value []byte, found bool, err error) {
	if !s.ready(ctx) {
		return nil, false, s.notReady(ctx, opGetDel, key)
	}
	value, found, err = driver.GetDel(ctx, s.atomic, key)
	if err != nil {
		return nil, false, s.plain().fail(opGetDel, key, err)
	}
	if isPlaceholder(value) {
		return nil, false, nil
	}
	return value, found, nil
}

// Swap stores value at key as Set does, its options too, and returns the JSON text that was there
// before, in one atomic step: of what many swap in, nothing is lost. found is false, and err nil, if
// there was none. The caller owns the slice. The function [Swap] decodes it.
// ErrInvalidValue: JSON can't hold value. ErrInvalidTTL: see [WithTTL].
func (s *AtomicKVStore) Swap(ctx context.Context, key string, value any, opts ...Option) (old []byte, found bool, err error) {
	p := s.plain()
	ttl, err := p.writeTTL(opSwap, key, opts, true)
	if err != nil {
		return nil, false, err
	}
	if !s.ready(ctx) {
		return nil, false, s.notReady(ctx, opSwap, key)
	}
	text, err := p.encode(opSwap, key, value)
	if err != nil {
		return nil, false, err
	}
	old, found, err = driver.Swap(ctx, s.atomic, key, text, ttl)
	if err != nil {
		return nil, false, p.fail(opSwap, key, err)
	}
	if !isPlaceholder(old) {
		return old, found, nil
	}
	if ttl == driver.KeepTTL { // the placeholder's: a new entry has none
		_, err = s.atomic.CompareAndSwap(ctx, key, bytes.Clone(text), bytes.Clone(text), driver.NoTTL)
		if err != nil {
			return nil, false, p.fail(opSwap, key, driver.Unknown(err)) // it was stored
		}
	}
	return nil, false, nil
}

// GetDel is the method GetDel with the value decoded into a fresh T, as [Get] does. A value that
// does not decode into T is ErrInvalidValue with the Op "Decode", and is gone all the same: what
// must not be lost so is taken as JSON text, by the method.
func GetDel[T any](ctx context.Context, s *AtomicKVStore, key string) (value T, found bool, err error) {
	text, found, err := s.GetDel(ctx, key)
	return decode[T](s.plain(), opDecode, key, text, found, err)
}

// Swap is the method Swap with the old value decoded into a fresh T, as [Get] does. One that does
// not decode into T is ErrInvalidValue with the Op "Decode", and is replaced all the same.
func Swap[T any](ctx context.Context, s *AtomicKVStore, key string, value any, opts ...Option) (old T, found bool, err error) {
	text, found, err := s.Swap(ctx, key, value, opts...)
	return decode[T](s.plain(), opDecode, key, text, found, err)
}

// mostTries is how often an operation of several steps begins anew because others were in between. Many
// goroutines at one key need some of them; a backend whose methods contradict each other needs all.
const mostTries = 10_000

var errInBetween = driver.Reason(errors.New("kv: others in between"),
	"others were in between, 10,000 times, or the backend contradicts itself: what SetNX finds, Get must find")
