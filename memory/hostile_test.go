package memory_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

var hostileFor = flag.Duration("hostile", time.Second, "how long TestHostile goes on")

// Eight goroutines store values of up to 1 MiB, with a TTL of a millisecond or more, and more data
// than MaxBytes. A refused write returns ErrFull and changes nothing. A stored value stays until
// its deadline. The process takes no more memory than Stats reports.
func TestHostile(t *testing.T) {
	const maxBytes = 256 << 20
	kv, err := memory.New(memory.Config{MaxBytes: maxBytes, GCInterval: time.Second})
	require.NoError(t, err)
	require.NoError(t, kv.Start(ctx))
	s, err := kv.Namespace("hostile")
	require.NoError(t, err)

	// The memory of the same program without entries.
	hostile(t, nil, time.Second/10)
	before := heapAfterGC()

	stop, watched := make(chan struct{}), make(chan int64)
	go func() {
		most := int64(0)
		for {
			select {
			case <-stop:
				watched <- most
				return
			case <-time.After(time.Millisecond):
				most = max(most, kv.Stats().Bytes)
			}
		}
	}()
	counts := hostile(t, s, *hostileFor)
	close(stop)
	most := <-watched
	assert.LessOrEqual(t, most, int64(maxBytes))
	heap := int64(heapAfterGC()) - int64(before)
	limit := int64(maxBytes)
	assert.LessOrEqual(t, heap, limit+limit/10)
	stats := kv.Stats()
	t.Logf("operations %d, refused %d, live values verified %d, absent ones %d", counts.operations.Load(), counts.refused.Load(), counts.verified.Load(), counts.absent.Load())
	t.Logf("MaxBytes %d; Stats().Bytes: at most %d, at the end %d; heap after GC, minus the heap without entries: %d (%.1f %% of MaxBytes, %.1f %% of Bytes); GOMEMLIMIT %d",
		limit, most, stats.Bytes, heap, 100*float64(heap)/float64(limit), 100*float64(heap)/float64(stats.Bytes), debug.SetMemoryLimit(-1))
	t.Logf("%s%+v", residentSet(), stats)
	require.NoError(t, kv.Stop(ctx))
}

type hostileCounts struct{ operations, refused, verified, absent atomic.Int64 }

// hostile runs the load on s. If s is nil, it runs the same program without a store.
func hostile(t *testing.T, s *adaptor.AtomicKVStore, span time.Duration) *hostileCounts {
	const longest = 1 << 20
	letters := bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz0123456789"), 2+longest/36)
	seed := rand.Uint64()
	counts := &hostileCounts{}
	end := time.Now().Add(span)
	var wg sync.WaitGroup
	for worker := range uint64(8) {
		wg.Go(func() {
			if err := hostileWorker(s, letters, rand.New(rand.NewPCG(seed, worker)), worker, end, counts); err != nil {
				t.Errorf("seed %d, worker %d: %v", seed, worker, err)
			}
		})
	}
	wg.Wait()
	return counts
}

// expected describes a key of one worker. The entry expires between earliest and latest, because
// the worker reads the clock at other moments than the store.
type expected struct {
	start, length    int // in letters; if start is -1, length is the value of a counter
	earliest, latest time.Time
}

func hostileWorker(s *adaptor.AtomicKVStore, letters []byte, r *rand.Rand, worker uint64, end time.Time, counts *hostileCounts) error {
	const keys = 1000
	forever := time.Now().Add(24 * time.Hour)
	model := map[int]expected{}
	options := make([]adaptor.Option, 0, 1)
	for time.Now().Before(end) {
		n := r.IntN(keys)
		key := fmt.Sprint(worker, "/", n)
		e, known := model[n]
		counts.operations.Add(1)
		if s == nil {
			model[n] = expected{}
			continue
		}
		ttl := time.Duration(0)
		if r.IntN(2) == 0 {
			ttl = time.Duration(math.Exp(r.Float64()*math.Log(20_000))) * time.Millisecond
		}
		options = options[:0]
		if ttl > 0 {
			options = append(options, adaptor.WithTTL(ttl))
		}
		now := time.Now()
		written := func(start, length int) {
			model[n] = expected{start, length, forever, forever}
			if ttl > 0 {
				model[n] = expected{start, length, now.Add(ttl), time.Now().Add(ttl + time.Millisecond)}
			}
		}
		refused := func(err error) error {
			if errors.Is(err, memory.ErrFull) && adaptor.CodeOf(err) == adaptor.CodeStoreOperationFailed && !adaptor.OutcomeUnknown(err) {
				counts.refused.Add(1)
				return nil
			}
			return err
		}
		switch op := r.IntN(10); {
		case op < 4:
			length := int(math.Exp(r.Float64()*math.Log(1<<20))) - 1
			start := r.IntN(36)
			var err error
			if op < 3 || known {
				err = s.Set(ctx, key, string(letters[start:start+length]), options...)
			} else if stored, setErr := s.SetNX(ctx, key, string(letters[start:start+length]), options...); setErr == nil && !stored {
				return fmt.Errorf("SetNX of a missing key: %v", stored)
			} else {
				err = setErr
			}
			if err == nil {
				written(start, length)
			} else if err = refused(err); err != nil {
				return err
			}
		case op == 4:
			if err := s.Del(ctx, key); err != nil {
				return err
			}
			delete(model, n)
		case op == 5 && !known:
			sum, err := s.Incr(ctx, key, int64(n), options...)
			if err == nil && sum != int64(n) {
				return fmt.Errorf("a new counter is %d instead of %d", sum, n)
			}
			if err == nil {
				written(-1, n)
			} else if err = refused(err); err != nil {
				return err
			}
		case op == 6 && ttl > 0:
			found, err := s.Expire(ctx, key, ttl)
			if err != nil {
				return err
			}
			if found != known && (found || now.Before(e.earliest) && time.Now().Before(e.earliest)) {
				return fmt.Errorf("Expire found %v, known %v", found, known)
			}
			if found {
				written(e.start, e.length)
			}
		default:
			text, found, err := s.GetRaw(ctx, key)
			after := time.Now()
			switch {
			case err != nil:
				return err
			case !found && known && after.Before(e.earliest):
				return fmt.Errorf("a live value of %d bytes is lost, %v before its deadline", e.length, e.earliest.Sub(after))
			case found && !known:
				return errors.New("a value that was never stored")
			case found && now.After(e.latest):
				return fmt.Errorf("a value shows %v after its deadline", now.Sub(e.latest))
			case !found:
				delete(model, n)
				counts.absent.Add(1)
			case e.start < 0 && string(text) != fmt.Sprint(e.length),
				e.start >= 0 && !bytes.Equal(text[1:len(text)-1], letters[e.start:e.start+e.length]):
				return fmt.Errorf("a value of %d bytes differs from the stored value", len(text))
			default:
				counts.verified.Add(1)
			}
		}
	}
	return nil
}

func heapAfterGC() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// residentSet returns the memory of the process, as Linux reports it.
func residentSet() string {
	status, _ := os.ReadFile("/proc/self/status")
	var b strings.Builder
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "VmHWM") {
			b.WriteString(strings.Join(strings.Fields(line), " ") + "; ")
		}
	}
	return b.String()
}
