package adaptor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/memory"
)

// If the store refuses the result, the next caller loads again. If the store cannot be read, the caller
// gets an error, and no load starts.
func TestFailingStoreCostsALoad(t *testing.T) {
	planted := errors.New("secret-key")
	for op, wantLoads := range map[string]int{"SetNX": 2, "CompareAndSwap": 2, "CompareAndDelete": 1, "Get": 0} {
		synctest.Test(t, func(t *testing.T) {
			p := newShelf().process()
			p.fail = func(o string) error {
				if o == op {
					return planted
				}
				return nil
			}
			var unstored []error
			h := adaptor.Of[int](p.store(t), adaptor.OnUnstored(func(ctx context.Context, err error) {
				assert.Equal(t, "of the caller", ctx.Value(contextKey{}))
				unstored = append(unstored, err)
			}))
			ctx := context.WithValue(ctx, contextKey{}, "of the caller")
			loads := 0
			for range 2 {
				value, found, err := h.GetOrLoad(ctx, "secret-key", func(context.Context) (adaptor.Loaded[int], error) {
					loads++
					return adaptor.Loaded[int]{Value: 7}, nil
				})
				if op == "Get" {
					assert.EqualError(t, err, `kv: GetOrLoad in namespace "ns": STORE_OPERATION_FAILED: an error of type *errors.errorString`)
					assert.ErrorIs(t, err, planted)
					continue
				}
				require.NoError(t, err, op)
				assert.True(t, found)
				assert.Equal(t, 7, value)
			}
			assert.Equal(t, wantLoads, loads, op)
			if wantLoads < 2 { // the store accepted the result, or could not be read
				assert.Empty(t, unstored, op)
				return
			}
			require.Len(t, unstored, 2, op)
			for _, err := range unstored {
				assert.EqualError(t, err, `kv: Set of GetOrLoad in namespace "ns": STORE_OPERATION_FAILED: an error of type *errors.errorString`)
				assert.ErrorIs(t, err, planted)
				assert.False(t, adaptor.OutcomeUnknown(err))
			}
		})
	}
}

// OnUnstored hears of each load of a value that is too long for the store.
func TestOnUnstoredHearsOfATooLongValue(t *testing.T) {
	kv, err := memory.New(memory.Config{MaxValueBytes: 100})
	require.NoError(t, err)
	s, err := kv.Namespace("ns")
	require.NoError(t, err)
	var unstored []error
	h := adaptor.Of[string](s, adaptor.OnUnstored(func(_ context.Context, err error) { unstored = append(unstored, err) }))
	for range 2 {
		value, found, err := h.GetOrLoad(ctx, "k", slowly(0, strings.Repeat("x", 200)))
		require.NoError(t, err)
		assert.True(t, found)
		assert.Len(t, value, 200)
		requireNothing(t, s, "k")
	}
	require.Len(t, unstored, 2)
	assert.ErrorIs(t, unstored[0], adaptor.ErrInvalidValue)
	assert.ErrorContains(t, unstored[0], `kv: Set of GetOrLoad in namespace "ns": INVALID_VALUE: the value has 202 bytes`)
}

// OnUnstored does not hear of a result that is not to be stored, or that a write has replaced.
func TestOnUnstoredHearsOfRefusalsOnly(t *testing.T) {
	p := newShelf().process()
	p.fail = func(op string) error {
		if op == "SetNX" {
			return io.EOF
		}
		return nil
	}
	tell := adaptor.OnUnstored(func(_ context.Context, err error) { t.Error(err) })
	_, found, err := adaptor.Of[int](p.store(t), tell).GetOrLoad(ctx, "k", none[int])
	require.NoError(t, err)
	assert.False(t, found)

	s := openMemory(t, "ns")
	h := adaptor.Of[int](s, tell)
	value, _, err := h.GetOrLoad(ctx, "k", func(ctx context.Context) (adaptor.Loaded[int], error) {
		return adaptor.Loaded[int]{Value: 7}, s.Del(ctx, "k")
	})
	require.NoError(t, err)
	assert.Equal(t, 7, value)
}

// If the store's answer was lost, GetOrLoad reads the key, and OnUnstored hears of a missing value only.
func TestOnUnstoredAfterALostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newShelf().process()
		lose := true
		p.fail = func(op string) error {
			if op == "CompareAndSwap" && lose {
				return driver.Unknown(io.EOF)
			}
			return nil
		}
		told := 0
		h := adaptor.Of[int](p.store(t), adaptor.OnUnstored(func(_ context.Context, err error) {
			told++
			assert.True(t, adaptor.OutcomeUnknown(err))
		}))
		_, _, err := h.GetOrLoad(ctx, "k", slowly(0, 7))
		require.NoError(t, err)
		assert.Equal(t, 1, told, "the result is not stored")

		_, _, err = h.GetOrLoad(ctx, "k", func(ctx context.Context) (adaptor.Loaded[int], error) {
			return adaptor.Loaded[int]{Value: 7}, h.Set(ctx, "k", 8)
		})
		require.NoError(t, err)
		assert.Equal(t, 1, told, "another caller stored a value")
	})
}

// A backend that hangs after a load until the context of each step ends delays the callers for a limited time.
// No step outlives the load by more than that.
func TestHangingBackendDelaysCallersForALimitedTime(t *testing.T) {
	for name, load := range map[string]func(s *adaptor.AtomicKVStore) (adaptor.Loaded[int], error){
		"value": func(*adaptor.AtomicKVStore) (adaptor.Loaded[int], error) { return adaptor.Loaded[int]{Value: 7}, nil },
		"value after a Del": func(s *adaptor.AtomicKVStore) (adaptor.Loaded[int], error) {
			return adaptor.Loaded[int]{Value: 7}, s.Del(ctx, "k")
		},
		"error":                 func(*adaptor.AtomicKVStore) (adaptor.Loaded[int], error) { return adaptor.Loaded[int]{}, io.EOF },
		"none, not to remember": func(*adaptor.AtomicKVStore) (adaptor.Loaded[int], error) { return adaptor.Loaded[int]{None: true}, nil },
	} {
		for _, hanging := range []string{"Get", "CompareAndSwap", "CompareAndDelete", "every step"} {
			synctest.Test(t, func(t *testing.T) {
				p := newShelf().process()
				var hangs atomic.Bool
				var waiting atomic.Int64
				p.trouble = func(_ context.Context, op string) *fault {
					if !hangs.Load() || op != hanging && hanging != "every step" {
						return nil
					}
					return &fault{"hangs", func(ctx context.Context, _ func()) error {
						waiting.Add(1)
						defer waiting.Add(-1)
						select {
						case <-ctx.Done():
							return driver.Unknown(ctx.Err())
						case <-time.After(time.Hour): // no test hangs for ever
							return driver.Unknown(io.EOF)
						}
					}}
				}
				s := p.store(t)
				var begin time.Time
				value, found, err := adaptor.Of[int](s).GetOrLoad(ctx, "k", func(ctx context.Context) (adaptor.Loaded[int], error) {
					time.Sleep(99 * time.Second)
					loaded, err := load(s)
					hangs.Store(true)
					time.Sleep(3 * time.Second) // a renewal begins
					begin = time.Now()
					return loaded, err
				})
				assert.LessOrEqual(t, time.Since(begin), 15*time.Second, "%s, %s", name, hanging)
				switch name {
				case "error":
					assert.ErrorIs(t, err, io.EOF)
				case "none, not to remember":
					assert.NoError(t, err)
					assert.False(t, found)
				default:
					assert.NoError(t, err)
					assert.Equal(t, 7, value)
				}
				time.Sleep(5 * time.Second)
				assert.Zero(t, waiting.Load(), "%s, %s: a step still waits", name, hanging)
				time.Sleep(time.Hour)
			})
		}
	}
}

// Each step of a load at the store has the values of the first caller's context, also after all callers have
// left. An interceptor that traces operations needs them.
func TestStepsOfALoadHaveTheValuesOfTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var seen []string
		methods := func() []string {
			mu.Lock()
			defer mu.Unlock()
			defer func() { seen = nil }()
			return seen
		}
		o := driver.Intercept(newShelf().process(), func(ctx context.Context, c *driver.Call) error {
			assert.Equal(t, "trace", ctx.Value(contextKey{}), c.Method)
			mu.Lock()
			seen = append(seen, c.Method)
			mu.Unlock()
			return c.Next(ctx)
		})
		s, err := adaptor.NewAtomic(o).Namespace("ns")
		require.NoError(t, err)
		h := adaptor.Of[int](s)
		traced := context.WithValue(ctx, contextKey{}, "trace")
		leaves, cancel := context.WithTimeout(traced, time.Minute)
		defer cancel()
		_, _, err = h.GetOrLoad(leaves, "k", slowly(time.Hour, 7))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		assert.Equal(t, []string{"Get", "SetNX", "CompareAndDelete"}, methods())

		_, _, err = h.GetOrLoad(traced, "k", func(ctx context.Context) (adaptor.Loaded[int], error) {
			time.Sleep(2 * time.Minute)
			return adaptor.Loaded[int]{Value: 7}, s.Del(ctx, "k")
		})
		assert.NoError(t, err)
		assert.Equal(t, []string{"Get", "SetNX", "CompareAndSwap", "Del", "CompareAndSwap", "CompareAndSwap", "Get", "CompareAndDelete"}, methods(),
			"a renewal, a Del, two tries to store the result, a look for another value, and the removal of the placeholder")
	})
}

// A bounded memory store evicts nothing: a cache in a full store stops caching, and OnUnstored hears
// of each load. The three remedies in the documentation of GetOrLoad help.
func TestCacheInAFullStoreStopsCaching(t *testing.T) { synctest.Test(t, cacheInAFullStore) }

func cacheInAFullStore(t *testing.T) {
	open := func(config memory.Config) *memory.MemoryKV {
		kv, err := memory.New(config)
		require.NoError(t, err)
		return kv
	}
	const bound = 64 << 10
	// fill stores 10,000 entries, or fewer if the store is full before.
	fill := func(kv *memory.MemoryKV, opts ...adaptor.Option) (isFull bool) {
		s, err := kv.Namespace("other")
		require.NoError(t, err)
		for i := range 10_000 {
			if err = s.Set(ctx, fmt.Sprint(i), "entry", opts...); err != nil {
				require.ErrorIs(t, err, memory.ErrFull)
				return true
			}
		}
		return false
	}
	// read reads the same key a hundred times, and returns the numbers of loads and of reports.
	read := func(kv *memory.MemoryKV) (loads, unstored int) {
		s, err := kv.Namespace("cache")
		require.NoError(t, err)
		h := adaptor.Of[string](s, adaptor.DefaultTTL(time.Hour), adaptor.OnUnstored(func(_ context.Context, err error) {
			assert.ErrorIs(t, err, memory.ErrFull)
			unstored++
		}))
		for range 100 {
			value, found, err := h.GetOrLoad(ctx, "hot", func(context.Context) (adaptor.Loaded[string], error) {
				loads++
				return adaptor.Loaded[string]{Value: "value"}, nil
			})
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, "value", value)
		}
		return loads, unstored
	}

	full := open(memory.Config{MaxBytes: bound})
	require.True(t, fill(full))
	loads, unstored := read(full)
	assert.Equal(t, 100, loads)
	assert.Equal(t, 100, unstored)

	for name, kv := range map[string]*memory.MemoryKV{
		"a TTL":            open(memory.Config{MaxBytes: bound}),
		"a bigger bound":   open(memory.Config{MaxBytes: 100 * bound}),
		"its own MemoryKV": open(memory.Config{MaxBytes: bound}),
	} {
		switch name {
		case "a TTL":
			require.True(t, fill(kv, adaptor.WithTTL(time.Hour)))
			time.Sleep(time.Hour)
		case "a bigger bound":
			require.False(t, fill(kv))
		}
		loads, unstored = read(kv)
		assert.Equal(t, 1, loads, name)
		assert.Zero(t, unstored, name)
	}
}
