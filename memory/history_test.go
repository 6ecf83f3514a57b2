package memory_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

var (
	histories   = flag.Int("histories", 20, "how many histories TestHistories checks")
	historySeed = flag.Uint64("history.seed", 0, "the seed of the first history; 0: a new one each time")
)

const (
	historyGoroutines = 8
	historyOperations = 960
)

// TestHistories records what concurrent operations on few keys returned, and checks
// that each key's operations could have happened one after the other, each between its
// call and its return.
func TestHistories(t *testing.T) {
	seed := *historySeed
	if seed == 0 {
		seed = rand.Uint64() | 1
	}
	for i := range uint64(*histories) {
		history := record(t, openMemory(), seed+i)
		require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(historyModel, history, time.Minute),
			"not linearizable, or undecided: repeat with -history.seed=%d -histories=1", seed+i)
	}
}

// record runs random operations from many goroutines.
func record(t testing.TB, kv adaptor.AtomicKVAdaptor, seed uint64) []porcupine.Operation {
	store, err := kv.Namespace("history")
	require.NoError(t, err)
	// Values of few kinds and short TTLs, so that everything meets everything.
	values := []string{`1`, `2`, `3`, `"x"`}
	ttls := []time.Duration{0, 0, -1, time.Millisecond, time.Millisecond, 2 * time.Millisecond, time.Hour}
	parts := make([][]porcupine.Operation, historyGoroutines)
	start := time.Now()
	var wg sync.WaitGroup
	for g := range historyGoroutines {
		r := rand.New(rand.NewPCG(seed, uint64(g)))
		wg.Go(func() {
			for range historyOperations / historyGoroutines {
				o := operation{
					kind:  kind(r.IntN(int(kinds))),
					key:   r.IntN(6),
					value: values[r.IntN(len(values))],
					old:   values[r.IntN(len(values))],
					by:    1,
					ttl:   ttls[r.IntN(len(ttls))],
				}.sane()
				for range r.IntN(3) * 2000 { // some time, of which the scheduler may take more
					_ = r.Uint64()
				}
				call := time.Since(start)
				got := do(store, fmt.Sprint(o.key), o)
				parts[g] = append(parts[g], porcupine.Operation{
					ClientId: g, Input: timed{o, int64(call), 0}, Output: got,
					Call: int64(call), Return: int64(time.Since(start)),
				})
			}
		})
	}
	wg.Wait()
	var all []porcupine.Operation
	for _, part := range parts {
		for _, o := range part {
			in := o.Input.(timed)
			in.ret = o.Return
			o.Input = in
			all = append(all, o)
		}
	}
	return all
}

// timed is an operation that happened at one moment in [call, ret].
type timed struct {
	operation
	call, ret int64
}

// keyState is what is known of a key: the deadline is somewhere in [lo, hi], since a
// write in [c, r] with a TTL may die anywhere in [c+ttl, r+ttl]. Later reads narrow it.
type keyState struct {
	found  bool
	text   string
	dies   bool
	lo, hi int64
}

var historyModel = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		keys := map[int][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(timed).key
			keys[key] = append(keys[key], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range keys {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{keyState{}} },
	Step: func(state, input, output any) []any {
		s, in, out := state.(keyState), input.(timed), output.(result)
		var next []any
		if s.found && (!s.dies || in.call < s.hi) { // it may have been alive
			alive := s
			if s.dies {
				alive.lo = max(s.lo, in.call+1)
			}
			if n, possible := alive.after(in, out); possible {
				next = append(next, n)
			}
		}
		if !s.found || s.dies && in.ret >= s.lo { // it may have been gone
			if n, possible := (keyState{}).after(in, out); possible {
				next = append(next, n)
			}
		}
		return next
	},
}).ToModel()

// after is the state that o leaves, if it may have returned out.
func (s keyState) after(o timed, out result) (keyState, bool) {
	found, text, change, want := apply(o.operation, s.found, s.text)
	s.found, s.text = found, text
	switch {
	case !found || change == clear:
		s = keyState{found: found, text: text}
	case change == set:
		s.dies, s.lo, s.hi = true, o.call+int64(o.ttl), o.ret+int64(o.ttl)
	}
	left := out.left
	out.left = 0
	if out != want {
		return s, false
	}
	if !found || want.code != "" || o.kind != opTTL && o.kind != opIncr {
		return s, left == 0
	}
	if s.dies != (left != 0) {
		return s, false
	}
	if s.dies {
		lo, hi := o.call+int64(left), o.ret+int64(left)
		if left == time.Millisecond { // or anything below
			lo = o.call + 1
		}
		s.lo, s.hi = max(s.lo, lo), min(s.hi, hi)
	}
	return s, !s.dies || s.lo <= s.hi
}
