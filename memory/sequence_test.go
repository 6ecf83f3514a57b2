package memory_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

// sequence runs operations one after the other on a fresh MemoryKV, in a bubble with
// its collector at work, beside a plain map and an exact clock. It returns the first
// difference, or "".
func sequence(t *testing.T, open func() adaptor.AtomicKVAdaptor, ops []operation) (difference string) {
	type modelEntry struct {
		text     string
		deadline time.Time // zero: none
	}
	type place struct{ store, key int }
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
		model := map[place]modelEntry{}
		for i, o := range ops {
			time.Sleep(o.pause)
			at := place{o.store, o.key}
			e, found := model[at]
			if found && !e.deadline.IsZero() && !time.Now().Before(e.deadline) {
				e, found = modelEntry{}, false
			}
			found, text, change, want := apply(o, found, e.text)
			e.text = text
			switch change {
			case clear:
				e.deadline = time.Time{}
			case set:
				e.deadline = time.Now().Add(o.ttl)
			}
			if found {
				model[at] = e
			} else {
				delete(model, at)
			}
			if (o.kind == opTTL || o.kind == opIncr) && found && want.code == "" && !e.deadline.IsZero() {
				want.left = max(time.Until(e.deadline), time.Millisecond)
			}
			if got := do(stores[o.store], modelKeys[o.key], o); got != want {
				difference = fmt.Sprintf("operation %d, %v\ngot      %+v\npromised %+v", i, o, got, want)
				return
			}
		}
	})
	return difference
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
	pick := rapid.Custom(func(r *rapid.T) operation {
		return operation{
			kind:  kind(rapid.IntRange(0, int(kinds)-1).Draw(r, "kind")),
			store: rapid.IntRange(0, len(modelPaths)-1).Draw(r, "store"),
			key:   rapid.IntRange(0, len(modelKeys)-1).Draw(r, "key"),
			value: rapid.SampledFrom(modelValues).Draw(r, "value"),
			old:   rapid.SampledFrom(modelValues).Draw(r, "old"),
			by:    rapid.SampledFrom(modelBy).Draw(r, "by"),
			ttl:   rapid.SampledFrom(modelTTLs).Draw(r, "ttl"),
			pause: rapid.SampledFrom(modelPauses).Draw(r, "pause"),
		}.sane()
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
		var ops []operation
		for ; len(data) >= 4 && len(ops) < 200; data = data[4:] {
			ops = append(ops, operation{
				kind:  kind(data[0]) % kinds,
				store: int(data[0]>>4) % len(modelPaths),
				key:   int(data[1]) % len(modelKeys),
				value: modelValues[int(data[1]>>4)%len(modelValues)],
				old:   modelValues[int(data[2])%len(modelValues)],
				by:    modelBy[int(data[2]>>4)%len(modelBy)],
				ttl:   modelTTLs[int(data[3])%len(modelTTLs)],
				pause: modelPauses[int(data[3]>>4)%len(modelPauses)],
			}.sane())
		}
		if difference := sequence(t, openMemory, ops); difference != "" {
			t.Fatal(difference)
		}
	})
}
