package redis_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/redistest"
)

// A listLoad repeatedly lists keys that do not change.
type listLoad struct {
	stop   context.CancelFunc
	wg     sync.WaitGroup
	whole  int
	errors map[string]int
	wrong  []string // lists that ended without an error but were incomplete or had duplicates
}

func startListLoad(t *testing.T, parent *adaptor.AtomicKVStore, servers []*redistest.Server) *listLoad {
	t.Helper()
	const n = 3000
	store, err := parent.Namespace("listed")
	require.NoError(t, err)
	_, entries := entries(n)
	for i := range 20 {
		entries[i].Key = fmt.Sprint("{slot}", i) // in the moving slot
	}
	require.NoError(t, store.SetMany(ctx, entries))
	require.Eventually(t, func() bool { // each replica has the keys; WAIT works only on the connection of the writer
		primaries, replicas, keys, copies := 0, 0, 0, 0
		for _, s := range servers {
			size, _ := strconv.Atoi(s.Do("DBSIZE"))
			if s.IsPrimary() {
				primaries, keys = primaries+1, keys+size
			} else {
				replicas, copies = replicas+1, copies+size
			}
		}
		return keys >= n && copies*primaries == keys*replicas
	}, 10*time.Second, 10*time.Millisecond)
	l := &listLoad{errors: map[string]int{}}
	running, stop := context.WithCancel(ctx)
	l.stop = stop
	l.wg.Go(func() {
		for running.Err() == nil {
			seen, twice := map[string]bool{}, 0
			var failed error
			for key, err := range store.Keys(running) {
				if failed = err; err != nil {
					break
				}
				if seen[key] {
					twice++
				}
				seen[key] = true
			}
			switch {
			case running.Err() != nil:
			case failed != nil:
				l.errors[failed.Error()]++
			case len(seen) != n || twice > 0:
				l.wrong = append(l.wrong, fmt.Sprintf("%d keys, %d twice", len(seen), twice))
			default:
				l.whole++
			}
			time.Sleep(10 * time.Millisecond) // to leave time for the other load
		}
	})
	return l
}

// end stops the load and checks that each list was complete or ended with an error.
func (l *listLoad) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.wg.Wait()
	t.Logf("%d lists were whole, %d ended with an error", l.whole, sum(l.errors))
	for text, n := range l.errors {
		t.Logf("%6d × %s", n, text)
	}
	assert.Empty(t, l.wrong)
	assert.Greater(t, l.whole, 10)
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func countKeys(store *adaptor.AtomicKVStore) (n int, failed error) {
	for _, err := range store.Keys(ctx) {
		if failed = err; err == nil {
			n++
		}
	}
	return n, failed
}

// A primary that restarts without its data replies to SCAN before it serves its slots. During this time,
// Keys must not end without an error.
func TestKeysFailsUntilARestartedPrimaryServes(t *testing.T) {
	c := redistest.StartCluster(t)
	store := open(t, start(t, redis.Config{URL: c.URL()}), "ns")
	const n = 300
	keys, entries := entries(n)
	require.NoError(t, store.SetMany(ctx, entries))
	s := c.Primary("ns:" + keys[0])
	s.Kill()
	s.Restart()
	serves := func() bool { return strings.Contains(s.Do("CLUSTER", "INFO"), "cluster_state:ok") }
	require.False(t, serves(), "otherwise the test proves nothing")
	tries := 0
	for begin := time.Now(); !serves() && time.Since(begin) < 10*time.Second; tries++ {
		if seen, err := countKeys(store); err == nil && !serves() {
			assert.Equal(t, n, seen)
		}
	}
	t.Logf("%d tries", tries)
}

// While a slot moves, a key may move from an unscanned server to a scanned server, so a scan would miss it.
func TestKeysAndClearFailWhileASlotMoves(t *testing.T) {
	c := redistest.StartCluster(t)
	store := open(t, start(t, redis.Config{URL: c.URL()}), "ns")
	require.NoError(t, store.Set(ctx, "k", 1))
	from := c.Primary("ns:k")
	slot := from.Do("CLUSTER", "KEYSLOT", "ns:k")
	for _, to := range c.Nodes {
		if to == from || !to.IsPrimary() {
			continue
		}
		for s, state := range map[*redistest.Server][]string{to: {"IMPORTING", from.Do("CLUSTER", "MYID")}, from: {"MIGRATING", to.Do("CLUSTER", "MYID")}} {
			require.Equal(t, "OK", s.Do("CLUSTER", "SETSLOT", slot, state[0], state[1]))
			_, err := countKeys(store)
			assert.ErrorContains(t, err, "is moving to another server", state[0])
			s.Do("CONFIG", "RESETSTAT")
			assert.ErrorContains(t, store.Clear(ctx), "is moving to another server", state[0])
			assert.Contains(t, s.Do("INFO", "commandstats"), "cmdstat_scan:calls=5,", "Clear tries five times")
			require.Equal(t, "OK", s.Do("CLUSTER", "SETSLOT", slot, "STABLE"))
			require.NoError(t, store.Set(ctx, "k", 1))
		}
	}
	keys, err := countKeys(store)
	require.NoError(t, err)
	assert.Equal(t, 1, keys)
}

// No server has the keys of an unassigned slot. Keys, Tree and Clear then return an error instead of a
// partial result, wherever the slot is, and even if the Cluster serves the other slots.
func TestListsOfAClusterWithAnUnassignedSlotFail(t *testing.T) {
	s := redistest.Start(t, "--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
	all := []string{"CLUSTER", "ADDSLOTS"}
	for slot := range 16384 {
		all = append(all, fmt.Sprint(slot))
	}
	require.Equal(t, "OK", s.Do(all...))
	isServing := func() bool { return strings.Contains(s.Do("CLUSTER", "INFO"), "cluster_state:ok") }
	require.Eventually(t, isServing, 10*time.Second, 10*time.Millisecond)
	store := open(t, start(t, redis.Config{URL: s.URL() + "?cluster=true"}), "ns")
	require.NoError(t, store.Set(ctx, "k", 1))
	for _, slot := range []string{"0", "8000", "16383"} {
		require.Equal(t, "OK", s.Do("CLUSTER", "DELSLOTS", slot))
		require.Eventually(t, isServing, 10*time.Second, 10*time.Millisecond)
		_, err := countKeys(store)
		assert.ErrorContains(t, err, "the Cluster names no server for some slots", slot)
		var treeErr error
		for _, err := range store.Tree(ctx) {
			treeErr = err
		}
		assert.ErrorContains(t, treeErr, "the Cluster names no server for some slots", slot)
		err = store.Clear(ctx)
		assert.ErrorContains(t, err, "the Cluster names no server for some slots", slot)
		assert.False(t, adaptor.OutcomeUnknown(err), slot)
		assert.Equal(t, "1", s.Do("DBSIZE"), slot)
		require.Equal(t, "OK", s.Do("CLUSTER", "ADDSLOTS", slot))
	}
	n, err := countKeys(store)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}

// A node of a Cluster without other nodes does not know its own host.
func TestKeysOnAOneNodeCluster(t *testing.T) {
	s := redistest.Start(t, "--cluster-enabled", "yes")
	all := []string{"CLUSTER", "ADDSLOTS"} // Redis 6.2 does not support ADDSLOTSRANGE
	for slot := range 16384 {
		all = append(all, fmt.Sprint(slot))
	}
	require.Equal(t, "OK", s.Do(all...))
	require.Eventually(t, func() bool { return strings.Contains(s.Do("CLUSTER", "INFO"), "cluster_state:ok") }, 10*time.Second, 10*time.Millisecond)
	store := open(t, start(t, redis.Config{URL: s.URL() + "?cluster=true"}), "ns")
	require.NoError(t, store.Set(ctx, "k", 1))
	n, err := countKeys(store)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	require.NoError(t, store.Clear(ctx))
	assert.Equal(t, "0", s.Do("DBSIZE"))
}
