package memory

import (
	"runtime"
	"sync"
)

// A lock is a mutex for whoever holds it for a moment only. A goroutine that meets another one
// does not go to sleep, as it would with sync.Mutex, but yields: woken by an Unlock, it would
// stand in the queue of the processor that goes on with the waker, for up to a time slice of
// 10 ms, while a yielding goroutine on the other processor (Go's sweeper, our collector)
// keeps that one from looking for work elsewhere.
type lock struct{ sync.Mutex }

const (
	spins  = 100    // tries without a yield: longer than the lock is mostly held
	yields = 10_000 // tries with one; then it does go to sleep, since the holder must have lost its processor
)

// Lock is sync.Mutex's, but for how it waits.
func (l *lock) Lock() {
	if !l.TryLock() {
		l.wait()
	}
}

func (l *lock) wait() {
	for i := range spins + yields {
		if i >= spins {
			runtime.Gosched()
		}
		if l.TryLock() {
			return
		}
	}
	l.Mutex.Lock()
}
