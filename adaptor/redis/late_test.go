package redis

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestLates(t *testing.T) {
	for name, several := range map[string]bool{"one connection": false, "several": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var busy atomic.Bool
				l := lates{several: several, deadTime: 4 * time.Second, busy: busy.Load}
				left := func() int32 {
					synctest.Wait()
					return l.n.Load()
				}
				assert.Zero(t, l.began(), "nothing to show")
				busy.Store(true)
				l.add()
				before := l.began()
				time.Sleep(time.Millisecond)
				l.add()
				l.answered(before)
				l.answered(time.Time{})
				assert.EqualValues(t, 2, left(), "a call that began before one ended shows nothing of it")
				time.Sleep(time.Millisecond)
				between := l.began()
				time.Sleep(time.Millisecond)
				l.add()
				l.answered(between)
				if several {
					assert.EqualValues(t, 3, left(), "it may have been another connection")
					time.Sleep(4 * time.Second)
					l.answered(between)
				}
				assert.EqualValues(t, 1, left(), "two had their places before")
				time.Sleep(time.Hour)
				assert.EqualValues(t, 1, left(), "no answer shows anything of the third")
				busy.Store(false)
				time.Sleep(4 * time.Second)
				assert.Zero(t, left(), "nobody is there who could get an answer")

				l.add()
				time.Sleep(4*time.Second - 1)
				assert.EqualValues(t, 1, left())
				time.Sleep(time.Second)
				assert.Zero(t, left())
				l.add()
				time.Sleep(time.Millisecond)
				now := l.began()
				time.Sleep(5 * time.Second) // a timer that had been forgotten would not fire
				l.answered(now)
				assert.Zero(t, left())
			})
		})
	}
}
