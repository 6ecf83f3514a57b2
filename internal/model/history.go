package model

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/zelt-go/kv/adaptor"
)

// A Load calls random operations on few keys from several goroutines.
type Load struct {
	Goroutines int
	Operations int // per goroutine
	TTLs       []time.Duration
	Values     []string // JSON texts; nil means few short ones
	Seed       uint64

	// Slack is how much earlier or later an entry may expire than by the clock of this process. A
	// server's clock has a coarser resolution.
	Slack time.Duration

	// Pause is called before each operation. Nil means a short random amount of work.
	Pause func(r *rand.Rand)

	// Rests makes all goroutines sleep together for some milliseconds from time to time. Without
	// it, each key is written so often that entries seldom reach their deadline. After a sleep,
	// goroutines collide less often, so a check also needs histories without Rests.
	Rests bool
}

// Mixed contains TTLs that are short enough to expire during a history.
var Mixed = []time.Duration{0, 0, -1, time.Millisecond, time.Millisecond, 2 * time.Millisecond, time.Hour}

// Record runs the load on a namespace that no other caller uses. It returns a history for
// [Linearizable]. The history does not contain failed calls that were surely not applied. failed is
// the number of failed calls; unknown is the number of failed calls that may have been applied.
func (l Load) Record(store *adaptor.AtomicKVStore) (history []porcupine.Operation, failed, unknown int) {
	values := l.Values
	if values == nil {
		values = []string{`1`, `2`, `3`, `"x"`}
	}
	pause := l.Pause
	if pause == nil {
		pause = func(r *rand.Rand) {
			for range r.IntN(3) * 2000 { // some time, which the scheduler may prolong
				_ = r.Uint64()
			}
		}
	}
	if l.Rests {
		pause = withSleeps(pause)
	}
	paths := make([]adaptor.KeyPath, 6)
	for i := range paths {
		paths[i].Key = fmt.Sprint(i)
	}
	parts := make([][]porcupine.Operation, l.Goroutines)
	counts := make([]struct{ failed, unknown int }, l.Goroutines)
	start := time.Now()
	var wg sync.WaitGroup
	for g := range l.Goroutines {
		r := rand.New(rand.NewPCG(l.Seed, uint64(g)))
		wg.Go(func() {
			for range l.Operations {
				o := Operation{
					Kind:  Kind(r.IntN(int(Kinds))),
					Key:   r.IntN(len(paths)),
					Value: values[r.IntN(len(values))],
					Old:   values[r.IntN(len(values))],
					By:    1,
					TTL:   l.TTLs[r.IntN(len(l.TTLs))],
				}
				if r.IntN(4*len(paths)) == 0 { // a fifth of the operations on a key
					o.Kind = []Kind{GetMany, SetMany, DelMany, Keys, Clear}[r.IntN(5)]
				}
				o = o.WithValidTTL()
				pause(r)
				call := time.Since(start)
				var results []Result
				if o.Kind < Kinds {
					results = []Result{o.Do(context.Background(), store, paths[o.Key].Key)}
				} else {
					results = o.DoMany(context.Background(), store, paths)
				}
				returned := time.Since(start)
				for i, got := range results {
					each, ret := o, returned
					if o.Kind >= Kinds {
						each = o.At(i)
					}
					if got.Code == adaptor.CodeStoreOperationFailed {
						counts[g].failed++
						if !got.Unknown {
							continue
						}
						counts[g].unknown++
						ret = math.MaxInt64 / 4 // it may be applied at any later time
					}
					parts[g] = append(parts[g], porcupine.Operation{
						ClientId: g, Input: timedOperation{each, int64(call), int64(ret), int64(l.Slack)}, Output: got,
						Call: int64(call), Return: int64(ret),
					})
				}
			}
		})
	}
	wg.Wait()
	for g, part := range parts {
		history = append(history, part...)
		failed += counts[g].failed
		unknown += counts[g].unknown
	}
	return history, failed, unknown
}

// withSleeps returns a function that calls pause and sometimes sleeps. All goroutines sleep
// together.
func withSleeps(pause func(*rand.Rand)) func(*rand.Rand) {
	var awake sync.RWMutex
	return func(r *rand.Rand) {
		if r.IntN(200) == 0 {
			awake.Lock()
			time.Sleep(time.Duration(r.Int64N(int64(4 * time.Millisecond))))
			awake.Unlock()
		}
		awake.RLock()
		pause(r)
		awake.RUnlock()
	}
}

// Linearizable checks whether the operations on each key could have happened one after the other,
// each between its call and its return. The result is porcupine.Unknown if a check takes longer
// than limit.
func Linearizable(history []porcupine.Operation, limit time.Duration) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(historyModel, history, limit)
}

// A timedOperation is an operation that took effect at one moment in [call, ret].
type timedOperation struct {
	Operation
	call, ret, slack int64
}

// keyState is the known state of a key. The deadline is between lo and hi: after a write with a TTL
// during [c, r], the entry expires within [c+ttl, r+ttl]. Later reads narrow the range.
type keyState struct {
	found   bool
	text    string
	expires bool
	lo, hi  int64
}

var historyModel = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		keys := map[int][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(timedOperation).Key
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
		s, in, out := state.(keyState), input.(timedOperation), output.(Result)
		var next []any
		if out.Unknown { // applied, or not
			next = append(next, s)
		}
		if s.found && (!s.expires || in.call < s.hi) { // the entry may have been live
			alive := s
			if s.expires && !out.Unknown {
				alive.lo = max(s.lo, in.call+1)
			}
			if n, possible := alive.after(in, out); possible {
				next = append(next, n)
			}
		}
		if !s.found || s.expires && in.ret >= s.lo { // the entry may have been absent
			if n, possible := (keyState{}).after(in, out); possible {
				next = append(next, n)
			}
		}
		return next
	},
}).ToModel()

// after returns the state after o, and reports whether o may have returned out in state s.
func (s keyState) after(o timedOperation, out Result) (keyState, bool) {
	found, text, change, want := o.Apply(s.found, s.text)
	s.found, s.text = found, text
	switch {
	case !found || change == ClearDeadline:
		s = keyState{found: found, text: text}
	case change == SetDeadline:
		s.expires, s.lo, s.hi = true, o.call+int64(o.TTL)-o.slack, o.ret+int64(o.TTL)+o.slack
	}
	if out.Unknown { // the result of the call is not known
		return s, true
	}
	left := out.Left
	out.Left = 0
	if out != want {
		return s, false
	}
	if !found || want.Code != "" || !o.ReturnsTTL() {
		return s, left == 0
	}
	if s.expires != (left != 0) {
		return s, false
	}
	if s.expires {
		lo, hi := o.call+int64(left)-o.slack, o.ret+int64(left)+o.slack
		if left == time.Millisecond { // or less, because TTL rounds up
			lo = o.call + 1
		}
		s.lo, s.hi = max(s.lo, lo), min(s.hi, hi)
	}
	return s, !s.expires || s.lo <= s.hi
}
