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
				assert.Zero(t, a.startTime(), "no call is abandoned, so no time is needed")
				busy.Store(true)
				a.add()
				before := a.startTime()
				time.Sleep(time.Millisecond)
				a.add()
				a.replied(before)
				a.replied(time.Time{})
				assert.EqualValues(t, 2, left(), "a reply to a call that started before the abandonment proves nothing")
				time.Sleep(time.Millisecond)
				between := a.startTime()
				time.Sleep(time.Millisecond)
				a.add()
				a.replied(between)
				if several {
					assert.EqualValues(t, 3, left(), "the reply may have used another connection")
					time.Sleep(4 * time.Second)
					a.replied(between)
				}
				assert.EqualValues(t, 1, left(), "two calls were abandoned before the replied call started")
				time.Sleep(time.Hour)
				assert.EqualValues(t, 1, left(), "no reply proves anything about the third call")
				busy.Store(false)
				time.Sleep(4 * time.Second)
				assert.Zero(t, left(), "no call in flight could receive a reply")

				a.add()
				time.Sleep(4*time.Second - 1)
				assert.EqualValues(t, 1, left())
				time.Sleep(time.Second)
				assert.Zero(t, left())
				a.add()
				time.Sleep(time.Millisecond)
				now := a.startTime()
				time.Sleep(5 * time.Second) // this fails if no timer runs after the previous expiry
				a.replied(now)
				assert.Zero(t, left())
			})
		})
	}
}
