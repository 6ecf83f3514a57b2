package redis

import (
	"sync"
	"sync/atomic"
	"time"
)

// lates are the direct calls that ended without an answer: their commands may still have a place in
// the client's queue, and a call that finds it full would wait for one, whatever its context.
//
// A command that was sent later and is answered shows that they have none any more, if it went
// over the same connection. Where there are several, it shows that only after a time in which a
// connection that is dead would have been closed.
type abandonedCalls struct {
	count atomic.Int32 // how many

	mu           sync.Mutex
	endTimes     []time.Time // when, one after the other
	timer        *time.Timer
	severalConns bool          // connections
	deadAfter    time.Duration // which it takes to find that one is dead
	callInFlight func() bool   // whether a call is on its way, which may be answered
}

// add is told when a call has ended without an answer.
func (a *abandonedCalls) add() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endTimes = append(a.endTimes, time.Now())
	a.count.Store(int32(len(a.endTimes)))
	if a.timer == nil {
		a.timer = time.AfterFunc(a.deadAfter, a.expire)
	}
}

// began returns the time, for answered, if there is anything to show.
func (a *abandonedCalls) startTime() (now time.Time) {
	if a.count.Load() > 0 {
		now = time.Now()
	}
	return now
}

// answered is told when a call began that was answered.
func (a *abandonedCalls) answered(start time.Time) {
	if start.IsZero() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.severalConns {
		if dead := time.Now().Add(-a.deadAfter); dead.Before(start) {
			start = dead
		}
	}
	a.forgetBefore(start)
}

// forget forgets those that ended before a time.
func (a *abandonedCalls) forgetBefore(limit time.Time) {
	n := 0
	for n < len(a.endTimes) && a.endTimes[n].Before(limit) {
		n++
	}
	a.endTimes = a.endTimes[n:]
	a.count.Store(int32(len(a.endTimes)))
}

// expire forgets the old ones if there is no call whose answer could show something: then the server
// has time for them, or the client has closed the connection.
func (a *abandonedCalls) expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.callInFlight() {
		a.forgetBefore(time.Now().Add(-a.deadAfter + 1))
	}
	if len(a.endTimes) == 0 {
		a.endTimes, a.timer = nil, nil
		return
	}
	a.timer.Reset(max(time.Second, a.deadAfter-time.Since(a.endTimes[0])))
}
