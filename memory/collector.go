package memory

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// collector is the goroutine that sweeps, and what tells it to end.
type collector struct {
	mu   sync.Mutex
	stop chan struct{} // closed to end the goroutine; nil when none is to run
	done chan struct{} // closed when the last goroutine has ended; nil before the first

	sweeps    atomic.Uint64
	lastSweep atomic.Int64
}

// Start starts the collector, which sweeps every GCInterval until [MemoryKV.Stop].
// It does not wait and keeps nothing of its context, which may end right after.
// Starting twice starts once; starting again after Stop works. It fails only on a
// MemoryKV that New did not make.
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

// Stop ends the collector and waits until it has ended, or until ctx is done, whose
// error it then returns; the collector ends all the same. Stores serve on, and free
// expired entries by writes only. Stopping twice, or without Start, is fine.
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

// collect sweeps until stop is closed. A Start that follows a Stop which did not
// wait to the end has the new goroutine wait for the previous one.
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

// sweep removes all entries that are expired when it begins, or fewer if stop is
// closed meanwhile, and gives their memory back.
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
