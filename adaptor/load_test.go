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

// TestMain fails if a goroutine outlives the tests. A synctest bubble checks its own goroutines.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// none is a loader that reports that there is no value.
func none[T any](context.Context) (adaptor.Loaded[T], error) {
	return adaptor.Loaded[T]{None: true}, nil
}

// slowly returns a loader that returns value after d, or an error when its context ends.
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
		t.Error("the loader must not be called")
		return adaptor.Loaded[T]{}, io.EOF
	}
}

// counted returns a loader that counts its calls in n.
func counted[T any](n *atomic.Int64, load func(context.Context) (adaptor.Loaded[T], error)) func(context.Context) (adaptor.Loaded[T], error) {
	return func(ctx context.Context) (adaptor.Loaded[T], error) {
		n.Add(1)
		return load(ctx)
	}
}

// together calls f from n goroutines concurrently, and waits for all calls.
func together(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

// requireNothing checks that key has neither a value nor a placeholder.
func requireNothing(t *testing.T, s *adaptor.AtomicKVStore, key string) {
	t.Helper()
	has, err := s.Has(ctx, key)
	require.NoError(t, err)
	require.False(t, has)
}
