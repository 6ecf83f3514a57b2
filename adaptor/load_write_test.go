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

// The source is changed, then the key is deleted or set, while loads run, in two
// processes: whoever asks after that never gets what was before, and it is not stored. All
// steps of all parties happen in an order that the seed says, a thousand times.
func TestAWriteDuringALoadWins(t *testing.T) {
	var values, nones, nothing int // what lies there in the end
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
			var source atomic.Int64 // the version that a load finds
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
				least := written.Load() // what was deleted or set before this call began
				var mine int64
				value, found, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int64], error) {
					mine = source.Load()
					doze(100)
					return adaptor.Loaded[int64]{Value: mine, None: mine%2 == 1}, nil
				})
				assert.NoError(t, err)
				if found {
					assert.GreaterOrEqual(t, value, least, "seed %d: a value that was deleted came back", seed)
				} else {
					assert.False(t, least%2 == 0 && least == source.Load(), "seed %d: there is one by now", seed)
				}
			}
			rest := 50 + int(seed%8)*60 // some seeds write later than all ask
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
				for range 2 + seed%2 { // of which 2 is a value, and 3 is none
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
				require.Equal(t, last, value, "seed %d: what was deleted is stored", seed)
			}
			e, there := shared.entries["k"]
			switch {
			case !there:
				nothing++
			case e.text == placeholderText:
				nones++
				require.EqualValues(t, 1, last%2, "seed %d: that there was none is stored", seed)
			default:
				values++
				require.True(t, found, "seed %d: the note of a load is left", seed)
			}
		})
	}
	t.Log(values, nones, nothing)
	for kind, n := range map[string]int{"value": values, "none": nones, "nothing": nothing} {
		assert.Greater(t, n, 20, "the test must see each end: %s", kind)
	}
}

// A caller that comes after a Del does not share a load that began before it.
func TestACallerAfterADelGetsTheNewValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newShelf()
		h, other := adaptor.Of[string](shared.process().store(t)), shared.process().store(t)
		together(2, func(i int) {
			if i == 0 {
				value, _, err := h.GetOrLoad(ctx, "k", slowly(time.Minute, "old"))
				assert.NoError(t, err)
				assert.Equal(t, "new", value, "what was written meanwhile wins for the caller too")
				return
			}
			time.Sleep(time.Second)
			assert.NoError(t, other.Del(ctx, "k")) // another process
			together(10, func(int) {
				value, _, err := h.GetOrLoad(ctx, "k", slowly(time.Second, "new"))
				assert.NoError(t, err)
				assert.Equal(t, "new", value)
			})
			assert.Less(t, time.Now().Second(), 30, "nobody waited for the first load")
		})
		value, _, err := h.Get(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, "new", value)
	})
}

// A load that finds that it is not needed has seen a value which a later caller must not get:
// that one comes after a Del, and joins before the load's end.
func TestWhatALoadHasSeenMayBeGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newShelf()
		p, other := shared.process(), shared.process().store(t)
		h := adaptor.Of[string](p.store(t))
		var notes, reads atomic.Int64
		p.pause = func(op string) {
			switch {
			case op == "SetNX" && notes.Add(1) == 1: // the caller has seen nothing
				assert.NoError(t, other.Set(ctx, "k", "old"))
			case op == "Get" && reads.Add(1) == 4: // the load has seen "old"
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
