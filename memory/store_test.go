package memory_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/memory"
)

var ctx = context.Background()

func newKV(t testing.TB) *memory.MemoryKV {
	t.Helper()
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	return kv
}

func newStore(t testing.TB) *adaptor.AtomicKVStore {
	t.Helper()
	store, err := newKV(t).Namespace("test")
	require.NoError(t, err)
	return store
}

// bubble runs f in a synctest bubble, on a fresh store.
func bubble(t *testing.T, f func(t *testing.T, s *adaptor.AtomicKVStore)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newStore(t)) })
}

func raw(t testing.TB, s adaptor.Reader, key string) string {
	t.Helper()
	text, found, err := s.GetRaw(ctx, key)
	require.NoError(t, err)
	if !found {
		return "absent"
	}
	return string(text)
}

func ttlOf(t testing.TB, s *adaptor.AtomicKVStore, key string) time.Duration {
	t.Helper()
	ttl, found, err := s.TTL(ctx, key)
	require.NoError(t, err)
	require.True(t, found)
	return ttl
}

func ok(t testing.TB) func(done bool, err error) {
	return func(done bool, err error) {
		t.Helper()
		require.NoError(t, err)
		require.True(t, done)
	}
}

func no(t testing.TB) func(done bool, err error) {
	return func(done bool, err error) {
		t.Helper()
		require.NoError(t, err)
		require.False(t, done)
	}
}

func TestSetGetDelHas(t *testing.T) {
	type user struct{ ID, Name string }
	s := newStore(t)

	_, found, err := adaptor.Get[user](ctx, s, "u")
	require.NoError(t, err)
	assert.False(t, found)
	no(t)(s.Has(ctx, "u"))
	require.NoError(t, s.Del(ctx, "u"), "a missing key is no error")

	require.NoError(t, s.Set(ctx, "u", user{"1", "Ada"}))
	got, found, err := adaptor.Get[user](ctx, s, "u")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, user{"1", "Ada"}, got)
	ok(t)(s.Has(ctx, "u"))

	require.NoError(t, s.Del(ctx, "u"))
	no(t)(s.Has(ctx, "u"))
}

func TestNullIsFound(t *testing.T) {
	s := newStore(t)
	require.NoError(t, s.Set(ctx, "k", nil))
	assert.Equal(t, "null", raw(t, s, "k"))
	got, found, err := adaptor.Get[struct{ A int }](ctx, s, "k")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Zero(t, got)
}

// Absent from the deadline on, to the nanosecond, for every operation, whether
// swept or not.
func TestEntryIsAbsentFromItsDeadline(t *testing.T) {
	const ttl = 1500 * time.Millisecond
	write := map[string]func(s *adaptor.AtomicKVStore) error{
		"Set": func(s *adaptor.AtomicKVStore) error { return s.Set(ctx, "k", 7, adaptor.WithTTL(ttl)) },
		"SetNX": func(s *adaptor.AtomicKVStore) error {
			_, err := s.SetNX(ctx, "k", 7, adaptor.WithTTL(ttl))
			return err
		},
		"Incr": func(s *adaptor.AtomicKVStore) error {
			_, err := s.Incr(ctx, "k", 7, adaptor.WithTTL(ttl))
			return err
		},
		"Expire": func(s *adaptor.AtomicKVStore) error {
			_, err := s.Expire(ctx, "k", ttl)
			return errors.Join(s.Set(ctx, "k", 7), err, second(s.Expire(ctx, "k", ttl)))
		},
		"CompareAndSwap": func(s *adaptor.AtomicKVStore) error {
			return errors.Join(s.Set(ctx, "k", 1), second(s.CompareAndSwap(ctx, "k", 1, 7, adaptor.WithTTL(ttl))))
		},
	}
	type check func(t *testing.T, s *adaptor.AtomicKVStore, live bool)
	checks := map[string]check{
		"GetRaw": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			assert.Equal(t, map[bool]string{true: "7", false: "absent"}[live], raw(t, s, "k"))
		},
		"Has": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			found, err := s.Has(ctx, "k")
			require.NoError(t, err)
			assert.Equal(t, live, found)
		},
		"Expire": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			found, err := s.Expire(ctx, "k", time.Hour)
			require.NoError(t, err)
			assert.Equal(t, live, found)
			assert.Equal(t, live, raw(t, s, "k") == "7", "Expire must not revive")
		},
		"TTL": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			left, found, err := s.TTL(ctx, "k")
			require.NoError(t, err)
			assert.Equal(t, live, found)
			if live {
				assert.Equal(t, time.Millisecond, left, "1 ns left reads as 1 ms")
			}
		},
		"Incr": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			n, left, err := s.IncrTTL(ctx, "k", 1)
			require.NoError(t, err)
			if live {
				assert.Equal(t, int64(8), n)
				assert.Equal(t, time.Millisecond, left)
			} else {
				assert.Equal(t, int64(1), n)
				assert.Zero(t, left)
			}
		},
		"SetNX": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			stored, err := s.SetNX(ctx, "k", "new")
			require.NoError(t, err)
			assert.Equal(t, !live, stored)
		},
		"CompareAndSwap": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			swapped, err := s.CompareAndSwap(ctx, "k", 7, 8)
			require.NoError(t, err)
			assert.Equal(t, live, swapped)
		},
		"CompareAndDelete": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			deleted, err := s.CompareAndDelete(ctx, "k", 7)
			require.NoError(t, err)
			assert.Equal(t, live, deleted)
		},
		"Set with KeepTTL": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			require.NoError(t, s.Set(ctx, "k", 9, adaptor.WithKeepTTL()))
			left := ttlOf(t, s, "k")
			assert.Equal(t, live, left > 0, "an expired deadline is nothing to keep")
		},
	}
	for written, w := range write {
		for name, check := range checks {
			for _, live := range []bool{true, false} {
				bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
					require.NoError(t, w(s))
					assert.Equal(t, ttl, ttlOf(t, s, "k"))
					time.Sleep(ttl - 1)
					if !live {
						time.Sleep(time.Nanosecond)
					}
					check(t, s, live)
					if t.Failed() {
						t.Fatalf("written by %s, checked by %s, live %v", written, name, live)
					}
				})
			}
		}
	}
}

func second(_ bool, err error) error { return err }

func TestTTLIsRoundedUpToMilliseconds(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{
		1:                           time.Millisecond,
		time.Millisecond:            time.Millisecond,
		time.Millisecond + 1:        2 * time.Millisecond,
		1500 * time.Microsecond:     2 * time.Millisecond,
		time.Hour - 1:               time.Hour,
		math.MaxInt64:               math.MaxInt64 / time.Millisecond * time.Millisecond,
		math.MaxInt64 - time.Second: (math.MaxInt64/time.Millisecond - 999) * time.Millisecond,
	} {
		bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
			require.NoError(t, s.Set(ctx, "set", 1, adaptor.WithTTL(given)))
			assert.Equal(t, want, ttlOf(t, s, "set"))
			require.NoError(t, s.Set(ctx, "expire", 1))
			ok(t)(s.Expire(ctx, "expire", given))
			assert.Equal(t, want, ttlOf(t, s, "expire"))
			_, left, err := s.IncrTTL(ctx, "incr", 1, adaptor.WithTTL(given))
			require.NoError(t, err)
			assert.Equal(t, want, left)
		})
	}
}

func TestLongestTTLDoesNotOverflow(t *testing.T) {
	bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
		time.Sleep(24 * 365 * time.Hour) // so that now + ttl is beyond int64
		require.NoError(t, s.Set(ctx, "k", 1, adaptor.WithTTL(math.MaxInt64)))
		time.Sleep(24 * 365 * 100 * time.Hour)
		assert.Equal(t, "1", raw(t, s, "k"))
		assert.Equal(t, time.Duration(math.MaxInt64), ttlOf(t, s, "k"), "further away than a Duration holds")
		_, left, err := s.IncrTTL(ctx, "n", 1, adaptor.WithTTL(math.MaxInt64))
		require.NoError(t, err)
		assert.Equal(t, left, ttlOf(t, s, "n"))
	})
}

func TestSetReplacesTheTTL(t *testing.T) {
	bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
		require.NoError(t, s.Set(ctx, "k", 1, adaptor.WithTTL(time.Minute)))
		time.Sleep(time.Second)
		require.NoError(t, s.Set(ctx, "k", 2, adaptor.WithKeepTTL()))
		assert.Equal(t, 59*time.Second, ttlOf(t, s, "k"))
		require.NoError(t, s.Set(ctx, "k", 3, adaptor.WithTTL(time.Hour)))
		assert.Equal(t, time.Hour, ttlOf(t, s, "k"))
		require.NoError(t, s.Set(ctx, "k", 4))
		assert.Zero(t, ttlOf(t, s, "k"))
		require.NoError(t, s.Set(ctx, "k", 5, adaptor.WithKeepTTL(), adaptor.Option{}))
		assert.Zero(t, ttlOf(t, s, "k"), "had none, keeps none")
		require.NoError(t, s.Set(ctx, "new", 1, adaptor.WithKeepTTL()))
		assert.Zero(t, ttlOf(t, s, "new"))
	})
}

func TestCompareAndSwapReplacesTheTTL(t *testing.T) {
	bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
		require.NoError(t, s.Set(ctx, "k", 1, adaptor.WithTTL(time.Minute)))
		time.Sleep(time.Second)
		no(t)(s.CompareAndSwap(ctx, "k", 0, 2, adaptor.WithTTL(time.Hour)))
		assert.Equal(t, 59*time.Second, ttlOf(t, s, "k"), "lost: nothing changes")
		ok(t)(s.CompareAndSwap(ctx, "k", 1, 2, adaptor.WithKeepTTL()))
		assert.Equal(t, 59*time.Second, ttlOf(t, s, "k"))
		ok(t)(s.CompareAndSwap(ctx, "k", 2, 2, adaptor.WithTTL(time.Hour)))
		assert.Equal(t, time.Hour, ttlOf(t, s, "k"))
		ok(t)(s.CompareAndSwap(ctx, "k", 2, 3))
		assert.Zero(t, ttlOf(t, s, "k"))
	})
}

func TestExpireAndTTLOfAMissingKey(t *testing.T) {
	s := newStore(t)
	no(t)(s.Expire(ctx, "k", time.Minute))
	_, found, err := s.TTL(ctx, "k")
	require.NoError(t, err)
	assert.False(t, found)
	no(t)(s.Has(ctx, "k"))
}

// The documentation's own case: 1, 2, then +5 gives 7.
func TestIncr(t *testing.T) {
	s := newStore(t)
	for _, step := range []struct{ by, want int64 }{{1, 1}, {1, 2}, {5, 7}, {-10, -3}, {0, -3}} {
		n, err := s.Incr(ctx, "k", step.by)
		require.NoError(t, err)
		assert.Equal(t, step.want, n)
	}
	n, _, err := adaptor.Get[int64](ctx, s, "k")
	require.NoError(t, err)
	assert.Equal(t, int64(-3), n)
	require.NoError(t, s.Set(ctx, "k", 41))
	n, err = s.Incr(ctx, "k", 1)
	require.NoError(t, err)
	assert.Equal(t, int64(42), n)
}

// A fixed window: only the call that creates the counter sets its TTL.
func TestIncrKeepsTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
		n, left, err := s.IncrTTL(ctx, "k", 1, adaptor.WithTTL(time.Minute))
		require.NoError(t, err)
		assert.Equal(t, int64(1), n)
		assert.Equal(t, time.Minute, left)
		time.Sleep(20 * time.Second)
		n, left, err = s.IncrTTL(ctx, "k", 1, adaptor.WithTTL(time.Hour))
		require.NoError(t, err)
		assert.Equal(t, int64(2), n)
		assert.Equal(t, 40*time.Second, left)
		time.Sleep(40 * time.Second)
		n, left, err = s.IncrTTL(ctx, "k", 1)
		require.NoError(t, err)
		assert.Equal(t, int64(1), n, "a new window")
		assert.Zero(t, left)
		_, left, err = s.IncrTTL(ctx, "k", 1, adaptor.WithTTL(time.Minute))
		require.NoError(t, err)
		assert.Zero(t, left, "it exists without a deadline, and gets none")
	})
}

func TestIncrIsExact(t *testing.T) {
	s := newStore(t)
	for _, tt := range []struct{ from, by, want int64 }{
		{1 << 53, 1, 1<<53 + 1},
		{-1 << 53, -1, -1<<53 - 1},
		{math.MaxInt64 - 1, 1, math.MaxInt64},
		{math.MinInt64 + 1, -1, math.MinInt64},
		{math.MinInt64, math.MaxInt64, -1},
		{math.MaxInt64, math.MinInt64, -1},
	} {
		require.NoError(t, s.Set(ctx, "k", tt.from))
		n, err := s.Incr(ctx, "k", tt.by)
		require.NoError(t, err)
		assert.Equal(t, tt.want, n)
		n, _, err = adaptor.Get[int64](ctx, s, "k")
		require.NoError(t, err)
		assert.Equal(t, tt.want, n)
	}
}

func TestIncrRefusesNonIntegersAndOverflow(t *testing.T) {
	for text, by := range map[string]int64{
		`"5"`: 1, `5.0`: 1, `1e3`: 1, `-0`: 1, `{}`: 1, `[]`: 1, `null`: 1, `true`: 1, `""`: 1,
		`9223372036854775807`: 1, `-9223372036854775808`: -1, `9223372036854775808`: 0,
		`1`: math.MaxInt64, `-2`: math.MinInt64, `92233720368547758070`: 1,
	} {
		bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
			require.NoError(t, s.Set(ctx, "k", json.RawMessage(text), adaptor.WithTTL(time.Minute)))
			time.Sleep(time.Second)
			_, err := s.Incr(ctx, "k", by, adaptor.WithTTL(time.Hour))
			assert.ErrorIs(t, err, adaptor.ErrInvalidValue, text)
			assert.ErrorIs(t, err, driver.ErrInvalidValue, text)
			assert.False(t, adaptor.OutcomeUnknown(err))
			assert.Equal(t, text, raw(t, s, "k"))
			assert.Equal(t, 59*time.Second, ttlOf(t, s, "k"))
		})
	}
}

// The documentation's own case: true, then false, and the first value stays.
func TestSetNX(t *testing.T) {
	bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
		ok(t)(s.SetNX(ctx, "k", "first", adaptor.WithTTL(time.Minute)))
		time.Sleep(time.Second)
		no(t)(s.SetNX(ctx, "k", "second", adaptor.WithTTL(time.Hour)))
		assert.Equal(t, `"first"`, raw(t, s, "k"))
		assert.Equal(t, 59*time.Second, ttlOf(t, s, "k"), "a lost SetNX leaves the TTL alone")
		time.Sleep(59 * time.Second)
		ok(t)(s.SetNX(ctx, "k", "third"))
		assert.Zero(t, ttlOf(t, s, "k"))
	})
}

func TestCompareAndSwapComparesText(t *testing.T) {
	s := newStore(t)
	no(t)(s.CompareAndSwap(ctx, "k", nil, 1))
	no(t)(s.Has(ctx, "k"))
	require.NoError(t, s.Set(ctx, "k", nil))
	ok(t)(s.CompareAndSwap(ctx, "k", nil, map[string]int{"b": 1, "a": 2}))
	no(t)(s.CompareAndSwap(ctx, "k", map[string]int{"b": 1}, 3))
	ok(t)(s.CompareAndSwap(ctx, "k", json.RawMessage(` {"a": 2, "b": 1} `), 3))
	assert.Equal(t, "3", raw(t, s, "k"))
	ok(t)(s.CompareAndSwap(ctx, "k", int8(3), "x"))
	assert.Equal(t, `"x"`, raw(t, s, "k"))
}

func TestCompareAndDelete(t *testing.T) {
	s := newStore(t)
	no(t)(s.CompareAndDelete(ctx, "k", nil))
	require.NoError(t, s.Set(ctx, "k", "owner"))
	no(t)(s.CompareAndDelete(ctx, "k", "stranger"))
	assert.Equal(t, `"owner"`, raw(t, s, "k"))
	ok(t)(s.CompareAndDelete(ctx, "k", "owner"))
	no(t)(s.Has(ctx, "k"))
}

func TestConcurrentAtomicOperations(t *testing.T) {
	s := newStore(t)
	const goroutines, rounds = 50, 200
	var won, swapped [goroutines]int
	var wg sync.WaitGroup
	require.NoError(t, s.Set(ctx, "cas", 0))
	for g := range goroutines {
		wg.Go(func() {
			for i := range rounds {
				_, err := s.Incr(ctx, "n", 1)
				assert.NoError(t, err)
				if stored, _ := s.SetNX(ctx, "nx"+string(rune(i)), g); stored {
					won[g]++
				}
				for {
					n, _, _ := adaptor.Get[int](ctx, s, "cas")
					if done, _ := s.CompareAndSwap(ctx, "cas", n, n+1); done {
						swapped[g]++
						break
					}
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, "10000", raw(t, s, "n"), "50 goroutines × 200")
	assert.Equal(t, "10000", raw(t, s, "cas"))
	total := 0
	for _, n := range won {
		total += n
	}
	assert.Equal(t, rounds, total, "one winner per key")
}

// The documentation's own case.
func TestFiftyConcurrentIncr(t *testing.T) {
	s := newStore(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { _, _ = s.Incr(ctx, "k", 1) })
	}
	wg.Wait()
	assert.Equal(t, "50", raw(t, s, "k"))
}

func TestStoreSharesNoMemoryWithCallers(t *testing.T) {
	s := newStore(t)
	key, value := []byte("key"), json.RawMessage(`{"a":1}`)
	name := []byte("name")
	child, err := s.Namespace(unsafe.String(&name[0], len(name)))
	require.NoError(t, err)
	require.NoError(t, s.Set(ctx, unsafe.String(&key[0], len(key)), value))
	require.NoError(t, child.Set(ctx, unsafe.String(&key[0], len(key)), value))
	copy(key, "xxx")
	copy(name, "xxxx")
	copy(value, `{"b":2}`)
	assert.Equal(t, `{"a":1}`, raw(t, s, "key"))
	same, err := s.Namespace("name")
	require.NoError(t, err)
	assert.Equal(t, `{"a":1}`, raw(t, same, "key"))
	grandchild, err := child.Namespace("more")
	require.NoError(t, err)
	require.NoError(t, grandchild.Set(ctx, "key", 2))
	sameChild, err := same.Namespace("more")
	require.NoError(t, err)
	assert.Equal(t, "2", raw(t, sameChild, "key"), "the path is a copy as well")

	got, _, err := s.GetRaw(ctx, "key")
	require.NoError(t, err)
	copy(got, `{"c":3}`)
	message, _, err := adaptor.Get[json.RawMessage](ctx, s, "key")
	require.NoError(t, err)
	copy(message, `{"d":4}`)
	assert.Equal(t, `{"a":1}`, raw(t, s, "key"))
}

// 1,000,000 random pairs of (path, key), made of bytes that mean something to some
// encoding, never meet: a pair that is new is missing, one that is not has its own value.
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

func TestMemoryKVNotMadeByNew(t *testing.T) {
	for _, kv := range []*memory.MemoryKV{nil, {}} {
		_, err := kv.Namespace("x")
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		assert.ErrorContains(t, err, "memory.New")
		assert.Error(t, kv.Start(ctx))
		assert.NoError(t, kv.Stop(ctx))
		assert.Zero(t, kv.Stats())
	}
}

func TestLookupsAndOptionsAllocateNothing(t *testing.T) {
	s := newStore(t)
	allocs := func(f func()) float64 { return testing.AllocsPerRun(100, f) }
	_, err := s.Incr(ctx, "k", 1)
	require.NoError(t, err)
	assert.Zero(t, allocs(func() { _, _ = s.Has(ctx, "k") }))
	assert.Zero(t, allocs(func() { _, _ = s.Expire(ctx, "k", time.Hour) }))
	assert.Zero(t, allocs(func() { _, _, _ = s.TTL(ctx, "k") }))
	assert.Equal(t,
		allocs(func() { _, _ = s.Incr(ctx, "k", 1) }),
		allocs(func() { _, _ = s.Incr(ctx, "k", 1, adaptor.WithTTL(time.Hour), adaptor.Option{}) }))
}

func BenchmarkHas(b *testing.B) {
	s := newStore(b)
	require.NoError(b, s.Set(ctx, "k", 1, adaptor.WithTTL(time.Hour)))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Has(ctx, "k")
	}
}

func BenchmarkSet(b *testing.B) {
	s := newStore(b)
	var v any = struct{ ID string }{"42"}
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Set(ctx, "k", v, adaptor.WithTTL(time.Hour))
	}
}

func BenchmarkIncr(b *testing.B) {
	s := newStore(b)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Incr(ctx, "k", 1, adaptor.WithTTL(time.Hour))
	}
}
