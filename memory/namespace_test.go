package memory_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/memory"
)

// 1,000,000 random pairs of path and key never collide. They consist of bytes with a meaning in
// some encoding. A new pair is missing, and a known pair has its own value.
func TestPathsAndKeysNeverCollide(t *testing.T) {
	t.Parallel()
	pairs := 1_000_000
	if testing.Short() {
		pairs = 100_000
	}
	pieces := []string{"a", "b", ":", "/", "%", "{", "}", "*", `\`, "\x00", "\xff", "é", "%2F", "%3A", "%25", "%7B", `\u0000`, "::", "a/b", "a:b"}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	text := func(least int) string {
		var b strings.Builder
		for range least + r.IntN(3) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
	kv := newKV(t)
	type pair struct {
		path [3]string
		key  string
	}
	seen := make(map[pair]int64, pairs)
	physical := make(map[string]pair, pairs)
	for i := range int64(pairs) {
		var p pair
		depth := 1 + r.IntN(3)
		for d := range depth {
			p.path[d] = text(1)
		}
		p.key = text(0)
		s, err := kv.Namespace(p.path[0])
		require.NoError(t, err)
		for _, name := range p.path[1:depth] {
			s, err = s.Namespace(name)
			require.NoError(t, err)
		}
		before, found, err := adaptor.Get[int64](ctx, s, p.key)
		require.NoError(t, err)
		if want, known := seen[p]; found != known || before != want {
			t.Fatalf("seed %d: %q reads %d, %v; stored %d, %v", seed, p, before, found, want, known)
		}
		flat := driver.Key(p.path[:depth], p.key)
		if other, known := physical[flat]; known && other != p {
			t.Fatalf("seed %d: %q and %q are both %q", seed, p, other, flat)
		}
		physical[flat], seen[p] = p, i
		require.NoError(t, s.Set(ctx, p.key, i))
	}
	assert.Equal(t, len(seen), kv.Stats().Entries)
}

func TestNamespacesAreIsolated(t *testing.T) {
	kv := newKV(t)
	open := func(path ...string) *adaptor.AtomicKVStore {
		s, err := kv.Namespace(path[0])
		for _, name := range path[1:] {
			require.NoError(t, err)
			s, err = s.Namespace(name)
		}
		require.NoError(t, err)
		return s
	}
	long := strings.Repeat("n", 64<<10)
	stores := []struct {
		s   *adaptor.AtomicKVStore
		key string
	}{
		{open("ab"), "c"},
		{open("a"), "bc"},
		{open("a"), "b:c"},
		{open("a", "b"), "c"},
		{open("a/b"), "c"},
		{open("a:b"), "c"},
		{open("users"), "Abc1"},
		{open("usersAbc"), "1"},
		{open("users"), ""},
		{open("users"), "\x00"},
		{open("users"), "\x00\x00"},
		{open("\xff"), "\xff"},
		{open("\ufffd"), "\ufffd"},
		{open("line\nbreak"), "line\nbreak"},
		{open(long), long},
		{open(long), long + "x"},
	}
	for i, st := range stores {
		no(t)(st.s.Has(ctx, st.key))
		require.NoError(t, st.s.Set(ctx, st.key, i))
	}
	for i, st := range stores {
		n, found, err := adaptor.Get[int](ctx, st.s, st.key)
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, i, n)
	}
	again := open("a", "b")
	assert.Equal(t, "3", raw(t, again, "c"), "the same path is the same data")
}

// A namespace without entries takes no memory after its handles are gone.
func TestUsedNamespacesTakeNoMemory(t *testing.T) {
	kv := newKV(t)
	held := int64(0)
	for i := range 10_000 {
		s, err := kv.Namespace(fmt.Sprint("tenant-", i))
		require.NoError(t, err)
		require.NoError(t, s.Set(ctx, "k", i))
		require.NoError(t, s.Del(ctx, "k"))
		if i == 1000 {
			held = kv.Stats().Bytes
		}
	}
	assert.Equal(t, memory.Stats{Bytes: held}, kv.Stats())
	assert.Less(t, held, int64(64<<10), "the memory kept for the next entries")
}
