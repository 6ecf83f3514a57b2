package redis

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTimeoutContextIsReusedUnlessExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pool timeoutPool
		expired := func(l *timeoutContext) bool {
			synctest.Wait()
			select {
			case <-l.Done():
				assert.Equal(t, context.DeadlineExceeded, l.Err())
				return true
			default:
				assert.NoError(t, l.Err())
				return false
			}
		}
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, "value")
		first := pool.get(context.WithoutCancel(ctx), time.Second)
		assert.Equal(t, "value", first.Value(key{}))
		time.Sleep(time.Second - 1)
		assert.False(t, expired(first))
		first.release()
		time.Sleep(time.Hour)
		assert.False(t, expired(first), "it was released before the timeout")

		second := pool.get(context.Background(), time.Second) // in most runs, the pool returns the first one
		assert.Nil(t, second.Value(key{}))
		time.Sleep(time.Second - 1)
		assert.False(t, expired(second))
		time.Sleep(time.Nanosecond)
		assert.True(t, expired(second))
		second.release()

		third := pool.get(context.Background(), time.Second)
		assert.NotSame(t, second, third)
		assert.False(t, expired(third))
		third.release()
	})
}
