package flight

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func enter[K comparable, V any](*Call[K, V], string) Admission { return Enter }

// join joins a call that must be admitted.
func join[K comparable, V any](t *testing.T, g *Group[K, V], ctx context.Context, key K, f func(context.Context, *Call[K, V]) (V, error)) *Call[K, V] {
	t.Helper()
	c, err := g.Join(ctx, key, enter[K, V], f)
	require.NoError(t, err)
	return c
}

// Callers may leave in any order. The call runs on for the others, and is canceled when the last one
// leaves, not earlier.
func TestOnlyTheLastLeavingCallerCancelsTheCall(t *testing.T) {
	for callers := 1; callers <= 4; callers++ {
		for stays := range callers { // the caller that leaves last
			synctest.Test(t, func(t *testing.T) {
				var g Group[string, int]
				var canceled atomic.Bool
				f := func(ctx context.Context, _ *Call[string, int]) (int, error) {
					<-ctx.Done()
					canceled.Store(true)
					return 0, ctx.Err()
				}
				leave := make([]context.CancelFunc, callers)
				for i := range callers {
					ctx, cancel := context.WithCancel(t.Context())
					leave[i] = cancel
					call := join(t, &g, ctx, "k", f)
					go func() { assert.False(t, call.Wait(ctx)) }()
				}
				for i := range callers {
					if i != stays {
						leave[i]()
						synctest.Wait()
						require.False(t, canceled.Load(), "%d of %d callers wait", callers-i-1, callers)
						require.NotNil(t, g.calls["k"])
					}
				}
				leave[stays]()
				synctest.Wait()
				require.True(t, canceled.Load())
				require.Nil(t, g.calls)
			})
		}
	}
}

// A call that is being canceled, or was replaced, may end late. Its end does not remove the next call of the key.
func TestLateEndLeavesTheNextCall(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var g Group[string, int]
			ctx, leave := context.WithCancel(t.Context())
			first := join(t, &g, ctx, "k", func(context.Context, *Call[string, int]) (int, error) {
				time.Sleep(time.Second) // it ignores its context
				return 1, nil
			})
			if !replaced {
				leave()
				require.False(t, first.Wait(ctx))
			}
			slow := func(context.Context, *Call[string, int]) (int, error) {
				time.Sleep(10 * time.Second)
				return 2, nil
			}
			second, err := g.Join(t.Context(), "k", func(c *Call[string, int], _ string) Admission {
				require.True(t, replaced, "a call that is being canceled can be joined")
				require.Same(t, first, c)
				return Replace
			}, slow)
			require.NoError(t, err)
			require.NotSame(t, first, second)
			time.Sleep(2 * time.Second)
			require.Same(t, second, g.calls["k"], "the end of the first call has removed the second")
			third := join(t, &g, t.Context(), "k", slow)
			require.Same(t, second, third)
			require.True(t, second.Wait(t.Context()))
			require.True(t, third.Wait(t.Context()))
			n, crash, err := third.Result()
			require.NoError(t, err)
			require.Nil(t, crash)
			require.Equal(t, 2, n)
			if replaced { // the caller of the old call still gets its result
				require.True(t, first.Wait(ctx))
				n, _, _ = first.Result()
				require.Equal(t, 1, n)
			}
			leave()
			require.Nil(t, g.calls)
		})
	}
}

// When Wait returns, the call has ended for all: a caller that joins then starts another call.
func TestCallerThatWasWokenStartsAnotherCall(t *testing.T) {
	var g Group[string, int64]
	var runs atomic.Int64
	f := func(context.Context, *Call[string, int64]) (int64, error) { return runs.Add(1), nil }
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			last := int64(0)
			for range 2000 {
				call, err := g.Join(t.Context(), "k", enter[string, int64], f)
				if err != nil || !call.Wait(t.Context()) {
					t.Error("not ended", err)
					return
				}
				n, _, _ := call.Result()
				if n <= last {
					t.Errorf("joined run %d after run %d had ended", n, last)
					return
				}
				last = n
			}
		})
	}
	all.Wait()
	assert.Nil(t, g.calls)
}

// All callers of a call wake up, also those that join just before its end, and those of a function that does
// not return.
func TestAllCallersWakeUp(t *testing.T) {
	var g Group[int, int]
	for key := range 300 {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				call, err := g.Join(ctx, key, enter[int, int], func(context.Context, *Call[int, int]) (int, error) {
					if key%3 == 0 {
						panic("boom")
					}
					return key, nil
				})
				if err != nil || !call.Wait(ctx) {
					t.Error("a caller waits for an ended call", err)
					return
				}
				n, crash, _ := call.Result()
				if (crash != nil) != (key%3 == 0) || crash == nil && n != key || crash != nil && (crash.Value != "boom" || len(crash.Stack) == 0) {
					t.Errorf("key %d: %d, %v", key, n, crash)
				}
			})
		}
		all.Wait()
	}
	assert.Nil(t, g.calls)
}

// The context of a call has the values of the first caller, but neither its deadline nor its cancellation. It is
// done when the call has ended.
func TestContextOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type name struct{}
		var g Group[string, int]
		first, cancel := context.WithTimeout(context.WithValue(t.Context(), name{}, "first"), time.Second)
		defer cancel()
		var running context.Context
		f := func(ctx context.Context, _ *Call[string, int]) (int, error) {
			running = ctx
			_, hasDeadline := ctx.Deadline()
			assert.False(t, hasDeadline)
			assert.Equal(t, "first", ctx.Value(name{}))
			time.Sleep(time.Minute)
			assert.NoError(t, ctx.Err(), "the second caller still waits")
			return 1, nil
		}
		a := join(t, &g, first, "k", f)
		b := join(t, &g, t.Context(), "k", f)
		require.False(t, a.Wait(first), "the first caller leaves after a second")
		require.True(t, b.Wait(t.Context()))
		require.Error(t, running.Err())
		require.Nil(t, g.calls)
	})
}

// A function must not wait for its own call, directly or through other calls. In each case, Join returns
// ErrSelfWait, and nothing waits forever.
func TestCyclesOfCallsEnd(t *testing.T) {
	for length := 1; length <= 4; length++ {
		synctest.Test(t, func(t *testing.T) {
			var g Group[int, string]
			var f func(key int) func(ctx context.Context, _ *Call[int, string]) (string, error)
			f = func(key int) func(ctx context.Context, _ *Call[int, string]) (string, error) {
				return func(ctx context.Context, _ *Call[int, string]) (string, error) {
					next := (key + 1) % length
					c, err := g.Join(ctx, next, enter[int, string], f(next))
					if err != nil {
						return "", fmt.Errorf("%d waits for %d: %w", key, next, err)
					}
					require.True(t, c.Wait(ctx))
					_, _, err = c.Result()
					return "", err
				}
			}
			c := join(t, &g, t.Context(), 0, f(0))
			require.True(t, c.Wait(t.Context()))
			_, _, err := c.Result()
			require.ErrorIs(t, err, ErrSelfWait)
			synctest.Wait()
			require.Nil(t, g.calls)
		})
	}
}

// Calls that run already may also form a cycle: the last one that joins gets ErrSelfWait. Here, the calls wait for
// each other through a third call.
func TestCycleOfRunningCallsEnds(t *testing.T) {
	for _, keys := range [][]string{{"a", "b"}, {"a", "b", "c"}, {"a", "b", "c", "d"}} {
		synctest.Test(t, func(t *testing.T) {
			var g Group[string, int]
			refused := 0
			f := func(i int) func(ctx context.Context, _ *Call[string, int]) (int, error) {
				return func(ctx context.Context, _ *Call[string, int]) (int, error) {
					time.Sleep(time.Duration(i+1) * time.Second) // all calls run before the first one joins another
					c, err := g.Join(ctx, keys[(i+1)%len(keys)], enter[string, int], nil)
					if errors.Is(err, ErrSelfWait) {
						refused++
						return 0, nil
					}
					require.NoError(t, err)
					require.True(t, c.Wait(ctx))
					return 0, nil
				}
			}
			var calls []*Call[string, int]
			for i, key := range keys {
				calls = append(calls, join(t, &g, t.Context(), key, f(i)))
			}
			for _, c := range calls {
				require.True(t, c.Wait(t.Context()))
			}
			require.Equal(t, 1, refused, "one call closes the cycle")
			for _, c := range calls {
				require.Empty(t, c.children)
			}
			require.Nil(t, g.calls)
		})
	}
}

// A function that has stopped waiting for a call, because the wait or the call has ended, is no longer part of a cycle
// through that call.
func TestEndedWaitIsNotPartOfACycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[string, int]
		b := join(t, &g, t.Context(), "b", func(ctx context.Context, _ *Call[string, int]) (int, error) {
			time.Sleep(10 * time.Second)
			a, err := g.Join(ctx, "a", enter[string, int], nil)
			require.NoError(t, err, "a has left b")
			require.True(t, a.Wait(ctx))
			n, _, _ := a.Result()
			return n + 1, nil
		})
		a := join(t, &g, t.Context(), "a", func(ctx context.Context, self *Call[string, int]) (int, error) {
			quick := join(t, &g, ctx, "quick", func(context.Context, *Call[string, int]) (int, error) { return 0, nil })
			twice := join(t, &g, ctx, "quick", nil)
			require.Len(t, self.children, 2)
			require.True(t, quick.Wait(ctx))
			require.Len(t, self.children, 1)
			require.True(t, twice.Wait(ctx))
			require.Empty(t, self.children)
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			c := join(t, &g, short, "b", nil)
			require.Same(t, b, c)
			require.False(t, c.Wait(short))
			require.Empty(t, self.children)
			time.Sleep(time.Minute)
			return 1, nil
		})
		require.True(t, a.Wait(t.Context()))
		require.True(t, b.Wait(t.Context()))
		n, _, _ := b.Result()
		require.Equal(t, 2, n)
		require.Nil(t, g.calls)
	})
}

// Groups are independent: a function may wait for a call of another group with the same key.
func TestGroupsAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g, other Group[string, int]
		c := join(t, &g, t.Context(), "k", func(ctx context.Context, _ *Call[string, int]) (int, error) {
			inner := join(t, &other, ctx, "k", func(context.Context, *Call[string, int]) (int, error) { return 1, nil })
			require.True(t, inner.Wait(ctx))
			n, _, err := inner.Result()
			return n + 1, err
		})
		require.True(t, c.Wait(t.Context()))
		n, _, err := c.Result()
		require.NoError(t, err)
		require.Equal(t, 2, n)
	})
}

// The group forgets a call before its callers wake up. Otherwise, a caller that was woken could join the ended
// call again, and get an old result.
func TestCallIsForgottenBeforeItsCallersWakeUp(t *testing.T) {
	var g Group[string, int]
	returning := make(chan struct{})
	call := join(t, &g, t.Context(), "k", func(context.Context, *Call[string, int]) (int, error) {
		<-returning
		return 1, nil
	})
	g.mu.Lock() // the group cannot forget the call
	close(returning)
	woken := false
	for end := time.Now().Add(50 * time.Millisecond); !woken && time.Now().Before(end); runtime.Gosched() {
		select {
		case <-call.done:
			woken = true
		default:
		}
	}
	assert.Same(t, call, g.calls["k"])
	g.mu.Unlock()
	assert.False(t, woken, "a caller is woken while the call can be joined")
	assert.True(t, call.Wait(t.Context()))
	assert.Nil(t, g.calls)
}

// A function, or a function of a call that it has started, must not start another call of its key, even if the
// admission would replace the running call or look again.
func TestFunctionCannotReplaceItsOwnCall(t *testing.T) {
	for _, admission := range []Admission{Enter, LookAgain, Replace} {
		for depth := range 3 {
			synctest.Test(t, func(t *testing.T) {
				var g Group[int, int]
				var f func(key int) func(ctx context.Context, _ *Call[int, int]) (int, error)
				f = func(key int) func(ctx context.Context, _ *Call[int, int]) (int, error) {
					return func(ctx context.Context, _ *Call[int, int]) (int, error) {
						if key < depth {
							c := join(t, &g, ctx, key+1, f(key+1))
							require.True(t, c.Wait(ctx))
							_, _, err := c.Result()
							return 0, err
						}
						_, err := g.Join(ctx, 0, func(*Call[int, int], string) Admission { return admission }, nil)
						return 0, err
					}
				}
				c := join(t, &g, t.Context(), 0, f(0))
				require.True(t, c.Wait(t.Context()))
				_, _, err := c.Result()
				require.ErrorIs(t, err, ErrSelfWait)
				synctest.Wait()
				require.Nil(t, g.calls)
			})
		}
	}
}
