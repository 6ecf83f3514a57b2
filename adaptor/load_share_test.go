package adaptor_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

// All callers of one key share one load, and each gets its own copy of the value.
func TestCallersShareOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newKV()
		var loads atomic.Int64
		together(1000, func(i int) {
			s, err := kv.Namespace("ns") // a handle per caller
			assert.NoError(t, err)
			value, found, err := adaptor.Of[map[string]int](s).GetOrLoad(ctx, "k", func(ctx context.Context) (adaptor.Loaded[map[string]int], error) {
				loads.Add(1)
				return slowly(time.Second, map[string]int{"a": 1})(ctx)
			})
			assert.NoError(t, err)
			assert.True(t, found)
			assert.Equal(t, map[string]int{"a": 1}, value)
			value["a"] = i // the race detector reports a shared map
		})
		assert.EqualValues(t, 1, loads.Load())
		s, err := kv.Namespace("ns")
		require.NoError(t, err)
		value, found, err := adaptor.Of[map[string]int](s).GetOrLoad(ctx, "k", refuse[map[string]int](t))
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, map[string]int{"a": 1}, value)
	})
}

// Callers share one load also without fake time, where the scheduler decides the order of the steps.
func TestConcurrentCallersShareOneLoad(t *testing.T) {
	for range 20 {
		h := adaptor.Of[int](openMemory(t, "ns"))
		var loads atomic.Int64
		together(1000, func(int) {
			value, found, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) {
				loads.Add(1)
				return adaptor.Loaded[int]{Value: 7}, nil
			})
			assert.NoError(t, err)
			assert.True(t, found)
			assert.Equal(t, 7, value)
		})
		assert.EqualValues(t, 1, loads.Load())
	}
}

// Different keys, namespaces and adaptors load independently.
func TestKeysAndAdaptorsLoadIndependently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := newKV(), newKV()
		start := time.Now()
		together(8, func(i int) {
			kv := []adaptor.AtomicKVAdaptor{one, other}[i%2]
			s, err := kv.Namespace([]string{"a", "b"}[i/2%2])
			assert.NoError(t, err)
			value, _, err := adaptor.Of[int](s).GetOrLoad(ctx, []string{"k", "l"}[i/4], slowly(time.Second, i))
			assert.NoError(t, err)
			assert.Equal(t, i, value)
		})
		assert.Equal(t, time.Second, time.Since(start))
	})
}

// Two backends load independently, also if Go cannot compare their values.
func TestUncomparableBackendsLoadIndependently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		together(2, func(i int) {
			p := newShelf().process()
			p.pause = func(op string) {
				if op == "SetNX" {
					time.Sleep(time.Second)
				}
			}
			s, err := adaptor.NewAtomic(uncomparable{process: p}).Namespace("ns")
			assert.NoError(t, err)
			value, _, err := adaptor.Of[int](s).GetOrLoad(ctx, "k", slowly(time.Second, i))
			assert.NoError(t, err)
			assert.Equal(t, i, value)
		})
	})
}

type uncomparable struct {
	*process
	_ []string
}
