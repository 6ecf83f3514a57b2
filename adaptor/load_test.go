package adaptor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/memory"
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

func TestOneLoadForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newKV()
		var loads atomic.Int64
		together(1000, func(i int) {
			s, err := kv.Namespace("ns") // a handle per call is as good as one for all
			assert.NoError(t, err)
			value, found, err := adaptor.Of[map[string]int](s).GetOrLoad(ctx, "k", func(ctx context.Context) (adaptor.Loaded[map[string]int], error) {
				loads.Add(1)
				return slowly(time.Second, map[string]int{"a": 1})(ctx)
			})
			assert.NoError(t, err)
			assert.True(t, found)
			assert.Equal(t, map[string]int{"a": 1}, value)
			value["a"] = i // each has a value of its own: the race detector would see
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

// Without a bubble: the goroutines meet as the scheduler likes.
func TestOneLoadForAllAtOnce(t *testing.T) {
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

func TestKeysAndAppsDoNotWaitForEachOther(t *testing.T) {
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

type contextKey struct{}

// The first caller leaves: the others get the value, and the loader notices nothing.
func TestTheFirstCallerCancels(t *testing.T) {
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

// Each caller leaves when its own time is over; the load ends with the last of them.
func TestOwnDeadlines(t *testing.T) {
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

// A key may be the text of a buffer, which its caller uses again when it has left.
func TestALoadKeepsItsKey(t *testing.T) {
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

// Who comes when all have left gets a load of its own, even if the old one goes on.
func TestANewCallerAfterAllHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[int](s)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, _, err := h.GetOrLoad(short, "k", func(context.Context) (adaptor.Loaded[int], error) {
			time.Sleep(2 * time.Second) // deaf
			return adaptor.Loaded[int]{}, io.EOF
		})
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		var loads atomic.Int64
		together(3, func(i int) {
			time.Sleep(time.Duration(i) * time.Second) // before, with and after the end of the deaf one
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
		assert.True(t, found, "the deaf one must not have taken the note away")
		assert.Equal(t, 7, value)
	})
}

func TestAPanicReachesAllCallers(t *testing.T) {
	for name, planted := range map[string]any{"error": io.ErrUnexpectedEOF, "text": "boom", "nil": nil} {
		synctest.Test(t, func(t *testing.T) {
			s := openMemory(t, "ns")
			h := adaptor.Of[int](s)
			together(10, func(int) {
				defer func() {
					p, ok := recover().(*adaptor.LoadPanic)
					if !assert.True(t, ok, name) {
						return
					}
					if planted != nil {
						assert.Equal(t, planted, p.Value)
						assert.ErrorContains(t, p, fmt.Sprint(planted))
					}
					if err, ok := planted.(error); ok {
						assert.ErrorIs(t, p, err)
					}
					assert.Contains(t, string(p.Stack), "explode", "the stack of the loader")
				}()
				_, _, _ = h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) { return explode(planted) })
				t.Error("no panic")
			})
			synctest.Wait()
			requireNothing(t, s, "k")
			value, _, err := h.GetOrLoad(ctx, "k", slowly(time.Second, 7))
			assert.NoError(t, err)
			assert.Equal(t, 7, value)
		})
	}
}

func explode(value any) (adaptor.Loaded[int], error) {
	time.Sleep(time.Second)
	panic(value)
}

func TestGoexitReachesAllCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[int](s)
		var ended atomic.Int64
		together(10, func(int) {
			defer ended.Add(1)
			_, _, _ = h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) {
				time.Sleep(time.Second)
				runtime.Goexit()
				return adaptor.Loaded[int]{}, nil
			})
			t.Error("no Goexit")
		})
		assert.EqualValues(t, 10, ended.Load())
		requireNothing(t, s, "k")
	})
}

type loaderError struct{ error }

func TestTheErrorOfALoadReachesAllCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[int](s)
		planted := &loaderError{io.EOF}
		together(10, func(int) {
			_, found, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) {
				time.Sleep(time.Second)
				return adaptor.Loaded[int]{Value: 7}, planted
			})
			assert.Same(t, planted, err)
			assert.False(t, found)
		})
		requireNothing(t, s, "k")
	})
}

func TestALoadMustNotAskForItsOwnKey(t *testing.T) {
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
			assert.NoError(t, h.Del(ctx, "secret-key")) // a new load may begin now, but not from here
			value, _, err := h.GetOrLoad(ctx, "secret-key", refuse[int](t))
			return adaptor.Loaded[int]{Value: value}, err
		})
		assert.EqualError(t, err, ownKey)
	})
}

const ownKey = `kv: GetOrLoad in namespace "ns": STORE_OPERATION_FAILED: a load asks for its own key, or for one whose load waits for it: that would never end`

// Of loads that ask for each other's keys, the one that closes the circle gets an error; nobody hangs.
func TestLoadsMustNotWaitForEachOther(t *testing.T) {
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
		assert.EqualValues(t, 3, refused.Load(), "the error of a load is that of those who wait for it")
		value, _, err := h.GetOrLoad(ctx, "0", slowly(0, 7))
		require.NoError(t, err)
		assert.Equal(t, 7, value)
	})
}

// Loads may ask for other keys, several at once, which others load or ask for too.
func TestLoadsWithinLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := adaptor.Of[int](openMemory(t, "ns"))
		var loads atomic.Int64
		var load func(key int) func(context.Context) (adaptor.Loaded[int], error)
		ask := func(ctx context.Context, key int) int {
			value, _, err := h.GetOrLoad(ctx, fmt.Sprint(key), load(key))
			assert.NoError(t, err)
			return value
		}
		load = func(key int) func(context.Context) (adaptor.Loaded[int], error) { // Fibonacci's
			return func(ctx context.Context) (adaptor.Loaded[int], error) {
				loads.Add(1)
				time.Sleep(time.Second)
				if key < 2 {
					return adaptor.Loaded[int]{Value: key}, nil
				}
				var parts [3]int
				together(3, func(i int) { parts[i] = ask(ctx, key-1-i/2) }) // one of them twice
				return adaptor.Loaded[int]{Value: parts[0] + parts[2]}, nil
			}
		}
		together(10, func(i int) { assert.Equal(t, 6765, ask(ctx, 20)) })
		assert.EqualValues(t, 21, loads.Load())
	})
}

func TestTTLOfALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		handle := []adaptor.TypedOption{adaptor.DefaultTTL(time.Hour), adaptor.NoneTTL(time.Minute)}
		for _, tt := range []struct {
			name   string
			opts   []adaptor.TypedOption
			loaded adaptor.Loaded[int]
			want   time.Duration // 0: for ever; -1: not stored
		}{
			{"value", nil, adaptor.Loaded[int]{Value: 7}, 0},
			{"value, default", handle, adaptor.Loaded[int]{Value: 7}, time.Hour},
			{"value, the loader's", handle, adaptor.Loaded[int]{Value: 7, TTL: time.Second}, time.Second},
			{"none", nil, adaptor.Loaded[int]{None: true}, -1},
			{"none, default", handle, adaptor.Loaded[int]{None: true}, time.Minute},
			{"none, the value's default is not meant", handle[:1], adaptor.Loaded[int]{None: true}, -1},
			{"none, the loader's", nil, adaptor.Loaded[int]{None: true, TTL: time.Second}, time.Second},
		} {
			require.NoError(t, s.Del(ctx, "k"))
			h := adaptor.Of[int](s, tt.opts...)
			loads := 0
			get := func() {
				t.Helper()
				value, found, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) {
					loads++
					return tt.loaded, nil
				})
				require.NoError(t, err, tt.name)
				require.Equal(t, !tt.loaded.None, found, tt.name)
				require.Equal(t, tt.loaded.Value, value, tt.name)
			}
			get()
			if tt.want < 0 {
				requireNothing(t, s, "k")
				continue
			}
			requireTTL(t, s, "k", tt.want)
			if tt.want == 0 {
				continue
			}
			time.Sleep(tt.want - time.Nanosecond)
			get()
			require.Equal(t, 1, loads, tt.name)
			time.Sleep(time.Nanosecond)
			get()
			require.Equal(t, 2, loads, tt.name)
		}
	})
}

// That there is none is forgotten when something is written, or deleted.
func TestNoneIsForgotten(t *testing.T) {
	s := openMemory(t, "ns")
	h := adaptor.Of[int](s, adaptor.NoneTTL(time.Hour))
	for name, write := range map[string]func() error{
		"Del":           func() error { return h.Del(ctx, "k") },
		"a plain Del":   func() error { return s.Del(ctx, "k") },
		"Set":           func() error { return h.Set(ctx, "k", 7) },
		"another's Set": func() error { return adaptor.Of[int](s).Set(ctx, "k", 7) },
	} {
		require.NoError(t, s.Del(ctx, "k"))
		_, found, err := h.GetOrLoad(ctx, "k", none[int])
		require.NoError(t, err)
		require.False(t, found)
		_, found, err = h.GetOrLoad(ctx, "k", refuse[int](t))
		require.NoError(t, err)
		require.False(t, found)
		require.NoError(t, write(), name)
		value, found, err := h.GetOrLoad(ctx, "k", slowly(0, 7))
		require.NoError(t, err)
		assert.True(t, found, name)
		assert.Equal(t, 7, value, name)
	}
}

func TestJitterStaysInItsBounds(t *testing.T) {
	s := openMemory(t, "ns")
	for _, tt := range []struct {
		ttl         time.Duration
		fraction    float64
		least, most time.Duration
	}{
		{time.Hour, 0.1, 54 * time.Minute, time.Hour},
		{time.Hour, 0, time.Hour, time.Hour},
		{1, 0.999, time.Millisecond, time.Millisecond},
		{math.MaxInt64, 0.5, math.MaxInt64 / 2, math.MaxInt64},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := openMemory(t, "ns")
			h := adaptor.Of[int](s, adaptor.DefaultTTL(tt.ttl), adaptor.NoneTTL(tt.ttl), adaptor.Jitter(tt.fraction))
			low, high := time.Duration(math.MaxInt64), time.Duration(0)
			for i := range 1000 {
				require.NoError(t, s.Del(ctx, "k"))
				_, _, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) {
					return adaptor.Loaded[int]{None: i%2 == 0}, nil
				})
				require.NoError(t, err)
				ttl, _, err := s.TTL(ctx, "k")
				require.NoError(t, err)
				low, high = min(low, ttl), max(high, ttl)
			}
			assert.GreaterOrEqual(t, low, tt.least-time.Millisecond)
			assert.LessOrEqual(t, high, tt.most)
			if wide := tt.most - tt.least; wide > time.Second {
				assert.Greater(t, high-low, wide*9/10, "both ends are reached, nearly")
			}
		})
	}
	h := adaptor.Of[int](s, adaptor.DefaultTTL(time.Hour), adaptor.Jitter(0.9))
	require.NoError(t, h.Set(ctx, "k", 1))
	ttl, _, err := s.TTL(ctx, "k")
	require.NoError(t, err)
	assert.Greater(t, ttl, 59*time.Minute, "not on Set")
}

func TestBadOptionsAndResultsOfALoad(t *testing.T) {
	s := openMemory(t, "ns")
	for name, opt := range map[string]adaptor.TypedOption{
		"ttl": adaptor.DefaultTTL(0), "none ttl": adaptor.NoneTTL(-1), "jitter": adaptor.Jitter(-0.1),
	} {
		_, _, err := adaptor.Of[int](s, opt).GetOrLoad(ctx, "k", refuse[int](t))
		assert.ErrorIs(t, err, adaptor.ErrInvalidTTL, name)
	}
	h := adaptor.Of[float64](s)
	for code, loaded := range map[adaptor.Code]adaptor.Loaded[float64]{
		adaptor.CodeInvalidTTL:   {TTL: -1},
		adaptor.CodeInvalidValue: {Value: math.NaN()},
	} {
		_, found, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[float64], error) { return loaded, nil })
		assert.Equal(t, code, adaptor.CodeOf(err))
		assert.False(t, found)
		requireNothing(t, s, "k")
	}
	require.NoError(t, s.Set(ctx, "k", "no number"))
	_, found, err := h.GetOrLoad(ctx, "k", refuse[float64](t))
	assert.ErrorIs(t, err, adaptor.ErrInvalidValue)
	assert.False(t, found)
}

// shelf is a backend that can be slow and can fail; its handles are processes that share it.
type shelf struct {
	mu      sync.Mutex
	entries map[string]shelved
}

type shelved struct {
	text     string
	deadline time.Time // zero: none
}

// process is one process on a shelf: it shares no load with another one.
type process struct {
	*shelf
	fail  func(op string) error // instead of a step
	pause func(op string)       // before and after it
}

func (p *process) OpenAtomic(path []string) (driver.AtomicStore, error) { return p, nil }

func (s *shelf) process() *process {
	return &process{shelf: s, fail: func(string) error { return nil }, pause: func(string) {}}
}

// step does one atomic step: f is told what lies at key, and returns what shall.
func (p *process) step(op, key string, f func(e shelved, found bool) (shelved, bool)) error {
	p.pause(op)
	defer p.pause(op)
	if err := p.fail(op); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e, found := p.entries[key]
	if found && !e.deadline.IsZero() && !time.Now().Before(e.deadline) {
		e, found = shelved{}, false
	}
	if e, found = f(e, found); found {
		p.entries[key] = e
	} else {
		delete(p.entries, key)
	}
	return nil
}

func shelve(text []byte, ttl time.Duration) shelved {
	if ttl == driver.NoTTL {
		return shelved{text: string(text)}
	}
	return shelved{string(text), time.Now().Add(ttl)}
}

func (p *process) Get(_ context.Context, key string) (text []byte, had bool, err error) {
	err = p.step("Get", key, func(e shelved, found bool) (shelved, bool) {
		text, had = []byte(e.text), found
		return e, found
	})
	return text, had, err
}

func (p *process) Set(_ context.Context, key string, text []byte, ttl time.Duration) error {
	return p.step("Set", key, func(shelved, bool) (shelved, bool) { return shelve(text, ttl), true })
}

func (p *process) Del(_ context.Context, key string) error {
	return p.step("Del", key, func(shelved, bool) (shelved, bool) { return shelved{}, false })
}

func (p *process) Has(ctx context.Context, key string) (bool, error) {
	_, found, err := p.Get(ctx, key)
	return found, err
}

func (p *process) Expire(_ context.Context, key string, ttl time.Duration) (had bool, err error) {
	err = p.step("Expire", key, func(e shelved, found bool) (shelved, bool) {
		had = found
		return shelve([]byte(e.text), ttl), found
	})
	return had, err
}

func (p *process) SetNX(_ context.Context, key string, text []byte, ttl time.Duration) (done bool, err error) {
	err = p.step("SetNX", key, func(e shelved, found bool) (shelved, bool) {
		if done = !found; done {
			e = shelve(text, ttl)
		}
		return e, true
	})
	return done, err
}

func (p *process) CompareAndSwap(_ context.Context, key string, old, new []byte, ttl time.Duration) (done bool, err error) {
	err = p.step("CompareAndSwap", key, func(e shelved, found bool) (shelved, bool) {
		if done = found && e.text == string(old); done {
			e = shelve(new, ttl)
		}
		return e, found
	})
	return done, err
}

func (p *process) CompareAndDelete(_ context.Context, key string, old []byte) (done bool, err error) {
	err = p.step("CompareAndDelete", key, func(e shelved, found bool) (shelved, bool) {
		done = found && e.text == string(old)
		return e, found && !done
	})
	return done, err
}

func (p *process) TTL(context.Context, string) (time.Duration, bool, error) { panic("not used") }

func (p *process) Incr(context.Context, string, int64, time.Duration) (int64, time.Duration, error) {
	panic("not used")
}

func newShelf() *shelf { return &shelf{entries: map[string]shelved{}} }

func (p *process) store(t testing.TB) *adaptor.AtomicKVStore {
	s, err := adaptor.NewAtomic(p).Namespace("ns")
	require.NoError(t, err)
	return s
}

// The source is changed, then the key is deleted or set, while loads run, in two
// processes: whoever asks after that never gets what was before, and it is not stored. All
// steps of all parties happen in an order that the seed says, a thousand times.
func TestAWriteDuringALoadWins(t *testing.T) {
	var values, nones, nothing int // what lies there in the end
	for seed := range uint64(1000) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 8))
			var mu sync.Mutex
			doze := func(most int) {
				mu.Lock()
				d := time.Duration(random.IntN(most)) * time.Microsecond
				mu.Unlock()
				time.Sleep(d)
			}
			shared := newShelf()
			var source atomic.Int64 // the version that a load finds
			var written atomic.Int64
			var typed []adaptor.Typed[int64]
			var plain []*adaptor.AtomicKVStore
			for range 2 {
				p := shared.process()
				p.pause = func(string) { doze(20) }
				plain = append(plain, p.store(t))
				typed = append(typed, adaptor.Of[int64](plain[len(plain)-1], adaptor.DefaultTTL(time.Hour), adaptor.NoneTTL(time.Hour)))
			}
			ask := func(h adaptor.Typed[int64]) {
				least := written.Load() // what was deleted or set before this call began
				var mine int64
				value, found, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int64], error) {
					mine = source.Load()
					doze(100)
					return adaptor.Loaded[int64]{Value: mine, None: mine%2 == 1}, nil
				})
				assert.NoError(t, err)
				if found {
					assert.GreaterOrEqual(t, value, least, "seed %d: a value that was deleted came back", seed)
				} else {
					assert.False(t, least%2 == 0 && least == source.Load(), "seed %d: there is one by now", seed)
				}
			}
			rest := 50 + int(seed%8)*60 // some seeds write later than all ask
			write := func(i int) {
				doze(rest)
				version := source.Add(1)
				var err error
				switch h := typed[i%2]; {
				case i < 2:
					err = h.Del(ctx, "k")
				case i < 4:
					err = plain[i%2].Del(ctx, "k")
				case version%2 == 0:
					err = h.Set(ctx, "k", version)
				default:
					err = h.Del(ctx, "k")
				}
				assert.NoError(t, err)
				written.Store(version)
			}
			var group sync.WaitGroup
			for i := range 6 {
				group.Go(func() {
					for range 3 {
						doze(100)
						ask(typed[i%2])
					}
				})
			}
			group.Go(func() {
				for range 2 + seed%2 { // of which 2 is a value, and 3 is none
					mu.Lock()
					how := random.IntN(6)
					mu.Unlock()
					write(how)
				}
			})
			group.Wait()
			last := source.Load()
			value, found, err := typed[0].Get(ctx, "k")
			require.NoError(t, err)
			if found {
				require.Equal(t, last, value, "seed %d: what was deleted is stored", seed)
			}
			e, there := shared.entries["k"]
			switch {
			case !there:
				nothing++
			case e.text == placeholderText:
				nones++
				require.EqualValues(t, 1, last%2, "seed %d: that there was none is stored", seed)
			default:
				values++
				require.True(t, found, "seed %d: the note of a load is left", seed)
			}
		})
	}
	t.Log(values, nones, nothing)
	for kind, n := range map[string]int{"value": values, "none": nones, "nothing": nothing} {
		assert.Greater(t, n, 20, "the test must see each end: %s", kind)
	}
}

// A caller that comes after a Del does not share a load that began before it.
func TestACallerAfterADelGetsTheNewValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newShelf()
		h, other := adaptor.Of[string](shared.process().store(t)), shared.process().store(t)
		together(2, func(i int) {
			if i == 0 {
				value, _, err := h.GetOrLoad(ctx, "k", slowly(time.Minute, "old"))
				assert.NoError(t, err)
				assert.Equal(t, "new", value, "what was written meanwhile wins for the caller too")
				return
			}
			time.Sleep(time.Second)
			assert.NoError(t, other.Del(ctx, "k")) // another process
			together(10, func(int) {
				value, _, err := h.GetOrLoad(ctx, "k", slowly(time.Second, "new"))
				assert.NoError(t, err)
				assert.Equal(t, "new", value)
			})
			assert.Less(t, time.Now().Second(), 30, "nobody waited for the first load")
		})
		value, _, err := h.Get(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, "new", value)
	})
}

// A load that finds that it is not needed has seen a value which a later caller must not get:
// that one comes after a Del, and joins before the load's end.
func TestWhatALoadHasSeenMayBeGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newShelf()
		p, other := shared.process(), shared.process().store(t)
		h := adaptor.Of[string](p.store(t))
		var notes, reads atomic.Int64
		p.pause = func(op string) {
			switch {
			case op == "SetNX" && notes.Add(1) == 1: // the caller has seen nothing
				assert.NoError(t, other.Set(ctx, "k", "old"))
			case op == "Get" && reads.Add(1) == 4: // the load has seen "old"
				time.Sleep(time.Minute)
			}
		}
		together(2, func(i int) {
			time.Sleep(time.Duration(i) * time.Second)
			if i == 1 {
				assert.NoError(t, other.Del(ctx, "k"))
			}
			value, _, err := h.GetOrLoad(ctx, "k", slowly(time.Second, "new"))
			assert.NoError(t, err)
			assert.Equal(t, "new", value)
		})
	})
}

// Two processes load one key: both loads count, the first result is stored, for both.
func TestTwoProcessesLoad(t *testing.T) {
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

// A process died during a load: its note stops nobody.
func TestTheNoteOfADeadProcess(t *testing.T) {
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
		assert.Equal(t, 1, told, "the store did not let the note be taken over")

		value, _, err := h.GetOrLoad(ctx, "k", slowly(time.Minute, 7))
		require.NoError(t, err)
		assert.Equal(t, 7, value)
		value, found, err := h.Get(ctx, "k")
		require.NoError(t, err)
		assert.True(t, found, "stored: the note has got all its time again")
		assert.Equal(t, 7, value)
		assert.Equal(t, 1, told)
	})
}

// A store that does not take what was loaded costs the next caller a load, and no more. One
// that can't be read is an error, without a load.
func TestAStoreThatFailsDuringALoad(t *testing.T) {
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
			if wantLoads < 2 { // the store took it, or it could not be read
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

// What is too long for the store is told each time that it was loaded.
func TestAValueThatTheStoreDoesNotTake(t *testing.T) {
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

// Nobody is told of what is not to be stored, or lost to a write.
func TestWhatIsNotToBeStoredIsNotReported(t *testing.T) {
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

// What returns a value returns no note.
func TestNotesAreNoValues(t *testing.T) {
	store := openMemory(t, "ns")
	users := adaptor.Of[string](store, adaptor.NoneTTL(time.Hour))
	remember := func(key string) {
		_, found, err := users.GetOrLoad(ctx, key, func(context.Context) (adaptor.Loaded[string], error) {
			return adaptor.Loaded[string]{None: true}, nil
		})
		require.NoError(t, err)
		require.False(t, found)
		has, err := store.Has(ctx, key)
		require.NoError(t, err)
		require.True(t, has, "there is a note")
	}
	for name, read := range map[string]func() (any, bool, error){
		"GetRaw": func() (any, bool, error) { return store.GetRaw(ctx, "k") },
		"GetDel": func() (any, bool, error) { return store.GetDel(ctx, "k") },
		"Swap":   func() (any, bool, error) { return store.Swap(ctx, "k", "v") },
		"GetMany": func() (any, bool, error) {
			results, err := store.GetMany(ctx, []string{"k"})
			return results[0].Value, results[0].Found, err
		},
	} {
		require.NoError(t, store.Del(ctx, "k"))
		remember("k")
		value, found, err := read()
		require.NoError(t, err, name)
		assert.False(t, found, name)
		assert.Empty(t, value, name)
	}
}
