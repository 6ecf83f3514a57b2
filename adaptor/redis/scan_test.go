package redis_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/redistest"
)

var scanned = flag.Int("scanned", 3000, "the number of keys that TestKeysOfACluster iterates over")

// On a Cluster of three primaries, while other callers write, Keys yields each key exactly once and
// unchanged.
func TestKeysOfACluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	store := open(t, start(t, redis.Config{URL: c.URL()}), `*[a-z]?\`)
	odd := []string{"*", "?", "[", "]", `\`, ":", "%", "{", "}", "{a}", "\x00", "*?[]\\:%{\x00"}
	want := map[string]bool{}
	var entries []adaptor.Entry
	for i := range *scanned {
		key := fmt.Sprint(odd[i%len(odd)], i, odd[i/len(odd)%len(odd)])
		want[key] = true
		entries = append(entries, adaptor.Entry{Key: key, Value: i})
	}
	require.NoError(t, store.SetMany(ctx, entries))
	for _, sibling := range []string{"abc", `*[a-z]?\\`, "*a?", "a", `*[a-z]?`} {
		require.NoError(t, open(t, start(t, redis.Config{URL: c.URL()}), sibling).Set(ctx, "sibling", 1))
	}
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			keys := []string{fmt.Sprint("passing-", i%5000), fmt.Sprint("passing-", (i+2500)%5000)}
			assert.NoError(t, store.Set(ctx, keys[0], i))
			assert.NoError(t, store.Del(ctx, keys[1]))
		}
	})
	seen := map[string]int{}
	for key, err := range store.Keys(ctx) {
		require.NoError(t, err)
		seen[key]++
	}
	close(stop)
	writer.Wait()
	for key := range want {
		require.Equal(t, 1, seen[key], "%q", key)
	}
	for key, n := range seen {
		require.Equal(t, 1, n, "%q", key)
		require.NotContains(t, key, "sibling")
	}
	t.Logf("%d keys, each once, and %d that came or went", len(want), len(seen)-len(want))
}

// The server's hash table shrinks during the scan, so SCAN returns keys twice. Keys yields each key once.
func TestKeysYieldsEachKeyOnceWhileTheTableShrinks(t *testing.T) {
	s := redistest.Start(t)
	store := open(t, start(t, redis.Config{URL: s.URL()}), "ns")
	const script = `for i = tonumber(ARGV[2]), tonumber(ARGV[3]) do redis.call(ARGV[1], ARGV[4] .. i, ARGV[5]) end`
	s.Do("EVAL", script, "0", "SET", "0", "19999", "ns:stable-", "1")
	s.Do("EVAL", script, "0", "SET", "0", "399999", "other:", "1")
	seen := map[string]int{}
	for key, err := range store.Keys(ctx) {
		require.NoError(t, err)
		if seen[key]++; len(seen) == 5000 {
			s.Do("EVAL", script, "0", "DEL", "0", "399999", "other:", "none")
			time.Sleep(time.Second) // the server's cron resizes the table, ten times per second
		}
	}
	assert.Len(t, seen, 20000)
	for key, n := range seen {
		require.Equal(t, 1, n, key)
	}
}

// A SCAN may return a key twice, in one page or in two. Keys and Tree yield each key once.
func TestKeyThatSCANReturnsTwiceIsListedOnce(t *testing.T) {
	addr := fakeServer(t, "7.0.0", func(words []string) string {
		switch {
		case words[0] == "SCAN" && words[1] == "0":
			return "*2\r\n+5\r\n*3\r\n$4\r\nns:a\r\n$4\r\nns:b\r\n$4\r\nns:a\r\n"
		case words[0] == "SCAN":
			return "*2\r\n+0\r\n*3\r\n$4\r\nns:b\r\n$4\r\nns:c\r\n$4\r\nns:a\r\n"
		}
		return "+OK\r\n"
	})
	store := open(t, start(t, redis.Config{URL: "redis://" + addr}), "ns")
	var keys, places []string
	for key, err := range store.Keys(ctx) {
		require.NoError(t, err)
		keys = append(keys, key)
	}
	for place, err := range store.Tree(ctx) {
		require.NoError(t, err)
		places = append(places, place.Key)
	}
	assert.Equal(t, []string{"a", "b", "c"}, keys)
	assert.Equal(t, []string{"a", "b", "c"}, places)
}

// Equal keys in several namespaces are different places.
func TestTreeYieldsEqualKeysOfSeveralNamespaces(t *testing.T) {
	s := redistest.Start(t)
	store := open(t, start(t, redis.Config{URL: s.URL()}), "ns")
	for _, key := range []string{"ns:k", "ns/a:k", "ns/b:k", "ns/a/b:k"} {
		s.Do("SET", key, "1")
	}
	var places []string
	for place, err := range store.Tree(ctx) {
		require.NoError(t, err)
		places = append(places, strings.Join(append(place.Path, place.Key), "/"))
	}
	assert.ElementsMatch(t, []string{"k", "a/k", "b/k", "a/b/k"}, places)
}

// After a reconnect during a scan, another server may reply, for which the cursor is invalid. Keys returns
// an error instead of an incomplete list.
func TestKeysFailsAfterAReconnect(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	store := open(t, start(t, redis.Config{URL: p.URL()}), "ns")
	_, entries := entries(5000)
	require.NoError(t, store.SetMany(ctx, entries))
	n := 0
	var last error
	for _, err := range store.Keys(ctx) {
		if last = err; err != nil {
			break
		}
		if n++; n == 100 {
			p.Set(redistest.Refuse)
			p.Set(redistest.Pass)
			require.Eventually(t, func() bool { return errOf(store.Has(ctx, "k")) == nil }, 10*time.Second, time.Millisecond)
		}
	}
	require.ErrorIs(t, last, adaptor.ErrStoreOperationFailed)
	assert.ErrorContains(t, last, "start again")
	assert.Less(t, n, 5000)

	// Keys also ends when its context ends.
	ends, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range store.Keys(ends) {
		assert.ErrorIs(t, err, context.Canceled)
	}
}

// If the connection was lost before a scan, Keys and Clear connect again and succeed.
func TestKeysAndClearConnectAgain(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	store := open(t, start(t, redis.Config{URL: p.URL()}), "ns")
	require.NoError(t, store.Set(ctx, "k", 1))
	p.HangUp()
	n, err := countKeys(store)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	p.HangUp()
	require.NoError(t, store.Clear(ctx))
	assert.Equal(t, "0", s.Do("DBSIZE"))
}

// Clear uses only SCAN and UNLINK. All keys outside the namespace remain, and keys of any type in the
// namespace are deleted.
func TestClearUnlinksOnlyItsOwnKeys(t *testing.T) {
	s := redistest.Start(t)
	store := open(t, start(t, redis.Config{URL: s.URL()}), "users")
	_, entries := entries(3000)
	require.NoError(t, store.SetMany(ctx, entries))
	for _, key := range []string{"usersAbc:k", "users/child:k", "users", "user:k", "users/%zz:k", "xusers:k"} {
		s.Do("SET", key, "1")
	}
	s.Do("LPUSH", "users:list", "1")
	s.Do("CONFIG", "RESETSTAT")
	require.NoError(t, store.Clear(ctx))
	stats := s.Do("INFO", "commandstats")
	assert.Contains(t, stats, "cmdstat_unlink:calls=3001,")
	assert.NotContains(t, stats, "cmdstat_flush")
	assert.NotContains(t, stats, "cmdstat_del")
	assert.NotContains(t, stats, "cmdstat_keys")
	assert.Equal(t, "6", s.Do("DBSIZE"))
	require.NoError(t, store.ClearTree(ctx))
	assert.Equal(t, "5", s.Do("DBSIZE"))
	assert.Equal(t, "1", s.Do("EXISTS", "users/%zz:k"), "the key belongs to no namespace")
}

// If the server refuses to delete some keys, Clear reports the failure, wherever these keys are in the
// scan. If it has deleted other keys, the outcome is unknown.
func TestClearReportsEachRefusedKey(t *testing.T) {
	s := redistest.Start(t)
	url := "redis://app:secret@" + s.Addr
	s.Do("ACL", "SETUSER", "app", "on", ">secret", "+@all", "~*")
	store := open(t, start(t, redis.Config{URL: url}), "ns")
	keys, entries := entries(7)
	for i := range keys {
		keys[i] = "ns:" + keys[i]
	}
	fill := func() (scanned []string) {
		require.NoError(t, store.SetMany(ctx, entries))
		scanned = strings.Fields(s.Do("SCAN", "0", "MATCH", "ns:*", "COUNT", "1000"))[1:] // after the cursor
		require.Len(t, scanned, len(keys))
		return scanned
	}
	allow := func(patterns ...string) {
		rules := []string{"ACL", "SETUSER", "app", "resetkeys"}
		for _, p := range patterns {
			rules = append(rules, "~"+p)
		}
		require.Equal(t, "OK", s.Do(rules...))
	}
	for name, clear := range map[string]func(context.Context) error{"Clear": store.Clear, "ClearTree": store.ClearTree} {
		for _, at := range []int{0, 3, 6} {
			allow("*")
			scanned := fill()
			allow(slices.Delete(slices.Clone(scanned), at, at+1)...)
			err := clear(ctx)
			assert.ErrorContains(t, err, "the server refused with NOPERM", "%s, key %d", name, at)
			assert.True(t, adaptor.OutcomeUnknown(err), "%s, key %d", name, at)
			assert.Equal(t, "1", s.Do("DBSIZE"))
			assert.Equal(t, "1", s.Do("EXISTS", scanned[at]))
		}
		allow("*")
		fill()
		allow("other")
		err := clear(ctx)
		assert.ErrorContains(t, err, "the server refused with NOPERM", name)
		assert.False(t, adaptor.OutcomeUnknown(err), "%s deleted no key", name)
		assert.Equal(t, "7", s.Do("DBSIZE"))
	}
}

// If Clear fails, its error says whether keys may be gone.
func TestFailedClearReportsItsOutcome(t *testing.T) {
	const refused, silent = "-LOADING\r\n", ""
	page := func(cursor, key string) string {
		return fmt.Sprintf("*2\r\n+%s\r\n*1\r\n$%d\r\n%s\r\n", cursor, len(key), key)
	}
	for _, tt := range []struct {
		name    string
		scans   []string // the replies to SCAN
		unlink  string   // the reply to UNLINK
		unknown bool
	}{
		{"the first SCAN is refused", []string{refused}, ":1\r\n", false},
		{"the first SCAN has no reply", []string{silent}, ":1\r\n", false},
		{"the second SCAN is refused", []string{page("5", "ns:k"), refused}, ":1\r\n", true},
		{"the second SCAN has no reply", []string{page("5", "ns:k"), silent}, ":1\r\n", true},
		{"the second SCAN is refused, and no key matched", []string{page("5", "ns/%zz:k"), refused}, ":1\r\n", false},
		{"UNLINK has no reply", []string{page("0", "ns:k")}, silent, true},
		{"UNLINK is refused", []string{page("0", "ns:k")}, refused, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var scans atomic.Int64
			addr := fakeServer(t, "7.0.0", func(words []string) string {
				switch words[0] {
				case "SCAN":
					return tt.scans[scans.Add(1)-1]
				case "UNLINK":
					return tt.unlink
				}
				return "+OK\r\n"
			})
			store := open(t, start(t, redis.Config{URL: "redis://" + addr, Timeout: 200 * time.Millisecond}), "ns")
			err := store.ClearTree(ctx)
			assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
			assert.Equal(t, tt.unknown, adaptor.OutcomeUnknown(err), "%v", err)
			assert.EqualValues(t, len(tt.scans), scans.Load())
		})
	}
}

// If the context of Clear ends half way, Clear returns early and the outcome is unknown.
func TestClearEndsHalfWayWithItsContext(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	store := open(t, start(t, redis.Config{URL: p.URL()}), "ns")
	_, entries := entries(5000)
	require.NoError(t, store.SetMany(ctx, entries))
	p.Delay(50 * time.Millisecond) // five SCANs and five batches take half a second
	c, cancel := context.WithCancel(ctx)
	defer cancel()
	cleared := make(chan error)
	go func() { cleared <- store.Clear(c) }()
	require.Eventually(t, func() bool { return s.Do("DBSIZE") != "5000" }, 10*time.Second, time.Millisecond)
	cancel()
	err := <-cleared
	assert.ErrorIs(t, err, context.Canceled)
	assert.True(t, adaptor.OutcomeUnknown(err))
	assert.NotEqual(t, "0", s.Do("DBSIZE"))
}

// A user with the commands that doc.go lists can use all operations.
func TestDocumentedACLSuffices(t *testing.T) {
	s := redistest.Start(t)
	s.Do("ACL", "SETUSER", "app", "on", ">secret", "~*", "-@all", "+get", "+getdel", "+set", "+del", "+exists", "+pexpire", "+persist",
		"+pttl", "+incrby", "+evalsha", "+eval", "+hello", "+ping", "+script|load", "+scan", "+unlink")
	store := open(t, start(t, redis.Config{URL: "redis://app:secret@" + s.Addr}), "ns")
	keys, entries := entries(10)
	require.NoError(t, store.SetMany(ctx, entries))
	_, err := store.GetMany(ctx, keys)
	require.NoError(t, err)
	_, _, err = store.Swap(ctx, "key-0", 1, adaptor.WithKeepTTL())
	require.NoError(t, err)
	_, _, err = store.GetDel(ctx, "key-0")
	require.NoError(t, err)
	require.NoError(t, errOf(store.Persist(ctx, "key-1")))
	for _, err := range store.Keys(ctx) {
		require.NoError(t, err)
	}
	require.NoError(t, store.DelMany(ctx, keys[:5]))
	require.NoError(t, store.ClearTree(ctx))
	assert.Equal(t, "0", s.Do("DBSIZE"))
}

// Without the permission for SCRIPT LOAD, Start succeeds, and each script is sent with its first use.
func TestScriptsWorkWithoutScriptLoad(t *testing.T) {
	s := redistest.Start(t)
	s.Do("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-script")
	store := open(t, start(t, redis.Config{URL: "redis://app:secret@" + s.Addr}), "ns")
	for want := range int64(3) {
		n, _, err := store.IncrTTL(ctx, "n", 1)
		require.NoError(t, err)
		assert.Equal(t, want+1, n)
	}
}
