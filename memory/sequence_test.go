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

// sequence runs operations one after the other on a new adaptor, and on a map with an exact clock. Time
// is fake, and the collector of a MemoryKV runs. sequence returns a description of the first
// difference, or "".
func sequence(t *testing.T, open func() adaptor.AtomicKVAdaptor, ops []model.Operation) (difference string) {
	synctest.Test(t, func(t *testing.T) {
		kv := open()
		if m, isMemory := kv.(*memory.MemoryKV); isMemory {
			require.NoError(t, m.Start(ctx))
			defer func() { require.NoError(t, m.Stop(ctx)) }()
		}
		stores, expected := openModelStores(t, kv), expectedEntries{}
		for i, o := range ops {
			time.Sleep(o.Pause)
			var got, want []model.Result
			if o.Kind < model.Kinds {
				want = append(want, expected.apply(entryID{o.Store, o.Key}, o))
				got = append(got, o.Do(ctx, stores[o.Store], modelKeys[o.Key]))
			} else {
				var paths []adaptor.KeyPath
				paths, want = expected.applyMany(o)
				got = o.DoMany(ctx, stores[o.Store], paths)
			}
			if !slices.Equal(got, want) {
				difference = fmt.Sprintf("operation %d, %v\ngot      %+v\nexpected %+v", i, o, got, want)
				return
			}
		}
	})
	return difference
}

// openModelStores opens the store of each path in modelPaths.
func openModelStores(t *testing.T, kv adaptor.AtomicKVAdaptor) (stores []*adaptor.AtomicKVStore) {
	for _, path := range modelPaths {
		s, err := kv.Namespace(path[0])
		for _, name := range path[1:] {
			require.NoError(t, err)
			s, err = s.Namespace(name)
		}
		require.NoError(t, err)
		stores = append(stores, s)
	}
	return stores
}

// expectedEntries contains the entries that the stores should contain, by the model.
type expectedEntries map[entryID]expectedEntry

type entryID struct{ store, key int }

type expectedEntry struct {
	text     string
	deadline time.Time // zero if the entry never expires
}

// apply applies o to one entry, and returns the expected result.
func (entries expectedEntries) apply(id entryID, o model.Operation) model.Result {
	e, found := entries[id]
	if found && !e.deadline.IsZero() && !time.Now().Before(e.deadline) {
		e, found = expectedEntry{}, false
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

// applyMany applies o to each entry that it includes. It returns the paths of these entries, and the
// expected results.
func (entries expectedEntries) applyMany(o model.Operation) (paths []adaptor.KeyPath, want []model.Result) {
	for store, path := range modelPaths {
		below, is := under(modelPaths[o.Store], path)
		if !is || len(below) > 0 && !o.Below() {
			continue
		}
		for key, name := range modelKeys {
			want = append(want, entries.apply(entryID{store, key}, o.At(key)))
			paths = append(paths, adaptor.KeyPath{Path: below, Key: name})
		}
	}
	return paths, want
}

// under returns the rest of path after root, and reports whether path begins with root.
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
	return throughIntercept(kv)
}

// Random sequences of all operations in several namespaces, with time between the steps, give the
// results of the model. -rapid.checks=N sets the number of cases, and -rapid.seed repeats a case.
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

// FuzzSequence checks sequences like TestSequences. Each operation is made of four bytes.
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

// Operations use few different values, so that several operations use the same one.
var (
	modelKeys   = []string{"k", "", "b:k"}
	modelPaths  = [][]string{{"a"}, {"a", "b"}, {"ab"}}
	modelValues = []string{`1`, `2`, `"1"`, `null`, `9223372036854775807`, `{"a":1}`, `5.0`}
	modelBy     = []int64{1, -1, 5, 0, 9223372036854775807, -9223372036854775808}
	modelTTLs   = []time.Duration{0, driver.KeepTTL, time.Millisecond, 2 * time.Millisecond, 10 * time.Millisecond, time.Hour}
	modelPauses = []time.Duration{0, 0, 0, 1, time.Millisecond - 1, time.Millisecond, time.Millisecond + 1, 10 * time.Millisecond, time.Second}
)
