package memory_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/model"
	"github.com/zelt-go/kv/memory"
)

// sequence runs operations one after the other on a fresh MemoryKV, in a bubble with
// its collector at work, beside a plain map and an exact clock. It returns the first
// difference, or "".
func sequence(t *testing.T, open func() adaptor.AtomicKVAdaptor, ops []model.Operation) (difference string) {
	type modelEntry struct {
		text     string
		deadline time.Time // zero: none
	}
	type entryID struct{ store, key int }
	synctest.Test(t, func(t *testing.T) {
		kv := open()
		if m, isMemory := kv.(*memory.MemoryKV); isMemory {
			require.NoError(t, m.Start(ctx))
			defer func() { require.NoError(t, m.Stop(ctx)) }()
		}
		var stores []*adaptor.AtomicKVStore
		for _, path := range modelPaths {
			s, err := kv.Namespace(path[0])
			for _, name := range path[1:] {
				require.NoError(t, err)
				s, err = s.Namespace(name)
			}
			require.NoError(t, err)
			stores = append(stores, s)
		}
		entries := map[entryID]modelEntry{}
		expected := func(id entryID, o model.Operation) model.Result {
			e, found := entries[id]
			if found && !e.deadline.IsZero() && !time.Now().Before(e.deadline) {
				e, found = modelEntry{}, false
			}
			found, text, change, want := o.Apply(found, e.text)
			e.text = text
			switch change {
			case model.ClearDeadline:
				e.deadline = time.Time{}
			case model.SetDeadline:
				e.deadline = time.Now().Add(o.TTL)
			}
			if found {
				entries[id] = e
			} else {
				delete(entries, id)
			}
			if o.ReturnsTTL() && found && want.Code == "" && !e.deadline.IsZero() {
				want.Left = max(time.Until(e.deadline), time.Millisecond)
			}
			return want
		}
		for i, o := range ops {
			time.Sleep(o.Pause)
			var got, want []model.Result
			if o.Kind < model.Kinds {
				want = append(want, expected(entryID{o.Store, o.Key}, o))
				got = append(got, o.Do(ctx, stores[o.Store], modelKeys[o.Key]))
			} else {
				var places []adaptor.Place
				for store, path := range modelPaths {
					if below, is := under(modelPaths[o.Store], path); is && (len(below) == 0 || o.Below()) {
						for key, name := range modelKeys {
							want = append(want, expected(entryID{store, key}, o.At(key)))
							places = append(places, adaptor.Place{Path: below, Key: name})
						}
					}
				}
				got = o.DoMany(ctx, stores[o.Store], places)
			}
			if !slices.Equal(got, want) {
				difference = fmt.Sprintf("operation %d, %v\ngot      %+v\nexpected %+v", i, o, got, want)
				return
			}
		}
	})
	return difference
}

// under returns how path goes on after root, if it begins so.
func under(root, path []string) (below []string, is bool) {
	if len(path) < len(root) || !slices.Equal(root, path[:len(root)]) {
		return nil, false
	}
	return path[len(root):], true
}

func openMemory() adaptor.AtomicKVAdaptor {
	kv, err := memory.New(memory.Config{GCInterval: 7 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	return kv
}

// TestSequences is the state machine: all operations, several namespaces, time passing
// between steps. -rapid.checks=N sets how many cases, -rapid.seed repeats one.
func TestSequences(t *testing.T) {
	pick := rapid.Custom(func(r *rapid.T) model.Operation {
		return model.Operation{
			Kind:  model.Kind(rapid.IntRange(0, int(model.AllKinds)-1).Draw(r, "kind")),
			Store: rapid.IntRange(0, len(modelPaths)-1).Draw(r, "store"),
			Key:   rapid.IntRange(0, len(modelKeys)-1).Draw(r, "key"),
			Value: rapid.SampledFrom(modelValues).Draw(r, "value"),
			Old:   rapid.SampledFrom(modelValues).Draw(r, "old"),
			By:    rapid.SampledFrom(modelBy).Draw(r, "by"),
			TTL:   rapid.SampledFrom(modelTTLs).Draw(r, "ttl"),
			Pause: rapid.SampledFrom(modelPauses).Draw(r, "pause"),
		}.WithValidTTL()
	})
	rapid.Check(t, func(r *rapid.T) {
		ops := rapid.SliceOfN(pick, 1, 60).Draw(r, "operations")
		if difference := sequence(t, openMemory, ops); difference != "" {
			r.Fatal(difference)
		}
	})
}

// FuzzSequence: the same, with the operations made of bytes, four each.
func FuzzSequence(f *testing.F) {
	f.Add([]byte("\x03\x00\x02\x00\x00\x00\x00\x05"))
	f.Add([]byte("\x06\x00\x00\x03\x06\x00\x00\x13\x02\x00\x00\x22\x08\x01\x01\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var ops []model.Operation
		for ; len(data) >= 4 && len(ops) < 200; data = data[4:] {
			ops = append(ops, model.Operation{
				Kind:  model.Kind(data[0]&31) % model.AllKinds,
				Store: int(data[0]>>5) % len(modelPaths),
				Key:   int(data[1]) % len(modelKeys),
				Value: modelValues[int(data[1]>>4)%len(modelValues)],
				Old:   modelValues[int(data[2])%len(modelValues)],
				By:    modelBy[int(data[2]>>4)%len(modelBy)],
				TTL:   modelTTLs[int(data[3])%len(modelTTLs)],
				Pause: modelPauses[int(data[3]>>4)%len(modelPauses)],
			}.WithValidTTL())
		}
		if difference := sequence(t, openMemory, ops); difference != "" {
			t.Fatal(difference)
		}
	})
}

// The values that operations are made of: few, so that they meet.
var (
	modelKeys   = []string{"k", "", "b:k"}
	modelPaths  = [][]string{{"a"}, {"a", "b"}, {"ab"}}
	modelValues = []string{`1`, `2`, `"1"`, `null`, `9223372036854775807`, `{"a":1}`, `5.0`}
	modelBy     = []int64{1, -1, 5, 0, 9223372036854775807, -9223372036854775808}
	modelTTLs   = []time.Duration{0, driver.KeepTTL, time.Millisecond, 2 * time.Millisecond, 10 * time.Millisecond, time.Hour}
	modelPauses = []time.Duration{0, 0, 0, 1, time.Millisecond - 1, time.Millisecond, time.Millisecond + 1, 10 * time.Millisecond, time.Second}
)
