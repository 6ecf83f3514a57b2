package redis_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A metronome counts beats, about one per millisecond. On a busy machine, the process gets no time for a
// while, and a beat takes longer. A limit in beats therefore holds on every machine.
type metronome struct{ count atomic.Int64 }

func startMetronome(t *testing.T) *metronome {
	m := &metronome{}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(time.Millisecond) // it drops the ticks of a pause
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				m.count.Add(1)
			case <-done:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		wg.Wait()
	})
	return m
}

// An overruns records how late calls return after the ends of their contexts.
type overruns struct {
	*metronome
	mu    sync.Mutex
	beats []int64 // one element per call whose context has ended
}

func newOverruns(t *testing.T) *overruns { return &overruns{metronome: startMetronome(t)} }

// begin announces a call whose context ends after limit. The caller calls the returned function when the
// call has returned. It returns the beats since a goroutine that only waited for such a context has run.
func (o *overruns) begin(limit time.Duration) (end func() (beats int64)) {
	var due atomic.Pointer[int64]
	c, cancel := context.WithTimeout(ctx, limit)
	go func() {
		<-c.Done()
		now := o.count.Load()
		if c.Err() == context.DeadlineExceeded {
			due.Store(&now)
		}
	}()
	return func() (beats int64) {
		now := o.count.Load()
		cancel()
		d := due.Load()
		if d == nil {
			return 0
		}
		beats = max(0, now-*d)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.beats = append(o.beats, beats)
		return beats
	}
}

// The limits, in beats. A call that waits for the reply to another call is later.
const (
	overrunP99 = 100
	overrunMax = 250
)

// check checks the limits for all calls.
func (o *overruns) check(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	slices.Sort(o.beats)
	n := len(o.beats)
	if n == 0 {
		return
	}
	t.Logf("%d contexts have ended, their calls are late by p50 %d, p99 %d, at most %d beats of about 1 ms", n, o.beats[n/2], o.beats[n*99/100], o.beats[n-1])
	assert.LessOrEqual(t, o.beats[n*99/100], int64(overrunP99))
	assert.LessOrEqual(t, o.beats[n-1], int64(overrunMax))
}
