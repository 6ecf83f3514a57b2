package memory

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A lock is a mutex for short critical sections. Unlike sync.Mutex, it does not put a waiting
// goroutine to sleep: the goroutine yields. After a sleep, Unlock would put the goroutine into the
// run queue of the unlocking goroutine's processor, behind that goroutine. There it could wait for
// a time slice of up to 10 ms. The other processor does not take it over as long as a yielding
// goroutine (Go's sweeper, our collector) keeps that processor from looking for work.
type lock struct {
	locked atomic.Uint32
	gate   sync.Mutex // held by the one goroutine that still yields, among those that have waited for long
}

const (
	spins  = 100    // attempts without a yield; usually longer than the lock is held
	yields = 10_000 // attempts with a yield, before the gate: the holder must have lost its processor
)

func (l *lock) Lock() {
	if !l.locked.CompareAndSwap(0, 1) {
		l.wait()
	}
}

// TryLock locks l if it is free, and reports whether it did.
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
