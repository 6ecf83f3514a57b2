package memory_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

var ctx = context.Background()

func newKV(t testing.TB) *memory.MemoryKV {
	t.Helper()
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	return kv
}

func newStore(t testing.TB) *adaptor.AtomicKVStore {
	t.Helper()
	store, err := newKV(t).Namespace("test")
	require.NoError(t, err)
	return store
}

// bubble runs f in a synctest bubble with a new store.
func bubble(t *testing.T, f func(t *testing.T, s *adaptor.AtomicKVStore)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newStore(t)) })
}

func raw(t testing.TB, s adaptor.Reader, key string) string {
	t.Helper()
	text, found, err := s.GetRaw(ctx, key)
	require.NoError(t, err)
	if !found {
		return "absent"
	}
	return string(text)
}

func ttlOf(t testing.TB, s *adaptor.AtomicKVStore, key string) time.Duration {
	t.Helper()
	ttl, found, err := s.TTL(ctx, key)
	require.NoError(t, err)
	require.True(t, found)
	return ttl
}

func ok(t testing.TB) func(done bool, err error) {
	return func(done bool, err error) {
		t.Helper()
		require.NoError(t, err)
		require.True(t, done)
	}
}

func no(t testing.TB) func(done bool, err error) {
	return func(done bool, err error) {
		t.Helper()
		require.NoError(t, err)
		require.False(t, done)
	}
}

func second(_ bool, err error) error { return err }

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
