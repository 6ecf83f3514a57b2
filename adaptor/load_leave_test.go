package adaptor_test

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

type contextKey struct{}

// If the first caller leaves, the load continues, and the other callers get the value.
func TestLoadContinuesAfterItsFirstCallerLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := adaptor.Of[int](openMemory(t, "ns"))
		first, cancel := context.WithCancel(context.WithValue(ctx, contextKey{}, "trace"))
		go func() { time.Sleep(time.Second); cancel() }()
		together(10, func(i int) {
			if i > 0 {
				time.Sleep(time.Millisecond)
				value, found, err := h.GetOrLoad(ctx, "k", refuse[int](t))
				assert.NoError(t, err)
				assert.True(t, found)
				assert.Equal(t, 7, value)
				return
			}
			_, found, err := h.GetOrLoad(first, "k", func(ctx context.Context) (adaptor.Loaded[int], error) {
				assert.Equal(t, "trace", ctx.Value(contextKey{}))
				return slowly(time.Minute, 7)(ctx)
			})
			assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
			assert.ErrorIs(t, err, context.Canceled)
			assert.False(t, found)
		})
	})
}

// Each caller leaves at its own deadline, and the load's context ends with the last caller.
func TestLoadEndsWithItsLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[int](s)
		start := time.Now()
		var ended time.Duration
		together(5, func(i int) {
			patience := time.Duration(i+1) * time.Second
			mine, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			_, found, err := h.GetOrLoad(mine, "secret-key", func(ctx context.Context) (adaptor.Loaded[int], error) {
				<-ctx.Done()
				ended = time.Since(start)
				return adaptor.Loaded[int]{}, ctx.Err()
			})
			assert.EqualError(t, err, `kv: GetOrLoad in namespace "ns": STORE_OPERATION_FAILED: context deadline exceeded`)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.False(t, adaptor.OutcomeUnknown(err))
			assert.False(t, found)
			assert.Equal(t, patience, time.Since(start))
		})
		synctest.Wait()
		assert.Equal(t, 5*time.Second, ended)
		requireNothing(t, s, "secret-key")
	})
}

// A load copies its key, because a caller that has left may reuse the memory of the key.
func TestLoadCopiesItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[int](s)
		together(2, func(i int) {
			if i == 1 {
				time.Sleep(time.Millisecond)
				_, _, err := h.GetOrLoad(ctx, "k", refuse[int](t))
				assert.NoError(t, err)
				return
			}
			buffer := []byte("k")
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, _, err := h.GetOrLoad(short, unsafe.String(&buffer[0], 1), slowly(time.Minute, 7))
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			buffer[0] = 'x'
		})
		requireNothing(t, s, "x")
		value, found, err := h.Get(ctx, "k")
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, 7, value)
	})
}

// A caller that comes after all others have left starts a new load, even if the old load still runs.
func TestLoadStartsAgainAfterAllCallersLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[int](s)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, _, err := h.GetOrLoad(short, "k", func(context.Context) (adaptor.Loaded[int], error) {
			time.Sleep(2 * time.Second) // it ignores its context
			return adaptor.Loaded[int]{}, io.EOF
		})
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		var loads atomic.Int64
		together(3, func(i int) {
			time.Sleep(time.Duration(i) * time.Second) // before, at and after the end of the first load
			value, _, err := h.GetOrLoad(ctx, "k", func(ctx context.Context) (adaptor.Loaded[int], error) {
				loads.Add(1)
				return slowly(3*time.Second, 7)(ctx)
			})
			assert.NoError(t, err)
			assert.Equal(t, 7, value)
		})
		assert.EqualValues(t, 1, loads.Load())
		value, found, err := h.Get(ctx, "k")
		require.NoError(t, err)
		assert.True(t, found, "the first load must not remove the placeholder of the second")
		assert.Equal(t, 7, value)
	})
}
