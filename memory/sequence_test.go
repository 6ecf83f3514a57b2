package memory_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
			if o.Kind < model.Kinds {
				want := expected.apply(entryID{o.Store, o.Key}, o)
				if got := o.Do(ctx, stores[o.Store], modelKeys[o.Key]); got != want {
					difference = describe(i, o, got, want)
					return
				}
				continue
			}
			ids, paths := included(o)
			results := o.DoMany(contextOf(o), stores[o.Store], paths)
			for n, got := range results {
				each := o.At(n)
				if got.Code == adaptor.CodeStoreOperationFailed && o.Ends > 0 {
					if !got.Unknown { // surely not applied
						continue
					}
					// The operation was applied to this key, or was not: the store decides.
					now := model.Operation{Kind: model.Get}.Do(ctx, stores[ids[n].store], modelKeys[ids[n].key])
					if kept := (model.Operation{Kind: model.Get}); now == expected.apply(ids[n], kept) {
						continue
					}
					expected.apply(ids[n], each)
					if want := expected.apply(ids[n], model.Operation{Kind: model.Get}); now != want {
						difference = describe(i, each, now, want)
						return
					}
					continue
				}
				if want := expected.apply(ids[n], each); got != want {
					difference = describe(i, each, got, want)
					return
				}
			}
		}
	})
	return difference
}

// contextOf returns the context of an operation on many keys: it ends when the operation has looked at it
// o.Ends times.
func contextOf(o model.Operation) context.Context {
	if o.Ends == 0 {
		return ctx
	}
	return &endsAfter{ctx, o.Ends}
}

type endsAfter struct {
	context.Context
	left int
}

func (c *endsAfter) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func describe(i int, o model.Operation, got, want model.Result) string {
	brief := func(r model.Result) model.Result {
		if n := len(r.Text); n > 80 {
			r.Text = fmt.Sprintf("%s… (%d bytes)", r.Text[:40], n)
		}
		return r
	}
	return fmt.Sprintf("operation %d, %v\ngot      %+v\nexpected %+v", i, o, brief(got), brief(want))
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

// included returns the entries that o includes, and their paths.
func included(o model.Operation) (ids []entryID, paths []adaptor.KeyPath) {
	for store, path := range modelPaths {
		below, is := under(modelPaths[o.Store], path)
		if !is || len(below) > 0 && !o.Below() {
			continue
		}
		for key, name := range modelKeys {
			ids = append(ids, entryID{store, key})
			paths = append(paths, adaptor.KeyPath{Path: below, Key: name})
		}
	}
	return ids, paths
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
			Ends:  rapid.SampledFrom(modelEnds).Draw(r, "ends"),
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
				Ends:  modelEnds[int(data[1]&15)/len(modelKeys)],
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
	modelValues = []string{`1`, `2`, `"1"`, `null`, `9223372036854775807`, `{"a":1}`, `5.0`,
		modelText("a", 256), modelText("b", 257), modelText("c", 257), modelText("d", 4<<10-30), modelText("e", 4<<10-30), modelText("f", 4<<10), modelText("g", 64<<10)}
	modelBy     = []int64{1, -1, 5, 0, 9223372036854775807, -9223372036854775808}
	modelTTLs   = []time.Duration{0, driver.KeepTTL, time.Millisecond, 2 * time.Millisecond, 10 * time.Millisecond, time.Hour}
	modelPauses = []time.Duration{0, 0, 0, 1, time.Millisecond - 1, time.Millisecond, time.Millisecond + 1, 10 * time.Millisecond, time.Second}
	modelEnds   = []int{0, 0, 1, 3, 40, 65} // in a Clear of 64 shards, 65 is in the last shard
)

// modelText returns a JSON text of n bytes.
func modelText(letter string, n int) string { return `"` + strings.Repeat(letter, n-2) + `"` }
