package adaptor_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

// During loads of two processes, the source is changed and then the key is deleted or set. A later
// caller never gets the old value, and the old value is not stored. The seed decides the order of all
// steps of all callers, in a thousand orders.
func TestWriteDuringALoadWins(t *testing.T) {
	var values, nones, nothing int // how often a run ends with this at the key
	for seed := range uint64(1000) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 8))
			var mu sync.Mutex
			doze := func(most int) {
				mu.Lock()
				d := time.Duration(random.IntN(most)) * time.Microsecond
				mu.Unlock()
				time.Sleep(d)
			}
			shared := newShelf()
			var source atomic.Int64 // the version that a load reads
			var written atomic.Int64
			var typed []adaptor.Typed[int64]
			var plain []*adaptor.AtomicKVStore
			for range 2 {
				p := shared.process()
				p.pause = func(string) { doze(20) }
				plain = append(plain, p.store(t))
				typed = append(typed, adaptor.Of[int64](plain[len(plain)-1], adaptor.DefaultTTL(time.Hour), adaptor.NoneTTL(time.Hour)))
			}
			ask := func(h adaptor.Typed[int64]) {
				least := written.Load() // the last write that returned before this call
				var mine int64
				value, found, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int64], error) {
					mine = source.Load()
					doze(100)
					return adaptor.Loaded[int64]{Value: mine, None: mine%2 == 1}, nil
				})
				assert.NoError(t, err)
				if found {
					assert.GreaterOrEqual(t, value, least, "seed %d: a deleted value came back", seed)
				} else {
					assert.False(t, least%2 == 0 && least == source.Load(), "seed %d: a value was stored before the call", seed)
				}
			}
			rest := 50 + int(seed%8)*60 // with some seeds the writes come after all callers
			write := func(i int) {
				doze(rest)
				version := source.Add(1)
				var err error
				switch h := typed[i%2]; {
				case i < 2:
					err = h.Del(ctx, "k")
				case i < 4:
					err = plain[i%2].Del(ctx, "k")
				case version%2 == 0:
					err = h.Set(ctx, "k", version)
				default:
					err = h.Del(ctx, "k")
				}
				assert.NoError(t, err)
				written.Store(version)
			}
			var group sync.WaitGroup
			for i := range 6 {
				group.Go(func() {
					for range 3 {
						doze(100)
						ask(typed[i%2])
					}
				})
			}
			group.Go(func() {
				for range 2 + seed%2 { // version 2 is a value, and version 3 is none
					mu.Lock()
					how := random.IntN(6)
					mu.Unlock()
					write(how)
				}
			})
			group.Wait()
			last := source.Load()
			value, found, err := typed[0].Get(ctx, "k")
			require.NoError(t, err)
			if found {
				require.Equal(t, last, value, "seed %d: a deleted value is stored", seed)
			}
			e, there := shared.entries["k"]
			switch {
			case !there:
				nothing++
			case e.text == placeholderText:
				nones++
				require.EqualValues(t, 1, last%2, "seed %d: an obsolete \"none\" is stored", seed)
			default:
				values++
				require.True(t, found, "seed %d: the placeholder of a load is left", seed)
			}
		})
	}
	t.Log(values, nones, nothing)
	for kind, n := range map[string]int{"value": values, "none": nones, "nothing": nothing} {
		assert.Greater(t, n, 20, "the runs must end in each way: %s", kind)
	}
}

// A caller that comes after a Del does not share a load that began before the Del.
func TestCallerAfterADelGetsTheNewValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newShelf()
		h, other := adaptor.Of[string](shared.process().store(t)), shared.process().store(t)
		together(2, func(i int) {
			if i == 0 {
				value, _, err := h.GetOrLoad(ctx, "k", slowly(time.Minute, "old"))
				assert.NoError(t, err)
				assert.Equal(t, "new", value, "the first caller gets the written value")
				return
			}
			time.Sleep(time.Second)
			assert.NoError(t, other.Del(ctx, "k")) // another process
			together(10, func(int) {
				value, _, err := h.GetOrLoad(ctx, "k", slowly(time.Second, "new"))
				assert.NoError(t, err)
				assert.Equal(t, "new", value)
			})
			assert.Less(t, time.Now().Second(), 30, "no later caller waited for the first load")
		})
		value, _, err := h.Get(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, "new", value)
	})
}

// A load that finds a value at its key must not pass it to a caller that comes after a Del and joins
// before the load has ended.
func TestCallerReadsAgainAfterALoadThatWasNotNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newShelf()
		p, other := shared.process(), shared.process().store(t)
		h := adaptor.Of[string](p.store(t))
		var placeholders, reads atomic.Int64
		p.pause = func(op string) {
			switch {
			case op == "SetNX" && placeholders.Add(1) == 1: // the caller has found no value
				assert.NoError(t, other.Set(ctx, "k", "old"))
			case op == "Get" && reads.Add(1) == 4: // the load has read "old"
				time.Sleep(time.Minute)
			}
		}
		together(2, func(i int) {
			time.Sleep(time.Duration(i) * time.Second)
			if i == 1 {
				assert.NoError(t, other.Del(ctx, "k"))
			}
			value, _, err := h.GetOrLoad(ctx, "k", slowly(time.Second, "new"))
			assert.NoError(t, err)
			assert.Equal(t, "new", value)
		})
	})
}
