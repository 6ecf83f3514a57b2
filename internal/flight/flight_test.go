package flight

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// After the end of a call, for whatever reason, the group has no key and no goroutine is left.
func TestEndedCallLeavesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		end   func(context.Context) (int, error)
		waits bool
		crash *Crash
	}{
		"returns": {func(context.Context) (int, error) { return 7, nil }, true, nil},
		"panics":  {func(context.Context) (int, error) { panic("boom") }, true, &Crash{Value: "boom"}},
		"exits":   {func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }, true, &Crash{Goexit: true}},
		"is left": {func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, false, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			var g Group[int, int]
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			for key := range 100 {
				call, err := g.Join(ctx, key, nil, func(ctx context.Context, _ *Call[int, int]) (int, error) { return tt.end(ctx) })
				require.NoError(t, err)
				assert.Equal(t, tt.waits, call.Wait(ctx), name)
				if !tt.waits {
					continue
				}
				_, crash, _ := call.Result()
				if crash != nil {
					crash.Stack = nil
				}
				assert.Equal(t, tt.crash, crash, name)
			}
			synctest.Wait()
			assert.Nil(t, g.calls, name)
		})
	}
}

// admit decides about a running call, and receives its tag.
func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[string, int]
		started := 0
		slow := func(_ context.Context, c *Call[string, int]) (int, error) {
			started++
			n := started
			c.SetTag("begun")
			time.Sleep(time.Second)
			return n, nil
		}
		answer := func(a Admission) func(*Call[string, int], string) Admission {
			return func(_ *Call[string, int], tag string) Admission {
				assert.Equal(t, "begun", tag)
				return a
			}
		}
		first, err := g.Join(t.Context(), "k", nil, slow)
		require.NoError(t, err)
		synctest.Wait()
		same, err := g.Join(t.Context(), "k", answer(Enter), slow)
		require.NoError(t, err)
		assert.Same(t, first, same)
		nothing, err := g.Join(t.Context(), "k", answer(LookAgain), slow)
		require.NoError(t, err)
		assert.Nil(t, nothing)
		second, err := g.Join(t.Context(), "k", answer(Replace), slow)
		require.NoError(t, err)
		synctest.Wait()
		for i, call := range []*Call[string, int]{first, same, second} {
			require.True(t, call.Wait(t.Context()))
			n, _, _ := call.Result()
			assert.Equal(t, []int{1, 1, 2}[i], n)
		}
		synctest.Wait()
		assert.Nil(t, g.calls)
	})
}
