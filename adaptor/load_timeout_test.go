package adaptor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

// The context of a load ends after LoadTimeout, and not before. All callers get the loader's error. The
// next call loads again, with all its time.
func TestLoadTimeoutEndsALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[int](s, adaptor.LoadTimeout(time.Second))
		start := time.Now()
		patient, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		together(10, func(int) {
			_, found, err := h.GetOrLoad(patient, "k", func(ctx context.Context) (adaptor.Loaded[int], error) {
				<-ctx.Done()
				assert.ErrorContains(t, context.Cause(ctx), "the load took longer than its LoadTimeout")
				return adaptor.Loaded[int]{}, ctx.Err()
			})
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.False(t, found)
		})
		assert.Equal(t, time.Second, time.Since(start))
		requireNothing(t, s, "k")

		value, found, err := h.GetOrLoad(ctx, "k", slowly(time.Second-1, 7))
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, 7, value)
	})
}

// The result of a loader that ignores the end of its context is stored.
func TestLoadTimeoutDoesNotDropAResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[int](s, adaptor.LoadTimeout(time.Second))
		value, _, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) {
			time.Sleep(time.Minute)
			return adaptor.Loaded[int]{Value: 7}, nil
		})
		require.NoError(t, err)
		assert.Equal(t, 7, value)
		stored, found, err := adaptor.Get[int](ctx, s, "k")
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, 7, stored)
	})
}
