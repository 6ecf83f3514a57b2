package memory

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/internal/mutant"
)

// together calls two functions at the same time, again and again, for half a second. before and after run
// alone.
func together(before func(), after func(round int64), f, g func()) {
	var round, finished atomic.Int64 // round is -1 at the end
	var other sync.WaitGroup
	other.Go(func() {
		for n := int64(1); ; n++ {
			for round.Load() != n {
				if round.Load() < 0 {
					return
				}
				runtime.Gosched()
			}
			g()
			finished.Store(n)
		}
	})
	end := time.Now().Add(500 * time.Millisecond)
	for n := int64(1); n%64 != 0 || time.Now().Before(end); n++ {
		before()
		round.Store(n)
		f()
		for finished.Load() != n {
			runtime.Gosched()
		}
		after(n)
	}
	round.Store(-1)
	other.Wait()
}

// A deadline that is added while the first time is recomputed is not lost. Otherwise, writes would not
// remove the entry until another deadline is added.
func TestDeadlineAddedDuringARecomputationIsNotLost(t *testing.T) {
	var n nextExpiry
	n.init(2)
	together(func() {
		n.shards[0].Store(never)
		n.all.Store(never)
	}, func(round int64) {
		if all := n.all.Load(); all > 1000 {
			t.Errorf("round %d: the first time is %d, but an entry expires at 1000", round, all)
		}
	}, func() { n.add(0, 1000) }, n.recompute)
}

// Reservations by two goroutines never exceed the limit, and released memory can be reserved again.
func TestConcurrentReservationsNeverExceedTheLimit(t *testing.T) {
	var b budget
	b.init(100)
	var holders, refused atomic.Int64
	end := time.Now().Add(500 * time.Millisecond)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for n := 1; n%64 != 0 || time.Now().Before(end); n++ {
				if !b.reserve(60) {
					refused.Add(1)
					continue
				}
				if h := holders.Add(1); h != 1 {
					t.Errorf("%d reservations of 60 bytes in a budget of 100", h)
					return
				}
				holders.Add(-1)
				b.release(60)
			}
		})
	}
	all.Wait()
	assert.Zero(t, b.used.Load())
	t.Log("refused:", refused.Load())
}

// A sweep ends after its current step if the collector is stopped. An incomplete sweep is not
// counted.
func TestStoppedSweepEndsAfterOneStep(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{})
	for i := range 2000 {
		require.NoError(t, s.Set(ctx, fmt.Sprint(i), []byte("1"), time.Millisecond))
	}
	time.Sleep(2 * time.Millisecond)
	before := s.kv.Stats()
	stop := make(chan struct{})
	close(stop)
	s.kv.sweep(stop)
	after := s.kv.Stats()
	assert.LessOrEqual(t, after.Expired-before.Expired, uint64(sweepBatch))
	assert.Zero(t, after.Sweeps)
	assert.Zero(t, after.LastSweep)
	s.kv.sweep(nil)
	assert.Equal(t, uint64(1), s.kv.Stats().Sweeps)
	assert.Positive(t, s.kv.Stats().LastSweep, "the duration of a complete sweep")
	assert.Zero(t, s.kv.Stats().Entries)
}

// The tests of interleavings find bugs that a slow goroutine makes visible. Each bug is planted separately.
func TestInterleavingTestsFindBugs(t *testing.T) {
	t.Parallel()
	const slow = "for i := range 10_000 {\n_ = i\n}\n" // microseconds
	for bug, m := range map[string]struct{ file, old, new string }{
		"the first time of all shards is lowered before the time of the shard": {"next_expiry.go",
			"n.shards[shard].Store(deadline)\n\t\tn.lower(deadline)", "n.lower(deadline)\n" + slow + "n.shards[shard].Store(deadline)"},
		"the times of the shards are read before the old time is removed": {"next_expiry.go",
			"n.all.Store(never)\n\tfor i := range n.shards {\n\t\tn.lower(n.shards[i].Load())\n\t}",
			"first := int64(never)\n\tfor i := range n.shards {\n\t\tfirst = min(first, n.shards[i].Load())\n\t}\n" + slow + "n.all.Store(first)"},
		"a reservation checks and adds in two steps": {"budget.go",
			"if b.used.CompareAndSwap(used, used+int64(n)) {\n\t\t\treturn true\n\t\t}", slow + "b.used.Add(int64(n))\n\t\treturn true"},
	} {
		t.Run(bug, func(t *testing.T) {
			output, failed := mutant.Test(t, m.file, m.old, m.new, "-run", "^(TestDeadlineAdded|TestConcurrentReservations).*$", "-count", "20", "-failfast", ".")
			assert.True(t, failed, "the planted bug was not found: %s\n%s", bug, output)
		})
	}
}
