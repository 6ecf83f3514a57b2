package adaptor

import (
	"bytes"
	"context"
	"errors"

	"github.com/zelt-go/kv/adaptor/driver"
)

// GetDel removes key and returns its JSON text in one atomic step. If several callers take the same
// one-time token, exactly one of the callers receives it. If there is no value, found is false and
// err is nil. The caller owns the slice. The function [GetDel] decodes the text.
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

// Swap stores value at key as Set does and returns the previous JSON text, in one atomic step: no
// value that concurrent callers swap in is lost. If there was no value, found is false and err is
// nil. The caller owns the slice. The function [Swap] decodes the text.
//
// Swap returns ErrInvalidValue if JSON cannot represent value, and ErrInvalidTTL for bad options;
// see [WithTTL].
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
	var stored []byte // to compare with, since the backend owns text
	if ttl == driver.KeepTTL {
		stored = bytes.Clone(text)
	}
	old, found, err = driver.Swap(ctx, s.atomic, key, text, ttl)
	if err != nil {
		return nil, false, p.fail(opSwap, key, err)
	}
	if !isPlaceholder(old) {
		return old, found, nil
	}
	if ttl == driver.KeepTTL { // a new entry does not keep the deadline of a placeholder
		_, err = s.atomic.CompareAndSwap(ctx, key, stored, bytes.Clone(stored), driver.NoTTL)
		if err != nil {
			return nil, false, p.fail(opSwap, key, driver.Unknown(err)) // it was stored
		}
	}
	return nil, false, nil
}

// GetDel is the method GetDel with the value decoded into a new T, as [Get] does. If the value does
// not decode into T, GetDel returns ErrInvalidValue with the Op "Decode", and the value is gone. To
// keep such a value, use the method.
func GetDel[T any](ctx context.Context, s *AtomicKVStore, key string) (value T, found bool, err error) {
	text, found, err := s.GetDel(ctx, key)
	return decode[T](s.plain(), opDecode, key, text, found, err)
}

// Swap is the method Swap with the previous value decoded into a new T, as [Get] does. If it does
// not decode into T, Swap returns ErrInvalidValue with the Op "Decode", and the new value is
// stored.
func Swap[T any](ctx context.Context, s *AtomicKVStore, key string, value any, opts ...Option) (old T, found bool, err error) {
	text, found, err := s.Swap(ctx, key, value, opts...)
	return decode[T](s.plain(), opDecode, key, text, found, err)
}

// mostTries limits how often an operation of several steps is repeated because another caller
// changed the key between the steps. With many callers at one key, some repetitions are normal.
// Only a backend whose methods contradict each other reaches the limit.
const mostTries = 10_000

var errInBetween = driver.Reason(errors.New("kv: too many concurrent writes"),
	"other callers changed the key 10,000 times between read and write, or Get and SetNX of the backend disagree")
