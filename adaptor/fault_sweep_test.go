package adaptor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// at is the state of a key: the stored text, and its time to live in minutes. 0 minutes: it never expires.
type at struct {
	text    string
	minutes int
}

func (s *shelf) at(key string) at {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, found := s.entries[key]
	switch {
	case !found:
		return at{}
	case e.deadline.IsZero():
		return at{e.text, 0}
	}
	return at{e.text, int(time.Until(e.deadline).Round(time.Minute) / time.Minute)}
}

func (a at) shelved() shelved {
	if a.minutes == 0 {
		return shelved{text: a.text}
	}
	return shelved{a.text, time.Now().Add(time.Duration(a.minutes) * time.Minute)}
}

// swept is one operation on the key "k" of a handle with a default time to live of 120 minutes.
type swept struct {
	name string
	do   func(ctx context.Context, h adaptor.Typed[string], value string) (result any, err error)
	// want returns the result, and the state after the operation.
	want func(before at, isValue bool, value string) (any, at)
}

// found is the result of an operation that returns a value.
func found(before at, isValue bool) any {
	if isValue {
		return before.text
	}
	return nil
}

func text(value string) string {
	text, _ := json.Marshal(value)
	return string(text)
}

// taken is the result of an operation that returns a text.
func taken(text []byte, found bool, err error) (any, error) {
	if err != nil || !found {
		return nil, err
	}
	return string(text), nil
}

const oldText = `"old"`

var sweptOperations = []swept{
	{"Get", func(ctx context.Context, h adaptor.Typed[string], _ string) (any, error) {
		return taken(h.Store().GetRaw(ctx, "k"))
	}, func(before at, isValue bool, _ string) (any, at) { return found(before, isValue), before }},
	{"Has", func(ctx context.Context, h adaptor.Typed[string], _ string) (any, error) { return h.Has(ctx, "k") },
		func(before at, isValue bool, _ string) (any, at) { return isValue, before }},
	{"Set", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return nil, h.Set(ctx, "k", value)
	}, func(_ at, _ bool, value string) (any, at) { return nil, at{text(value), 120} }},
	{"Set, WithTTL", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return nil, h.Set(ctx, "k", value, adaptor.Option{}, adaptor.WithTTL(time.Hour/2))
	}, func(_ at, _ bool, value string) (any, at) { return nil, at{text(value), 30} }},
	{"Set, WithKeepTTL", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return nil, h.Set(ctx, "k", value, adaptor.Option{}, adaptor.WithKeepTTL())
	}, func(before at, isValue bool, value string) (any, at) { return nil, kept(before, isValue, value) }},
	{"SetMany, WithKeepTTL", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return nil, h.SetMany(ctx, map[string]string{"k": value}, adaptor.Option{}, adaptor.WithKeepTTL())
	}, func(before at, isValue bool, value string) (any, at) { return nil, kept(before, isValue, value) }},
	{"SetMany", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return nil, h.SetMany(ctx, map[string]string{"k": value}, adaptor.Option{})
	}, func(_ at, _ bool, value string) (any, at) { return nil, at{text(value), 120} }},
	{"Set, with a zero option", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return nil, h.Set(ctx, "k", value, adaptor.Option{})
	}, func(_ at, _ bool, value string) (any, at) { return nil, at{text(value), 120} }},
	{"SetNX, with a zero option", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return h.SetNX(ctx, "k", value, adaptor.Option{})
	}, func(before at, isValue bool, value string) (any, at) {
		return stored(before, isValue, at{text(value), 120})
	}},
	{"SetNX", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return h.SetNX(ctx, "k", value)
	}, func(before at, isValue bool, value string) (any, at) {
		return stored(before, isValue, at{text(value), 120})
	}},
	{"SetNX, WithTTL", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return h.SetNX(ctx, "k", value, adaptor.Option{}, adaptor.WithTTL(time.Hour/2))
	}, func(before at, isValue bool, value string) (any, at) {
		return stored(before, isValue, at{text(value), 30})
	}},
	{"CompareAndSwap", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return h.CompareAndSwap(ctx, "k", "old", value)
	}, func(before at, isValue bool, value string) (any, at) {
		_, after := stored(before, !isValue, at{text(value), 120})
		return isValue, after
	}},
	{"CompareAndSwap, with a zero option", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return h.CompareAndSwap(ctx, "k", "old", value, adaptor.Option{})
	}, func(before at, isValue bool, value string) (any, at) {
		_, after := stored(before, !isValue, at{text(value), 120})
		return isValue, after
	}},
	{"CompareAndSwap, WithKeepTTL", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return h.CompareAndSwap(ctx, "k", "old", value, adaptor.Option{}, adaptor.WithKeepTTL())
	}, func(before at, isValue bool, value string) (any, at) {
		_, after := stored(before, !isValue, at{text(value), before.minutes})
		return isValue, after
	}},
	{"CompareAndDelete", func(ctx context.Context, h adaptor.Typed[string], _ string) (any, error) {
		return h.Store().CompareAndDelete(ctx, "k", "old")
	}, func(before at, isValue bool, _ string) (any, at) {
		_, after := stored(before, !isValue, at{})
		return isValue, after
	}},
	{"Del", func(ctx context.Context, h adaptor.Typed[string], _ string) (any, error) { return nil, h.Del(ctx, "k") },
		func(at, bool, string) (any, at) { return nil, at{} }},
	{"DelMany", func(ctx context.Context, h adaptor.Typed[string], _ string) (any, error) {
		return nil, h.DelMany(ctx, []string{"k"})
	}, func(at, bool, string) (any, at) { return nil, at{} }},
	{"GetDel", func(ctx context.Context, h adaptor.Typed[string], _ string) (any, error) {
		return taken(h.Store().GetDel(ctx, "k"))
	}, func(before at, isValue bool, _ string) (any, at) { return found(before, isValue), at{} }},
	{"Swap", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return taken(h.Store().Swap(ctx, "k", value))
	}, func(before at, isValue bool, value string) (any, at) {
		return found(before, isValue), at{text(value), 0}
	}},
	{"Swap, WithKeepTTL", func(ctx context.Context, h adaptor.Typed[string], value string) (any, error) {
		return taken(h.Store().Swap(ctx, "k", value, adaptor.Option{}, adaptor.WithKeepTTL()))
	}, func(before at, isValue bool, value string) (any, at) {
		return found(before, isValue), kept(before, isValue, value)
	}},
	{"GetExpire", func(ctx context.Context, h adaptor.Typed[string], _ string) (any, error) {
		return taken(h.Store().GetExpire(ctx, "k", time.Hour/2))
	}, func(before at, isValue bool, _ string) (any, at) {
		_, after := stored(before, !isValue, at{before.text, 30})
		return found(before, isValue), after
	}},
	{"Expire", func(ctx context.Context, h adaptor.Typed[string], _ string) (any, error) {
		return h.Expire(ctx, "k", time.Hour/2)
	}, func(before at, isValue bool, _ string) (any, at) {
		_, after := stored(before, !isValue, at{before.text, 30})
		return isValue, after
	}},
}

// kept is the state after a write that keeps the deadline of a value.
func kept(before at, isValue bool, value string) at {
	if isValue {
		return at{text(value), before.minutes}
	}
	return at{text(value), 0}
}

// stored is the result and the state after a write of next, unless the write is hindered.
func stored(before at, hindered bool, next at) (bool, at) {
	if hindered {
		return false, before
	}
	return true, next
}

// In each operation, each step of a backend fails in each way, or the caller leaves during it. An operation
// without an error is applied as a whole. An error that is surely not applied has changed nothing. Values have
// up to 64 KiB.
func TestEachFaultAtEachStepOfAnOperation(t *testing.T) {
	for _, op := range sweptOperations {
		for name, before := range map[string]at{"nothing": {}, "value": {oldText, 60}, "none": {placeholderText, 60}} {
			for kind, open := range map[string]func(p *process) driver.AtomicOpener{
				"without optional interfaces": func(p *process) driver.AtomicOpener { return p },
				"with optional interfaces":    func(p *process) driver.AtomicOpener { return rich{p} },
				"intercepted": func(p *process) driver.AtomicOpener {
					return driver.Intercept(rich{p}, func(ctx context.Context, c *driver.Call) error { return c.Next(ctx) })
				},
			} {
				t.Run(op.name+" over "+name+", "+kind, func(t *testing.T) {
					t.Parallel()
					steps := sweepOperation(t, op, open, before, -1, 0)
					require.Positive(t, steps)
					for step := range steps {
						for n := range len(faults) + 2 {
							sweepOperation(t, op, open, before, n, step)
						}
					}
				})
			}
		}
	}
}

// sweepOperation runs op once. The fault n meets the given step; there is none if n is negative. It returns the
// number of steps.
func sweepOperation(t *testing.T, op swept, open func(*process) driver.AtomicOpener, before at, n, step int) (steps int) {
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithCancel(ctx)
		defer leave()
		all := append(leaving(leave), faults...)
		p := newShelf().process()
		if before.text != "" {
			p.entries["k"] = before.shelved()
		}
		name := "no fault"
		p.trouble = func(context.Context, string) *fault {
			steps++
			if n >= 0 && steps == step+1 {
				name = fmt.Sprint(all[n].name, ", step ", step)
				return all[n]
			}
			return nil
		}
		value := strings.Repeat("x", sizes[(step+max(n, 0))%len(sizes)])
		s, err := adaptor.NewAtomic(open(p)).Namespace("ns")
		require.NoError(t, err)
		begin := time.Now()
		result, err := op.do(ctx, adaptor.Of[string](s, adaptor.DefaultTTL(2*time.Hour)), value)
		assert.LessOrEqual(t, time.Since(begin), clientTimeout, name)

		wantResult, wantAfter := op.want(before, before.text == oldText, value)
		after, unknown := p.at("k"), adaptor.OutcomeUnknown(err)
		if err == nil {
			assert.Equal(t, wantResult, result, name)
			assert.Equal(t, wantAfter, after, name)
			return
		}
		require.GreaterOrEqual(t, n, 0, "%v", err)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
		assert.True(t, errors.Is(err, errRefused) || errors.Is(err, errLost) || errors.Is(err, context.Canceled), "%s: %v", name, err)
		switch {
		case !unknown:
			assert.Equal(t, before, after, "%s: the error claims that nothing was applied", name)
		case errors.Is(err, errRefused):
			assert.NotEqual(t, before, after, "%s: the outcome is known", name)
		default:
			assert.Contains(t, []string{before.text, wantAfter.text}, after.text, name)
			assert.Contains(t, []int{before.minutes, wantAfter.minutes}, after.minutes, name)
		}
	})
	return steps
}

// In GetOrLoad, each step of a backend fails in each way, or the caller leaves during it. The other callers get
// the value. A placeholder remains only if the step that removes it has failed, and the next call loads and
// stores again.
func TestEachFaultAtEachStepOfALoad(t *testing.T) {
	for name, before := range map[string]at{
		"nothing": {}, "value": {oldText, 60}, "none": {placeholderText, 60},
		"load of a dead process": {` "kv:load DEAD"`, 1}, "shared load of dead processes": {` "kv:load DEAD shared"`, 1},
	} {
		for _, none := range []bool{false, true} {
			for _, callers := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s, none %v, %d callers", name, none, callers), func(t *testing.T) {
					t.Parallel()
					l := sweptLoad{before, none, callers}
					steps := l.run(t, -1, 0)
					for step := range steps {
						for n := range len(faults) + 2 {
							l.run(t, n, step)
						}
					}
				})
			}
		}
	}
}

type sweptLoad struct {
	before  at
	none    bool // the result of the load
	callers int
}

// run runs one load. The fault n meets the given step. It returns the number of steps.
func (l sweptLoad) run(t *testing.T, n, step int) (steps int) {
	synctest.Test(t, func(t *testing.T) {
		first, leave := context.WithCancel(ctx)
		defer leave()
		all := append(leaving(leave), faults...)
		p := newShelf().process()
		if l.before.text != "" {
			p.entries["k"] = l.before.shelved()
		}
		var name, met string    // the fault, and the method of the step
		var loading atomic.Bool // a loader runs
		ofRenewal := false      // the fault meets a renewal
		p.trouble = func(_ context.Context, op string) *fault {
			steps++
			if n >= 0 && steps == step+1 {
				name, met = fmt.Sprint(all[n].name, ", step ", step, ", ", op), op
				ofRenewal = loading.Load()
				return all[n]
			}
			return nil
		}
		settled := l.before.text == oldText || l.before.text == placeholderText
		value := strings.Repeat("x", sizes[(step+max(n, 0))%len(sizes)])
		var loads, unstored atomic.Int64
		h := adaptor.Of[string](p.store(t), adaptor.DefaultTTL(2*time.Hour), adaptor.NoneTTL(time.Hour/2),
			adaptor.OnUnstored(func(context.Context, error) { unstored.Add(1) }))
		load := func(ctx context.Context) (adaptor.Loaded[string], error) {
			loads.Add(1)
			loading.Store(true)
			defer loading.Store(false)
			loaded, err := slowly(4*time.Minute, value)(ctx) // with two renewals of the placeholder
			loaded.None = l.none
			return loaded, err
		}
		wantText := text(value)
		switch {
		case settled:
			wantText = l.before.text
		case l.none:
			wantText = placeholderText
		}
		type outcome struct {
			got   string
			found bool
			err   error
			took  time.Duration
		}
		outcomes := make([]outcome, l.callers)
		together(l.callers, func(i int) {
			ctx := ctx
			if i == 0 {
				ctx = first
			}
			time.Sleep(time.Duration(i) * time.Second)
			begin, o := time.Now(), &outcomes[i]
			o.got, o.found, o.err = h.GetOrLoad(ctx, "k", load)
			o.took = time.Since(begin)
		})
		time.Sleep(time.Minute) // for the end of a load that all callers have left

		after, begun := p.at("k"), loads.Load()
		failed := make([]bool, l.callers)
		for i, o := range outcomes {
			assert.Less(t, o.took, 5*time.Minute, name)
			if failed[i] = o.err != nil; failed[i] {
				assert.False(t, o.found, name)
				assert.ErrorIs(t, o.err, adaptor.ErrStoreOperationFailed, name)
				assert.False(t, adaptor.OutcomeUnknown(o.err), name)
				continue
			}
			assert.Equal(t, wantText != placeholderText, o.found, name)
			if o.found {
				assert.Equal(t, wantText, text(o.got), name)
			}
		}
		switch {
		case n < 0:
			assert.NotContains(t, failed, true)
			assert.Equal(t, wantText, after.text)
			assert.Zero(t, unstored.Load())
		case settled:
			assert.Equal(t, wantText, after.text, name)
			assert.InDelta(t, 60, after.minutes, 2, name)
			assert.Zero(t, begun, name)
		case strings.HasPrefix(after.text, ` "kv:load`):
			// A load leaves the placeholder that it shares with a dead process.
			ownEnd := met == "CompareAndDelete" || met == "CompareAndSwap" && begun > 0
			assert.True(t, l.before.text != "" || ownEnd, "%s: the placeholder of a load is left", name)
		case after.text != "":
			assert.Equal(t, wantText, after.text, name)
		}
		if ofRenewal && (n >= 2 || l.callers > 1) {
			assert.Equal(t, wantText, after.text, "%s: the result is stored after a failed renewal", name)
			assert.Zero(t, unstored.Load(), name)
		}
		stayed := met != "Get" && n >= 0 && n < 2 && l.callers > 1
		if stayed && !settled {
			assert.Equal(t, wantText, after.text, "%s: the result is stored for the callers that stay", name)
			assert.EqualValues(t, 1, begun, name)
			assert.NotContains(t, failed[1:], true, name)
		}
		if left := n >= 0 && n < 2 && l.callers == 1; left && (met == "Get" || met == "SetNX") {
			assert.Zero(t, begun, "%s: no load begins after all callers have left", name)
		}
		if begun > 0 && after.text != wantText && !failed[0] {
			assert.EqualValues(t, 1, unstored.Load(), "%s: a load without a stored result is reported", name)
		}

		p.mu.Lock()
		n = -1 // no further fault
		p.mu.Unlock()
		got, found, err := h.GetOrLoad(ctx, "k", load)
		require.NoError(t, err, name)
		assert.Equal(t, wantText != placeholderText, found, name)
		if found {
			assert.Equal(t, wantText, text(got), name)
		}
		assert.Equal(t, wantText, p.at("k").text, "%s: the next call stores the result", name)
		want := 120
		switch {
		case settled:
			want = 60
		case l.none:
			want = 30
		}
		assert.InDelta(t, want, p.at("k").minutes, 3, name)
	})
	return steps
}

// Other callers change the key between the read and the write of a handle. The handle reads again, and stores its
// value with the time to live that the last state of the key requires.
func TestTypedWritesOfAKeyThatChanges(t *testing.T) {
	states := []at{{}, {placeholderText, 60}, {oldText, 60}, {}, {oldText, 0}, {` "kv:load ABC"`, 5}, {`"other"`, 10}}
	for name, write := range map[string]func(h adaptor.Typed[string]) error{
		"Set": func(h adaptor.Typed[string]) error { return h.Set(ctx, "k", "value", adaptor.WithKeepTTL()) },
		"SetMany": func(h adaptor.Typed[string]) error {
			return h.SetMany(ctx, map[string]string{"k": "value"}, adaptor.WithKeepTTL())
		},
		"SetNX": func(h adaptor.Typed[string]) error {
			_, err := h.SetNX(ctx, "k", "value")
			return err
		},
	} {
		for last := range states {
			synctest.Test(t, func(t *testing.T) {
				p := newShelf().process()
				i := 0
				change := func() {
					delete(p.entries, "k")
					if state := states[i]; state.text != "" {
						p.entries["k"] = state.shelved()
					}
				}
				change()
				p.fail = func(op string) error {
					if op != "Get" && i < last {
						i++
						change()
					}
					return nil
				}
				h := adaptor.Of[string](p.store(t), adaptor.DefaultTTL(2*time.Hour))
				require.NoError(t, write(h))
				state := states[i]
				isValue := state.text != "" && !strings.HasPrefix(state.text, " ")
				want := kept(state, isValue, "value")
				if name == "SetNX" {
					_, want = stored(state, isValue, at{text("value"), 120})
				}
				assert.Equal(t, want, p.at("k"), "%s, %d changes", name, i)
			})
		}
	}
}
