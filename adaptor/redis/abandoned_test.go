package redis

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAbandonedCallsAreForgottenOnProof(t *testing.T) {
	for name, several := range map[string]bool{"one connection": false, "several": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var busy atomic.Bool
				a := abandonedCalls{severalConns: several, deadAfter: 4 * time.Second, callInFlight: busy.Load}
				left := func() int32 {
					synctest.Wait()
					return a.count.Load()
				}
				assert.Zero(t, a.startTime(), "nothing to show")
				busy.Store(true)
				a.add()
				before := a.startTime()
				time.Sleep(time.Millisecond)
				a.add()
				a.replied(before)
				a.replied(time.Time{})
				assert.EqualValues(t, 2, left(), "a call that began before one ended shows nothing of it")
				time.Sleep(time.Millisecond)
				between := a.startTime()
				time.Sleep(time.Millisecond)
				a.add()
				a.replied(between)
				if several {
					assert.EqualValues(t, 3, left(), "it may have been another connection")
					time.Sleep(4 * time.Second)
					a.replied(between)
				}
				assert.EqualValues(t, 1, left(), "two had their places before")
				time.Sleep(time.Hour)
				assert.EqualValues(t, 1, left(), "no answer shows anything of the third")
				busy.Store(false)
				time.Sleep(4 * time.Second)
				assert.Zero(t, left(), "nobody is there who could get an answer")

				a.add()
				time.Sleep(4*time.Second - 1)
				assert.EqualValues(t, 1, left())
				time.Sleep(time.Second)
				assert.Zero(t, left())
				a.add()
				time.Sleep(time.Millisecond)
				now := a.startTime()
				time.Sleep(5 * time.Second) // a timer that had been forgotten would not fire
				a.replied(now)
				assert.Zero(t, left())
			})
		})
	}
}
