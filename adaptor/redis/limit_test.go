package redis

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var free limits
		over := func(l *limit) bool {
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
		first := free.start(context.WithoutCancel(ctx), time.Second)
		assert.Equal(t, "value", first.Value(key{}))
		time.Sleep(time.Second - 1)
		assert.False(t, over(first))
		first.release()
		time.Sleep(time.Hour)
		assert.False(t, over(first), "released in time")

		second := free.start(context.Background(), time.Second) // most often the same one
		assert.Nil(t, second.Value(key{}))
		time.Sleep(time.Second - 1)
		assert.False(t, over(second))
		time.Sleep(time.Nanosecond)
		assert.True(t, over(second))
		second.release()

		third := free.start(context.Background(), time.Second)
		assert.NotSame(t, second, third)
		assert.False(t, over(third))
		third.release()
	})
}
