package adaptor_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

// A load that asks for its own key, directly or through another load, gets an error.
func TestLoadOfItsOwnKeyIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := adaptor.Of[int](openMemory(t, "ns"))
		_, _, err := h.GetOrLoad(ctx, "secret-key", func(ctx context.Context) (adaptor.Loaded[int], error) {
			value, _, err := h.GetOrLoad(ctx, "other", func(ctx context.Context) (adaptor.Loaded[int], error) {
				value, _, err := h.GetOrLoad(ctx, "secret-key", refuse[int](t))
				return adaptor.Loaded[int]{Value: value}, err
			})
			return adaptor.Loaded[int]{Value: value}, err
		})
		assert.EqualError(t, err, ownKey)
		_, _, err = h.GetOrLoad(ctx, "secret-key", func(ctx context.Context) (adaptor.Loaded[int], error) {
			assert.NoError(t, h.Del(ctx, "secret-key")) // a new load may begin, but not from within this load
			value, _, err := h.GetOrLoad(ctx, "secret-key", refuse[int](t))
			return adaptor.Loaded[int]{Value: value}, err
		})
		assert.EqualError(t, err, ownKey)
	})
}

const ownKey = `kv: GetOrLoad in namespace "ns": STORE_OPERATION_FAILED: a load asks for its own key, or for one whose load waits for it: that would never end`

// If loads ask for each other's keys in a circle, the last one gets an error, and none hangs.
func TestCircleOfLoadsIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := adaptor.Of[int](openMemory(t, "ns"))
		var refused atomic.Int64
		together(3, func(i int) {
			_, _, err := h.GetOrLoad(ctx, fmt.Sprint(i), func(ctx context.Context) (adaptor.Loaded[int], error) {
				time.Sleep(time.Second)
				value, _, err := h.GetOrLoad(ctx, fmt.Sprint((i+1)%3), refuse[int](t))
				if err != nil && err.Error() == ownKey {
					refused.Add(1)
				}
				return adaptor.Loaded[int]{Value: value}, err
			})
			assert.EqualError(t, err, ownKey)
		})
		assert.EqualValues(t, 3, refused.Load(), "the error reaches the waiting loads")
		value, _, err := h.GetOrLoad(ctx, "0", slowly(0, 7))
		require.NoError(t, err)
		assert.Equal(t, 7, value)
	})
}

// A load may ask for several other keys concurrently, also for keys that other loads ask for.
func TestNestedLoadsShareLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := adaptor.Of[int](openMemory(t, "ns"))
		var loads atomic.Int64
		var load func(key int) func(context.Context) (adaptor.Loaded[int], error)
		ask := func(ctx context.Context, key int) int {
			value, _, err := h.GetOrLoad(ctx, fmt.Sprint(key), load(key))
			assert.NoError(t, err)
			return value
		}
		load = func(key int) func(context.Context) (adaptor.Loaded[int], error) { // the Fibonacci number of key
			return func(ctx context.Context) (adaptor.Loaded[int], error) {
				loads.Add(1)
				time.Sleep(time.Second)
				if key < 2 {
					return adaptor.Loaded[int]{Value: key}, nil
				}
				var parts [3]int
				together(3, func(i int) { parts[i] = ask(ctx, key-1-i/2) }) // key-1 twice
				return adaptor.Loaded[int]{Value: parts[0] + parts[2]}, nil
			}
		}
		together(10, func(i int) { assert.Equal(t, 6765, ask(ctx, 20)) })
		assert.EqualValues(t, 21, loads.Load())
	})
}
