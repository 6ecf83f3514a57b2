package adaptor_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/zelt-go/kv/adaptor"
)

// No order of loads and writes of several processes on one key brings an old value back. Each step takes
// a random time. A write changes the source of the loads first, as [adaptor.Typed.GetOrLoad] requires. An
// odd version of the source means that there is no value. Values have up to 64 KiB.
func TestRandomLoads(t *testing.T) {
	const runs = 200
	for _, processes := range []int{1, 2, 3} {
		for _, faults := range []string{"no", "loader", "store", "loader and store"} {
			t.Run(fmt.Sprint(processes, " processes, faults: ", faults), func(t *testing.T) {
				t.Parallel()
				for range runs {
					seed := rand.Uint64()
					synctest.Test(t, func(t *testing.T) {
						defer func() {
							if t.Failed() {
								t.Log("seed", seed)
							}
						}()
						(&randomLoads{T: t, random: rand.New(rand.NewPCG(seed, 0)),
							faults: strings.Contains(faults, "loader"), trouble: strings.Contains(faults, "store")}).run(processes)
					})
				}
			})
		}
	}
}

type randomLoads struct {
	*testing.T
	faults  bool   // loaders fail, and callers leave
	trouble bool   // the store fails in steps of loads, and honours their context
	padding string // the end of each value

	mu     sync.Mutex
	random *rand.Rand

	source  atomic.Int64 // the version that a load reads
	written atomic.Int64 // the version of the last write that has returned
	writes  atomic.Int64 // the number of writes that have begun

	troubles atomic.Int64 // the number of failed steps of the store
	refusals atomic.Int64 // the number of refused placeholders
}

// loading is a process with its handle.
type loading struct {
	*adaptor.AtomicKVStore
	handle  adaptor.Typed[string]
	running atomic.Int64 // running loads
	left    atomic.Int64 // callers that left: their load may still run without callers
}

func (r *randomLoads) intN(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.random.IntN(n)
}

func (r *randomLoads) wait(most time.Duration) { time.Sleep(time.Duration(r.intN(int(most)))) }

func (r *randomLoads) run(processes int) {
	if r.intN(4) == 0 {
		r.padding = strings.Repeat("x", sizes[r.intN(len(sizes))])
	}
	shared := newShelf()
	all := make([]*loading, processes)
	for i := range all {
		p := shared.process()
		p.pause = func(string) { r.wait(20 * time.Microsecond) }
		if r.trouble {
			p.trouble = r.fault
		}
		s := p.store(r)
		all[i] = &loading{AtomicKVStore: s, handle: adaptor.Of[string](s, adaptor.DefaultTTL(time.Hour), adaptor.NoneTTL(time.Hour), adaptor.Jitter(0.3))}
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 3 {
				r.wait(150 * time.Microsecond)
				done := make(chan struct{})
				go func() { // runtime.Goexit of the loader ends it
					defer close(done)
					r.ask(all[i%processes])
				}()
				<-done
			}
		})
	}
	wg.Go(func() {
		for range r.intN(4) {
			r.wait(300 * time.Microsecond)
			r.write(all[r.intN(processes)])
		}
	})
	wg.Wait()
	time.Sleep(time.Minute) // for loads that all callers have left

	shared.mu.Lock()
	text, there := shared.entries["k"]
	shared.mu.Unlock()
	value, found, err := all[0].handle.Get(ctx, "k") // without trouble
	assert.NoError(r, err)
	switch {
	case found:
		assert.Equal(r, r.source.Load(), r.version(value), "an old value is stored")
	case there && strings.HasPrefix(text.text, ` "kv:load`):
		left := r.troubles.Load()
		for _, p := range all {
			left += p.left.Load()
		}
		assert.True(r, left > 0 || r.faults && processes > 1, "the placeholder of a load is left")
	case there:
		assert.NotZero(r, r.source.Load()%2, "there is a value")
	}
}

// ofLoad is the key of a context whose steps at the store may fail.
type ofLoad struct{}

// fault returns the fault of a step of a load, or nil.
func (r *randomLoads) fault(ctx context.Context, op string) *fault {
	if ctx.Value(ofLoad{}) == nil || r.intN(8) != 0 {
		return nil
	}
	f := faults[r.intN(len(faults))]
	r.troubles.Add(1)
	if f.name == "refused" && (op == "SetNX" || op == "CompareAndSwap") {
		r.refusals.Add(1)
	}
	return f
}

func (r *randomLoads) value(version int64) string { return fmt.Sprint(version, " ", r.padding) }

// version returns the version of a value, and checks its padding.
func (r *randomLoads) version(value string) int64 {
	number, padding, _ := strings.Cut(value, " ")
	assert.True(r, padding == r.padding, "a value is damaged")
	version, err := strconv.ParseInt(number, 10, 64)
	assert.NoError(r, err)
	return version
}

// ask calls GetOrLoad once. The caller may leave early.
func (r *randomLoads) ask(p *loading) {
	least := r.written.Load()
	c, cancel := context.WithCancel(context.WithValue(ctx, ofLoad{}, true))
	defer cancel()
	if r.faults && r.intN(4) == 0 {
		time.AfterFunc(time.Duration(r.intN(150_000)), func() {
			p.left.Add(1)
			cancel()
		})
	}
	defer func() {
		if v := recover(); v != nil {
			assert.ErrorIs(r, v.(*adaptor.LoadPanic), io.ErrUnexpectedEOF)
		}
	}()
	value, found, err := p.handle.GetOrLoad(c, "k", func(context.Context) (adaptor.Loaded[string], error) { return r.load(p) })
	switch {
	case err != nil:
		assert.True(r, r.faults || r.troubles.Load() > 0, "%v", err)
	case r.refusals.Load() > 0: // without a placeholder, a caller may share a load that began before a write
	case found:
		assert.GreaterOrEqual(r, r.version(value), least, "a value that is older than a finished write")
	default:
		assert.False(r, least == r.source.Load() && least%2 == 0, "there is a value")
	}
}

func (r *randomLoads) load(p *loading) (adaptor.Loaded[string], error) {
	if p.running.Add(1) > 1 {
		assert.NotZero(r, r.writes.Load()+p.left.Load()+r.troubles.Load(), "two concurrent loads in a process without a write and without a caller that left")
	}
	defer p.running.Add(-1)
	version := r.source.Load()
	r.wait(100 * time.Microsecond)
	if r.faults {
		switch r.intN(12) {
		case 0:
			return adaptor.Loaded[string]{}, io.EOF
		case 1:
			panic(io.ErrUnexpectedEOF)
		case 2:
			runtime.Goexit()
		}
	}
	return adaptor.Loaded[string]{Value: r.value(version), None: version%2 != 0}, nil
}

// write changes the source, and then the key, by a random kind of write.
func (r *randomLoads) write(p *loading) {
	r.writes.Add(1)
	version := r.source.Add(1 + int64(r.intN(2)))
	var err error
	switch how := r.intN(6); {
	case how == 0 || version%2 != 0 && how > 2:
		err = p.handle.Del(ctx, "k")
	case how == 1:
		_, _, err = p.GetDel(ctx, "k")
	case how == 2:
		err = p.DelMany(ctx, []string{"x", "k"})
	case how == 3:
		_, _, err = p.Swap(ctx, "k", r.value(version))
	case how == 4:
		err = p.SetMany(ctx, []adaptor.Entry{{Key: "k", Value: r.value(version)}})
	default:
		err = p.handle.Set(ctx, "k", r.value(version))
	}
	assert.NoError(r, err)
	r.written.Store(version)
}
