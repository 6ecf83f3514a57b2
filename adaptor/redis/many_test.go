package redis_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
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

func entries(n int) (keys []string, entries []adaptor.Entry) {
	for i := range n {
		keys = append(keys, fmt.Sprint("key-", i))
		entries = append(entries, adaptor.Entry{Key: keys[i], Value: fmt.Sprint("value-", i)})
	}
	return keys, entries
}

// A thousand keys take one round trip. Each reply takes 50 ms, so a thousand round trips would take 50 s.
func TestManyKeysTakeOneRoundTrip(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	store := open(t, start(t, redis.Config{URL: p.URL()}), "ns")
	p.Delay(50 * time.Millisecond)
	keys, entries := entries(1000)
	begin := time.Now()
	require.NoError(t, store.SetMany(ctx, entries, adaptor.WithTTL(time.Hour)))
	results, err := adaptor.GetMany[string](ctx, store, keys)
	require.NoError(t, err)
	for i, r := range results {
		require.Equal(t, fmt.Sprint("value-", i), r.Value)
	}
	require.NoError(t, store.DelMany(ctx, keys))
	assert.Less(t, time.Since(begin), 25*time.Second)
	assert.Equal(t, "0", s.Do("DBSIZE"))
}

// Batches and single calls share one connection, so no call overtakes another call.
func TestBatchesAndCallsShareOneConnection(t *testing.T) {
	s := redistest.Start(t)
	store := open(t, start(t, redis.Config{URL: s.URL()}), "ns")
	_, entries := entries(5000)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { assert.NoError(t, store.SetMany(ctx, entries)) })
		wg.Go(func() { assert.NoError(t, store.Set(ctx, "k", 1)) })
	}
	wg.Wait()
	assert.Equal(t, 1, s.Clients())
}

// Before Start, each key of a batch has the error.
func TestBatchBeforeStartFailsForEachKey(t *testing.T) {
	kv, err := redis.New(redis.Config{})
	require.NoError(t, err)
	store := open(t, kv, "ns")
	keys, entries := entries(3)
	results, getErr := store.GetMany(ctx, keys)
	for _, r := range results {
		assert.ErrorContains(t, r.Err, "is not started")
	}
	assert.Error(t, getErr)
	for _, err := range []error{store.SetMany(ctx, entries), store.DelMany(ctx, keys)} {
		var perKey adaptor.KeyErrors
		require.ErrorAs(t, err, &perKey)
		require.Len(t, perKey, 3)
		for _, err := range perKey {
			assert.ErrorContains(t, err, "is not started")
			assert.False(t, adaptor.OutcomeUnknown(err))
		}
	}
}

// A list among the keys is an error for its key only, as with Get. MGET would report it as missing.
func TestGetManyFailsOnlyForTheForeignKey(t *testing.T) {
	s := redistest.Start(t)
	store := open(t, start(t, redis.Config{URL: s.URL()}), "ns")
	s.Do("LPUSH", "ns:secret", "secret")
	require.NoError(t, store.Set(ctx, "a", 1))
	results, err := adaptor.GetMany[int](ctx, store, []string{"a", "secret", "none"})
	assert.Equal(t, adaptor.Result[int]{Value: 1, Found: true}, results[0])
	assert.Equal(t, adaptor.CodeInvalidValue, adaptor.CodeOf(results[1].Err))
	assert.Equal(t, adaptor.Result[int]{}, results[2])
	assert.EqualError(t, err, `kv: GetMany in namespace "ns": INVALID_VALUE: 1 of 3 keys failed, the first with INVALID_VALUE: the key holds a type other than string (WRONGTYPE)`)
}

// If a batch gets no reply, the outcome is unknown for each key, and the batch is not sent again. If
// there is no connection, the batch is surely not applied.
func TestBatchWithoutReplyIsOutcomeUnknown(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	store := open(t, start(t, redis.Config{URL: p.URL()}), "ns")
	keys, entries := entries(10)
	short := func() context.Context {
		c, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		t.Cleanup(cancel)
		return c
	}
	p.Set(redistest.Swallow)
	begin := time.Now()
	err := store.SetMany(short(), entries)
	assert.Less(t, time.Since(begin), 5*time.Second)
	var perKey adaptor.KeyErrors
	require.ErrorAs(t, err, &perKey)
	for _, err := range perKey {
		assert.True(t, adaptor.OutcomeUnknown(err))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	}
	assert.True(t, adaptor.OutcomeUnknown(err))
	assert.Equal(t, "10", s.Do("DBSIZE"))

	p.Set(redistest.Pass)

	store = open(t, start(t, redis.Config{URL: s.URL()}), "ns") // without the proxy, so that the connection is refused and not closed
	s.Kill()
	require.Eventually(t, func() bool { // the client may notice the lost connection late
		err := store.DelMany(short(), keys)
		return err != nil && !adaptor.OutcomeUnknown(err)
	}, 10*time.Second, 10*time.Millisecond)
	s.Restart()
	require.Eventually(t, func() bool { return store.DelMany(ctx, keys) == nil }, 10*time.Second, 10*time.Millisecond)
}

// On a Cluster, a batch goes to all nodes. If one node does not reply, only the keys of this node fail.
func TestBatchOnAClusterFailsOnlyOnTheSilentNode(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	store := open(t, start(t, redis.Config{URL: c.URL()}), "ns")
	keys, entries := entries(3000)
	require.NoError(t, store.SetMany(ctx, entries))
	results, err := adaptor.GetMany[string](ctx, store, keys)
	require.NoError(t, err)
	for i, r := range results {
		require.Equal(t, fmt.Sprint("value-", i), r.Value)
	}

	dead := c.Primary("ns:key-0")
	dead.Freeze()
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	results, err = adaptor.GetMany[string](short, store, keys[:900])
	dead.Thaw()
	assert.Error(t, err)
	assert.ErrorIs(t, results[0].Err, context.DeadlineExceeded)
	c.WaitUntilWhole()

	require.Eventually(t, func() bool { return store.DelMany(ctx, keys) == nil }, 20*time.Second, 100*time.Millisecond)
	results, err = adaptor.GetMany[string](ctx, store, keys)
	require.NoError(t, err)
	assert.False(t, slices.ContainsFunc(results, func(r adaptor.Result[string]) bool { return r.Found }))
}

var ratio = flag.Float64("ratio", 3, "the minimum ratio of the time of 1,000 Gets to the time of one GetMany")

// A GetMany of 1,000 keys takes a fraction of the time of 1,000 Gets.
func TestGetManyIsFaster(t *testing.T) {
	s := redistest.Start(t)
	store := open(t, start(t, redis.Config{URL: s.URL()}), "ns")
	keys, entries := entries(1000)
	for i := range entries {
		entries[i].Value = strings.Repeat("x", 100)
	}
	require.NoError(t, store.SetMany(ctx, entries))
	var many, single []time.Duration
	for range 9 { // alternating
		begin := time.Now()
		_, err := store.GetMany(ctx, keys)
		require.NoError(t, err)
		many = append(many, time.Since(begin))
		begin = time.Now()
		for _, key := range keys {
			_, _, err := store.GetRaw(ctx, key)
			require.NoError(t, err)
		}
		single = append(single, time.Since(begin))
	}
	slices.Sort(many)
	slices.Sort(single)
	got := float64(single[4]) / float64(many[4])
	t.Logf("medians of 9: 1,000 Gets %v, GetMany of 1,000 %v: %.1f times", single[4], many[4], got)
	assert.GreaterOrEqual(t, got, *ratio)
}
