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
type lates struct {
	n atomic.Int32 // how many

	mu       sync.Mutex
	ended    []time.Time // when, one after the other
	timer    *time.Timer
	several  bool          // connections
	deadTime time.Duration // which it takes to find that one is dead
	busy     func() bool   // whether a call is on its way, which may be answered
}

// add is told when a call has ended without an answer.
func (l *lates) add() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = append(l.ended, time.Now())
	l.n.Store(int32(len(l.ended)))
	if l.timer == nil {
		l.timer = time.AfterFunc(l.deadTime, l.expire)
	}
}

// began returns the time, for answered, if there is anything to show.
func (l *lates) began() (now time.Time) {
	if l.n.Load() > 0 {
		now = time.Now()
	}
	return now
}

// answered is told when a call began that was answered.
func (l *lates) answered(began time.Time) {
	if began.IsZero() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.several {
		if dead := time.Now().Add(-l.deadTime); dead.Before(began) {
			began = dead
		}
	}
	l.forget(began)
}

// forget forgets those that ended before a time.
func (l *lates) forget(before time.Time) {
	n := 0
	for n < len(l.ended) && l.ended[n].Before(before) {
		n++
	}
	l.ended = l.ended[n:]
	l.n.Store(int32(len(l.ended)))
}

// expire forgets the old ones if there is no call whose answer could show something: then the server
// has time for them, or the client has closed the connection.
func (l *lates) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy() {
		l.forget(time.Now().Add(-l.deadTime + 1))
	}
	if len(l.ended) == 0 {
		l.ended, l.timer = nil, nil
		return
	}
	l.timer.Reset(max(time.Second, l.deadTime-time.Since(l.ended[0])))
}
