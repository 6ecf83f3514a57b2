package adaptor_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/zelt-go/kv/adaptor"
)

// A panic of the loader reaches all callers with the loader's stack, and the next call loads again.
func TestPanicOfALoadReachesAllCallers(t *testing.T) {
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

// If the loader calls runtime.Goexit, every caller's goroutine ends too.
func TestGoexitOfALoadReachesAllCallers(t *testing.T) {
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

// The loader's error reaches all callers unchanged, and nothing is stored.
func TestErrorOfALoadReachesAllCallers(t *testing.T) {
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
