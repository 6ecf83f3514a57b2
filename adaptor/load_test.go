package adaptor_test

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zelt-go/kv/adaptor"
)

// In the tests of this file time is synctest's, whose bubbles also fail when a goroutine
// is left.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// none is a loader that finds nothing.
func none[T any](context.Context) (adaptor.Loaded[T], error) {
	return adaptor.Loaded[T]{None: true}, nil
}

// slowly is a loader that takes d, or until its context ends.
func slowly[T any](d time.Duration, value T) func(context.Context) (adaptor.Loaded[T], error) {
	return func(ctx context.Context) (adaptor.Loaded[T], error) {
		select {
		case <-time.After(d):
			return adaptor.Loaded[T]{Value: value}, nil
		case <-ctx.Done():
			return adaptor.Loaded[T]{}, ctx.Err()
		}
	}
}

func refuse[T any](t *testing.T) func(context.Context) (adaptor.Loaded[T], error) {
	return func(context.Context) (adaptor.Loaded[T], error) {
		t.Error("a load too many")
		return adaptor.Loaded[T]{}, io.EOF
	}
}

// counted is a loader that counts how often it runs.
func counted[T any](n *atomic.Int64, load func(context.Context) (adaptor.Loaded[T], error)) func(context.Context) (adaptor.Loaded[T], error) {
	return func(ctx context.Context) (adaptor.Loaded[T], error) {
		n.Add(1)
		return load(ctx)
	}
}

// together calls f n times at once, and waits.
func together(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

// requireNothing checks that no entry lies at key, a note neither.
func requireNothing(t *testing.T, s *adaptor.AtomicKVStore, key string) {
	t.Helper()
	has, err := s.Has(ctx, key)
	require.NoError(t, err)
	require.False(t, has)
}
