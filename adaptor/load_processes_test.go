package adaptor_test

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

// Two processes load one key. The result of the first load is stored, and both processes return it.
func TestFirstResultOfTwoProcessesIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newShelf()
		first, second := adaptor.Of[int](shared.process().store(t)), adaptor.Of[int](shared.process().store(t))
		together(20, func(i int) {
			h, d, want := first, 2*time.Second, 2
			if i%2 == 1 {
				h, d = second, 3*time.Second
			}
			value, _, err := h.GetOrLoad(ctx, "k", slowly(d, int(d/time.Second)))
			assert.NoError(t, err)
			assert.Equal(t, want, value)
		})
		value, _, err := second.GetOrLoad(ctx, "k", refuse[int](t))
		assert.NoError(t, err)
		assert.Equal(t, 2, value)
	})
}

// Two processes share a placeholder. The load that ends first stores its result, in either
// process.
func TestEitherOfTwoProcessesStores(t *testing.T) {
	for _, firstTakes := range []time.Duration{2 * time.Second, 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			shared := newShelf()
			together(2, func(i int) {
				time.Sleep(time.Duration(i) * time.Second)
				takes := []time.Duration{firstTakes, 2 * time.Second}[i]
				_, _, err := adaptor.Of[int](shared.process().store(t)).GetOrLoad(ctx, "k", slowly(takes, i))
				assert.NoError(t, err)
			})
			value, found, err := adaptor.Of[int](shared.process().store(t)).Get(ctx, "k")
			require.NoError(t, err)
			assert.True(t, found)
			assert.Equal(t, map[time.Duration]int{2 * time.Second: 0, 4 * time.Second: 1}[firstTakes], value)
		})
	}
}

// Three processes share a placeholder. The load that ends first stores its result, in each process. If two of the
// loads fail, the third one stores its result.
func TestEachOfThreeProcessesStores(t *testing.T) {
	for first := range 3 {
		for _, fails := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				shared := newShelf()
				together(3, func(i int) {
					time.Sleep(time.Duration(i) * time.Second)
					takes := 10 * time.Second
					switch {
					case i == first && !fails:
						takes = 5 * time.Second
					case i == first:
						takes = 20 * time.Minute
					}
					_, _, err := adaptor.Of[int](shared.process().store(t)).GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) {
						time.Sleep(takes)
						if fails && i != first {
							return adaptor.Loaded[int]{}, io.EOF
						}
						return adaptor.Loaded[int]{Value: i}, nil
					})
					if !fails || i == first {
						assert.NoError(t, err)
					}
				})
				value, found, err := adaptor.Of[int](shared.process().store(t)).Get(ctx, "k")
				require.NoError(t, err)
				assert.True(t, found, "the result of process %d is stored, fails %v", first, fails)
				assert.Equal(t, first, value)
			})
		}
	}
}

// Two processes share a placeholder. However the load of the first process ends, the other process runs
// one load and stores its result.
func TestLoadSurvivesTheEndOfALoadElsewhere(t *testing.T) {
	for name, first := range map[string]func(context.Context) (adaptor.Loaded[int], error){
		"fails": func(context.Context) (adaptor.Loaded[int], error) {
			time.Sleep(2 * time.Second)
			return adaptor.Loaded[int]{}, io.EOF
		},
		"none": func(context.Context) (adaptor.Loaded[int], error) {
			time.Sleep(2 * time.Second)
			return adaptor.Loaded[int]{None: true}, nil
		},
		"panics": func(context.Context) (adaptor.Loaded[int], error) { time.Sleep(2 * time.Second); panic("boom") },
		"left":   slowly(time.Hour, 5), // its caller leaves after two seconds
		"left, and started again": func(ctx context.Context) (adaptor.Loaded[int], error) {
			time.Sleep(4 * time.Second) // it ignores its context
			return adaptor.Loaded[int]{}, io.EOF
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := newShelf()
				one, other := adaptor.Of[int](shared.process().store(t)), adaptor.Of[int](shared.process().store(t))
				var loads atomic.Int64
				load := counted(&loads, slowly(10*time.Second, 7))
				together(4, func(i int) {
					time.Sleep(time.Duration(i) * time.Second)
					switch {
					case i == 0:
						c, cancel := context.WithTimeout(ctx, 2*time.Second)
						defer cancel()
						defer func() { _ = recover() }()
						_, _, _ = one.GetOrLoad(c, "k", first)
					case i == 3 && name == "left, and started again":
						c, cancel := context.WithTimeout(ctx, time.Second)
						defer cancel()
						_, _, _ = one.GetOrLoad(c, "k", slowly(time.Hour, 6))
					default:
						value, _, err := other.GetOrLoad(ctx, "k", load)
						assert.NoError(t, err)
						assert.Equal(t, 7, value)
					}
				})
				assert.EqualValues(t, 1, loads.Load())
				value, found, err := other.Get(ctx, "k")
				require.NoError(t, err)
				assert.True(t, found, "stored")
				assert.Equal(t, 7, value)
			})
		})
	}
}

// A load takes over the placeholder of a process that died during its load.
func TestLoadTakesOverThePlaceholderOfADeadProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newShelf()
		dead := shared.process()
		dead.fail = func(op string) error {
			if op == "CompareAndDelete" {
				return io.EOF
			}
			return nil
		}
		_, _, err := adaptor.Of[int](dead.store(t)).GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) {
			return adaptor.Loaded[int]{}, io.EOF
		})
		require.ErrorIs(t, err, io.EOF)
		require.Len(t, shared.entries, 1)
		time.Sleep(5*time.Minute - time.Second)

		living, refusals := shared.process(), 1
		living.fail = func(op string) error {
			if op == "CompareAndSwap" && refusals > 0 {
				refusals--
				return io.EOF
			}
			return nil
		}
		told := 0
		h := adaptor.Of[int](living.store(t), adaptor.OnUnstored(func(context.Context, error) { told++ }))
		_, _, err = h.GetOrLoad(ctx, "k", slowly(0, 6))
		require.NoError(t, err)
		assert.Equal(t, 1, told, "the store refused the takeover of the placeholder")

		value, _, err := h.GetOrLoad(ctx, "k", slowly(time.Minute, 7))
		require.NoError(t, err)
		assert.Equal(t, 7, value)
		value, found, err := h.Get(ctx, "k")
		require.NoError(t, err)
		assert.True(t, found, "stored, because the takeover renewed the placeholder")
		assert.Equal(t, 7, value)
		assert.Equal(t, 1, told)
	})
}
