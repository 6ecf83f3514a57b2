package redis

import (
	"sync"
	"sync/atomic"
	"time"
)

// abandonedCalls counts the direct calls that ended without a reply. Their commands may still hold
// slots in the ring of rueidis. A call that finds the ring full waits for a slot, even after its
// context has ended.
//
// A reply to a later command proves that an abandoned call holds no slot anymore, if both used the same
// connection. With several connections, the proof also needs time: deadAfter must have passed since the
// call was abandoned. By then, rueidis has closed a dead connection, and the slots are free.
type abandonedCalls struct {
	count atomic.Int32 // len(endTimes), to read without the lock

	mu           sync.Mutex
	endTimes     []time.Time // in ascending order, one per abandoned call
	timer        *time.Timer // calls expire; nil if endTimes is empty
	severalConns bool
	deadAfter    time.Duration // the time until rueidis closes a dead connection
	callInFlight func() bool   // reports whether a call is in flight, whose reply could be a proof
}

// add counts a call that has just ended without a reply.
func (a *abandonedCalls) add() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endTimes = append(a.endTimes, time.Now())
	a.count.Store(int32(len(a.endTimes)))
	if a.timer == nil {
		a.timer = time.AfterFunc(a.deadAfter, a.expire)
	}
}

// startTime returns the current time, which a starting call passes to replied later. It returns the
// zero time if there is no abandoned call, to spare the reading of the clock.
func (a *abandonedCalls) startTime() (now time.Time) {
	if a.count.Load() > 0 {
		now = time.Now()
	}
	return now
}

// replied forgets the abandoned calls that hold no ring slot anymore, as proved by the reply to a call
// that started at start. It does nothing if start is zero.
func (a *abandonedCalls) replied(start time.Time) {
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

// forgetBefore forgets the calls that ended before limit.
func (a *abandonedCalls) forgetBefore(limit time.Time) {
	n := 0
	for n < len(a.endTimes) && a.endTimes[n].Before(limit) {
		n++
	}
	a.endTimes = a.endTimes[n:]
	a.count.Store(int32(len(a.endTimes)))
}

// expire forgets the calls that ended at least deadAfter ago, if no call is in flight. Without a call in
// flight, no reply can be a proof. But after this time, the server has replied to the abandoned
// commands, or rueidis has closed the connection.
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
