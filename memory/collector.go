package memory

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// collector holds the state of the goroutine that sweeps, and the channels that stop it.
type collector struct {
	mu   sync.Mutex
	stop chan struct{} // closed to stop the goroutine; nil if no goroutine should run
	done chan struct{} // closed when the last goroutine has ended; nil before the first

	sweeps    atomic.Uint64
	lastSweep atomic.Int64
}

// Start starts the collector, which sweeps every GCInterval until [MemoryKV.Stop]. Start does not
// wait, and it does not use its context. A second Start does nothing; a Start after Stop starts the
// collector again. Start returns an error only if m was not made by [New].
func (m *MemoryKV) Start(context.Context) error {
	if m == nil || m.adaptor == nil {
		return errNotMade
	}
	c := &m.collector
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil {
		return nil
	}
	previous := c.done
	c.stop, c.done = make(chan struct{}), make(chan struct{})
	go m.collect(previous, c.stop, c.done)
	return nil
}

// Stop stops the collector and waits until it has ended. If ctx is done first, Stop returns
// ctx.Err(), and the collector still ends after its current step. The stores keep working, but then
// only writes remove expired entries. A second Stop, or a Stop without Start, does nothing and
// returns nil.
func (m *MemoryKV) Stop(ctx context.Context) error {
	if m == nil {
		return nil
	}
	c := &m.collector
	c.mu.Lock()
	if c.stop != nil {
		close(c.stop)
		c.stop = nil
	}
	done := c.done
	c.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	default:
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// collect sweeps until stop is closed. It first waits for the previous goroutine, which may still
// run if a Stop returned before its end.
func (m *MemoryKV) collect(previous <-chan struct{}, stop <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	if previous != nil {
		<-previous
	}
	ticker := time.NewTicker(m.config.GCInterval)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			m.sweep(stop)
		}
	}
}

// sweep removes the entries that have expired when it begins, and gives their memory back. It
// returns early if stop is closed.
func (m *MemoryKV) sweep(stop <-chan struct{}) {
	start := time.Now()
	c := m.clock()
	removed := uint64(0)
	for i := range m.shards {
		for more := true; more; {
			var n uint64
			n, more = m.shards[i].reclaim(&c, 8)
			removed += n
			select {
			case <-stop:
				return
			default:
			}
			if more {
				runtime.Gosched()
			}
		}
	}
	took := time.Since(start)
	m.collector.sweeps.Add(1)
	m.collector.lastSweep.Store(int64(took))
	if removed > 0 {
		m.config.Logger.Debug("kv: swept expired entries", "removed", removed, "took", took)
	}
}
