package memory

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A lock is a mutex for whoever holds it for a moment only. A goroutine that meets another one
// does not go to sleep, as it would with sync.Mutex, but yields: woken by an Unlock, it would
// stand in the queue of the processor that goes on with the waker, for up to a time slice of
// 10 ms, while a yielding goroutine on the other processor (Go's sweeper, our collector)
// keeps that one from looking for work elsewhere.
type lock struct {
	locked atomic.Uint32
	gate   sync.Mutex // of those who have waited for long: only one of them goes on yielding
}

const (
	spins  = 100    // tries without a yield: longer than the lock is held, mostly
	yields = 10_000 // tries with one, before the gate: the holder must have lost its processor
)

func (l *lock) Lock() {
	if !l.locked.CompareAndSwap(0, 1) {
		l.wait()
	}
}

// TryLock reports whether it took the lock.
func (l *lock) TryLock() bool { return l.locked.CompareAndSwap(0, 1) }

func (l *lock) Unlock() { l.locked.Store(0) }

func (l *lock) wait() {
	for i := 0; l.locked.Load() != 0 || !l.TryLock(); i++ {
		switch {
		case i < spins:
		case i < spins+yields:
			runtime.Gosched()
		default:
			l.gate.Lock()
			defer l.gate.Unlock()
			for !l.TryLock() {
				runtime.Gosched()
			}
			return
		}
	}
}
