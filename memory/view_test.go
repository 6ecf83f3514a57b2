package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/mutant"
)

// Readers without the lock run while writers delete, rewrite, clean segments, renew views and
// resize indexes. A stable key is always found, with a stored value, and never with an older value
// than before. A key that was never stored is not found.
func TestReadersFindStableEntries(t *testing.T) {
	t.Parallel()
	const stable, operations = 20, 20_000
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 1 << 20}) // one shard, so that all goroutines collide
	text := func(version int) []byte {
		return []byte(`"` + strconv.Itoa(version) + strings.Repeat("x", version%50) + `"`)
	}
	version := func(text []byte) int {
		n, err := strconv.Atoi(strings.TrimRight(strings.Trim(string(text), `"`), "x"))
		if err != nil {
			t.Errorf("%q was never stored", text)
		}
		return n
	}
	key := func(i int) string { return fmt.Sprint("stable/", i) }
	for i := range stable {
		require.NoError(t, s.Set(ctx, key(i), text(0), driver.NoTTL))
	}
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for reader := range 2 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(reader), 1))
			var seen [stable]int
			for {
				select {
				case <-stop:
					return
				default:
				}
				i := r.IntN(stable)
				value, found, _ := s.Get(ctx, key(i))
				if !found {
					t.Errorf("%s was not found", key(i))
					return
				}
				if now := version(value); now < seen[i] {
					t.Errorf("version %d after %d", now, seen[i])
					return
				} else {
					seen[i] = now
				}
				if found, _ := s.Has(ctx, "none"+key(i)); found {
					t.Error("a key that was never stored was found")
					return
				}
			}
		})
	}
	for writer := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(writer), 2))
			for n := range operations {
				switch k := fmt.Sprint(writer, "/", r.IntN(500)); r.IntN(5) {
				case 0:
					assert.NoError(t, s.Del(ctx, k))
				case 1: // only one writer writes a stable key, so that its versions rise
					assert.NoError(t, s.Set(ctx, key(2*r.IntN(stable/2)+writer), text(n), driver.NoTTL))
				default:
					assert.NoError(t, s.Set(ctx, k, text(n+r.IntN(1000)), driver.NoTTL))
				}
				if n%4000 == 3999 {
					for i := range 500 {
						assert.NoError(t, s.Del(ctx, fmt.Sprint(writer, "/", i)))
					}
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	verify(t, s.kv)
}

// A reader may be delayed after it has loaded a slot. It then finds the record of that moment or
// none, regardless of the writes in between.
func TestStaleRefNeverLeadsToAnotherRecord(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 1 << 20}) // one shard
	r := rand.New(rand.NewPCG(1, 2))
	key := func(i int) string { return fmt.Sprint("key/", i) }
	for range 300 {
		for range 200 {
			i := r.IntN(200)
			require.NoError(t, s.Set(ctx, key(i), make([]byte, 100+r.IntN(400)), driver.NoTTL))
			require.NoError(t, s.Del(ctx, key(i*3%200)))
		}
		v := s.kv.shards[0].view.Load()
		slots := map[string]ref{}
		for i := range 200 {
			if r, p := v.find(indexHash(s.hash(key(i))), &s.namespace, key(i)); r != nil {
				slots[key(i)] = p.ref()
			}
		}
		for range 200 {
			i := r.IntN(200)
			require.NoError(t, s.Set(ctx, key(i), make([]byte, 100+r.IntN(400)), driver.NoTTL))
		}
		for key, at := range slots {
			r := v.at(at)
			require.True(t, r == nil || s.namespace.matches(r, key))
		}
	}
}

// A reader whose slot refers to a removed segment looks again under the lock.
func TestReadersRetryUnderTheLock(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 1 << 20})
	require.NoError(t, s.Set(ctx, "k", []byte(`"v"`), driver.NoTTL))
	sh, hash := s.locate("k")
	for name, read := range map[string]func() bool{
		"Get": func() bool { text, found, _ := s.Get(ctx, "k"); return found && string(text) == `"v"` },
		"Has": func() bool { found, _ := s.Has(ctx, "k"); return found },
	} {
		t.Run(name, func(t *testing.T) {
			sh.mu.Lock()
			_, p := sh.find(hash, &s.namespace, "k")
			segment := &sh.view.Load().segments[p.ref().segment()]
			first := segment.Swap(nil)
			found := make(chan bool, 1)
			go func() { found <- read() }()
			for len(found) == 0 && sh.mu.gate.TryLock() { // until it waits for the lock
				sh.mu.gate.Unlock()
				runtime.Gosched()
			}
			segment.Store(first)
			sh.mu.Unlock()
			assert.True(t, <-found)
		})
	}
}

// The tests of readers find bugs in the code that readers depend on. Each bug is planted
// separately.
func TestReaderTestsFindBugs(t *testing.T) {
	t.Parallel()
	for bug, m := range map[string]struct{ file, old, new string }{
		"a segment number is used again immediately":      {"log.go", "l.retiredNumbers = append(l.retiredNumbers, number)", "l.freeNumbers = append(l.freeNumbers, number)"},
		"segment numbers are used again with old buckets": {"log.go", "buckets: slices.Clone(v.buckets), segments: copySegments(v.segments, len(v.segments))", "buckets: v.buckets, segments: v.segments"},
		"Get does not find a moved record":                {"store.go", "r == nil && pos.bucket == nil", "r == nil && pos.slot >= 0"},
		"Has does not find a moved record":                {"store.go", "case r == nil && pos.bucket == nil:\n\t\ts.kv.reads.count(false)\n\t\treturn false", "case r == nil && pos.slot >= 0:\n\t\ts.kv.reads.count(false)\n\t\treturn false"},
		"Get reads an unsealed text without the lock":     {"store.go", "r.kind() >= sealed && s.isLive(r)", "s.isLive(r)"},
		"a sealed text is overwritten":                    {"record.go", "r.kind() == sealed || left < 0", "left < 0"},
		"a search ends in the home bucket":                {"view.go", "if tags < overflowUnit {\n\t\t\treturn nil, position{}\n\t\t}\n\t\tif i", "if true {\n\t\t\treturn nil, position{}\n\t\t}\n\t\tif i"},
	} {
		t.Run(bug, func(t *testing.T) {
			output, failed := mutant.Test(t, m.file, m.old, m.new, "-run", "^(TestReadersFindStableEntries|TestReadersRetryUnderTheLock|TestStaleRefNeverLeadsToAnotherRecord)$", "-count", "200", "-failfast", ".")
			assert.True(t, failed, "the planted bug was not found: %s\n%s", bug, output)
		})
	}
}
