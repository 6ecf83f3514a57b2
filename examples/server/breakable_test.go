package main

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/examples/internal/wrap"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

// breakable returns an adaptor for an app. While fault is set, the adaptor loses its answers.
func breakable(t *testing.T) (option fx.Option, fault *atomic.Bool) {
	t.Helper()
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	fault = &atomic.Bool{}
	return kvmodule.ReplaceAdaptor(wrap.Adaptor(kv, func(s wrap.Store) driver.AtomicStore { return mute{s, fault} })), fault
}

var errMute = driver.Unknown(errors.New("planted: no answer"))

// mute is a store that loses its answers while fault is set.
type mute struct {
	wrap.Store
	fault *atomic.Bool
}

func (m mute) lost(err error) error {
	if m.fault.Load() {
		return errMute
	}
	return err
}

func (m mute) Get(ctx context.Context, key string) ([]byte, bool, error) {
	value, found, err := m.Store.Get(ctx, key)
	return value, found, m.lost(err)
}

func (m mute) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return m.lost(m.Store.Set(ctx, key, value, ttl))
}

func (m mute) Has(ctx context.Context, key string) (bool, error) {
	found, err := m.Store.Has(ctx, key)
	return found, m.lost(err)
}

func (m mute) Del(ctx context.Context, key string) error {
	return m.lost(m.Store.Del(ctx, key))
}

func (m mute) Incr(ctx context.Context, key string, by int64, ttl time.Duration) (int64, time.Duration, error) {
	sum, left, err := m.Store.Incr(ctx, key, by, ttl)
	return sum, left, m.lost(err)
}

func (m mute) CompareAndSwap(ctx context.Context, key string, old, value []byte, ttl time.Duration) (bool, error) {
	swapped, err := m.Store.CompareAndSwap(ctx, key, old, value, ttl)
	return swapped, m.lost(err)
}
