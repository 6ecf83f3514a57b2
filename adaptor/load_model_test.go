package adaptor_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

// No order of loads and writes of several processes on one key brings an old value back. Each step takes
// a random time. A write changes the source of the loads first, as [adaptor.Typed.GetOrLoad] requires. An
// odd version of the source means that there is no value.
func TestRandomLoads(t *testing.T) {
	const runs = 300
	for _, processes := range []int{1, 2, 3} {
		for _, faults := range []bool{false, true} {
			t.Run(fmt.Sprint(processes, " processes, faults ", faults), func(t *testing.T) {
				t.Parallel()
				for range runs {
					seed := rand.Uint64()
					synctest.Test(t, func(t *testing.T) {
						(&randomLoads{T: t, random: rand.New(rand.NewPCG(seed, 0)), faults: faults}).run(processes)
					})
					require.False(t, t.Failed(), "seed %d", seed)
				}
			})
		}
	}
}

type randomLoads struct {
	*testing.T
	faults bool

	mu     sync.Mutex
	random *rand.Rand

	source  atomic.Int64 // the version that a load reads
	written atomic.Int64 // the version of the last write that has returned
	writes  atomic.Int64 // the number of writes that have begun
}

// loading is a process with its handle.
type loading struct {
	*adaptor.AtomicKVStore
	handle  adaptor.Typed[int64]
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
	shared := newShelf()
	all := make([]*loading, processes)
	for i := range all {
		p := shared.process()
		p.pause = func(string) { r.wait(20 * time.Microsecond) }
		s := p.store(r)
		all[i] = &loading{AtomicKVStore: s, handle: adaptor.Of[int64](s, adaptor.DefaultTTL(time.Hour), adaptor.NoneTTL(time.Hour), adaptor.Jitter(0.3))}
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
	time.Sleep(time.Second) // for loads that all callers have left

	shared.mu.Lock()
	text, there := shared.entries["k"]
	shared.mu.Unlock()
	value, found, err := all[0].handle.Get(ctx, "k")
	assert.NoError(r, err)
	switch {
	case found:
		assert.Equal(r, r.source.Load(), value, "an old value is stored")
	case there && strings.HasPrefix(text.text, ` "kv:load`):
		assert.True(r, r.faults && processes > 1, "the placeholder of a load is left")
	case there:
		assert.NotZero(r, r.source.Load()%2, "there is a value")
	}
}

// ask calls GetOrLoad once. The caller may leave early.
func (r *randomLoads) ask(p *loading) {
	least := r.written.Load()
	c, cancel := context.WithCancel(ctx)
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
	value, found, err := p.handle.GetOrLoad(c, "k", func(context.Context) (adaptor.Loaded[int64], error) { return r.load(p) })
	switch {
	case err != nil:
		assert.True(r, r.faults, "%v", err)
	case found:
		assert.GreaterOrEqual(r, value, least, "a value that is older than a finished write")
	default:
		assert.False(r, least == r.source.Load() && least%2 == 0, "there is a value")
	}
}

func (r *randomLoads) load(p *loading) (adaptor.Loaded[int64], error) {
	if p.running.Add(1) > 1 {
		assert.NotZero(r, r.writes.Load()+p.left.Load(), "two concurrent loads in a process without a write and without a caller that left")
	}
	defer p.running.Add(-1)
	version := r.source.Load()
	r.wait(100 * time.Microsecond)
	if r.faults {
		switch r.intN(12) {
		case 0:
			return adaptor.Loaded[int64]{}, io.EOF
		case 1:
			panic(io.ErrUnexpectedEOF)
		case 2:
			runtime.Goexit()
		}
	}
	return adaptor.Loaded[int64]{Value: version, None: version%2 != 0}, nil
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
		_, _, err = p.Swap(ctx, "k", version)
	case how == 4:
		err = p.SetMany(ctx, []adaptor.Entry{{Key: "k", Value: version}})
	default:
		err = p.handle.Set(ctx, "k", version)
	}
	assert.NoError(r, err)
	r.written.Store(version)
}
