package adaptor_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/zelt-go/kv/adaptor"
)

// GetOrLoad returns an error for a nil loader, for a key with a value and for a key without.
func TestGetOrLoadRefusesANilLoader(t *testing.T) {
	s := openMemory(t, "ns")
	h := adaptor.Of[int](s)
	assert.NoError(t, h.Set(ctx, "stored", 7))
	for _, key := range []string{"stored", "missing"} {
		_, found, err := h.GetOrLoad(ctx, key, nil)
		assert.EqualError(t, err, `kv: GetOrLoad in namespace "ns": STORE_OPERATION_FAILED: the loader is nil: pass a function that returns an adaptor.Loaded`, key)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		assert.False(t, found)
	}
	requireNothing(t, s, "missing")
}

// Every operation of a store and of a handle returns an error for a nil context, and does nothing.
func TestOperationsRefuseANilContext(t *testing.T) {
	var none context.Context
	s := openMemory(t, "ns")
	h := adaptor.Of[int](s)
	for op, call := range map[string]func() error{
		"GetOrLoad":        func() error { _, _, err := h.GetOrLoad(none, "k", refuse[int](t)); return err },
		"Get":              func() error { _, _, err := h.Get(none, "k"); return err },
		"Set":              func() error { return h.Set(none, "k", 1) },
		"SetNX":            func() error { _, err := h.SetNX(none, "k", 1); return err },
		"CompareAndSwap":   func() error { _, err := h.CompareAndSwap(none, "k", 1, 2); return err },
		"Del":              func() error { return h.Del(none, "k") },
		"Has":              func() error { _, err := h.Has(none, "k"); return err },
		"Expire":           func() error { _, err := h.Expire(none, "k", time.Minute); return err },
		"GetExpire":        func() error { _, _, err := h.GetExpire(none, "k", time.Minute); return err },
		"TTL":              func() error { _, _, err := s.TTL(none, "k"); return err },
		"Incr":             func() error { _, err := s.Incr(none, "k", 1); return err },
		"CompareAndDelete": func() error { _, err := s.CompareAndDelete(none, "k", 1); return err },
		"GetMany":          func() error { _, err := s.GetMany(none, []string{"k"}); return err },
		"SetMany":          func() error { return h.SetMany(none, map[string]int{"k": 1}, adaptor.WithKeepTTL()) },
		"DelMany":          func() error { return s.DelMany(none, []string{"k"}) },
		"Keys": func() (err error) {
			for _, err = range s.Keys(none) {
			}
			return err
		},
		"Clear": func() error { return s.Clear(none) },
	} {
		var err error
		if assert.NotPanics(t, func() { err = call() }, op) {
			assert.EqualError(t, err, `kv: `+op+` in namespace "ns": STORE_OPERATION_FAILED: the context is nil: pass context.Background() if there is no other`)
			assert.False(t, adaptor.OutcomeUnknown(err), op)
		}
	}
	requireNothing(t, s, "k")
}
