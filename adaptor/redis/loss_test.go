package redis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/redistest"
)

// A failover loses the writes that the replicas have not received, and min-replicas-to-write limits this
// loss. The test reproduces the warning in doc.go. The loss is a property of Redis, not of the package.
func TestLossWindowOfAFailover(t *testing.T) {
	type topology struct {
		url      string
		primary  *redistest.Server
		replicas []*redistest.Server
	}
	for name, begin := range map[string]func(t *testing.T, args ...string) topology{
		"Sentinel": func(t *testing.T, args ...string) topology {
			w := redistest.StartSentinel(t, args...)
			return topology{w.URL(), w.Servers[0], w.Servers[1:]}
		},
		"Cluster": func(t *testing.T, args ...string) topology {
			c := redistest.StartCluster(t, args...)
			primary := c.Primary("ns:{slot}")
			id := primary.Do("CLUSTER", "MYID")
			for _, s := range c.Nodes {
				if strings.Contains(s.Do("CLUSTER", "NODES"), "myself,slave "+id) {
					return topology{c.URL(), primary, []*redistest.Server{s}}
				}
			}
			t.Fatal("the primary has no replica")
			return topology{}
		},
	} {
		// isolate cuts the primary off from its replicas, which then receive no writes.
		isolate := func(top topology) {
			for _, s := range top.replicas {
				s.Freeze()
			}
			top.primary.Do("CLIENT", "KILL", "TYPE", "replica")
		}
		// failOver kills the primary, waits for the promotion of a replica, and waits until the store
		// works again.
		failOver := func(t *testing.T, top topology, store *adaptor.AtomicKVStore) {
			top.primary.Kill()
			for _, s := range top.replicas {
				s.Thaw()
			}
			require.Eventually(t, func() bool {
				return slices.ContainsFunc(top.replicas, (*redistest.Server).IsPrimary)
			}, 30*time.Second, 10*time.Millisecond)
			top.primary.Restart() // without its data, because the new primary may need a replica
			require.Eventually(t, func() bool { return store.Set(ctx, "{slot}works", 1) == nil }, 30*time.Second, 10*time.Millisecond)
		}
		lost := func(t *testing.T, store *adaptor.AtomicKVStore, acked int) (lost int) {
			for i := range acked {
				found, err := store.Has(ctx, fmt.Sprint("{slot}", i))
				require.NoError(t, err)
				if !found {
					lost++
				}
			}
			return lost
		}

		t.Run(name+", by default", func(t *testing.T) {
			t.Parallel()
			top := begin(t)
			store := open(t, start(t, redis.Config{URL: top.url}), "ns")
			isolate(top)
			granted, err := store.SetNX(ctx, "{slot}lock", "ann", adaptor.WithTTL(time.Hour))
			require.NoError(t, err)
			require.True(t, granted)
			const writes = 100
			for i := range writes {
				require.NoError(t, store.Set(ctx, fmt.Sprint("{slot}", i), i))
			}
			failOver(t, top, store)
			granted, err = store.SetNX(ctx, "{slot}lock", "ben", adaptor.WithTTL(time.Hour))
			require.NoError(t, err)
			assert.True(t, granted, "if the lock is not granted twice, the test proves nothing")
			n := lost(t, store, writes)
			t.Logf("%d of %d acknowledged writes are lost, and the lock is held by two", n, writes)
			assert.Equal(t, writes, n)
		})
		t.Run(name+", with min-replicas-to-write", func(t *testing.T) {
			t.Parallel()
			top := begin(t, "--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")
			store := open(t, start(t, redis.Config{URL: top.url}), "ns")
			require.Eventually(t, func() bool { return store.Set(ctx, "{slot}works", 1) == nil }, 10*time.Second, 10*time.Millisecond)
			for _, s := range top.replicas { // without closing connections, so the primary must notice
				s.Freeze()
			}
			m := startMetronome(t)
			begun, acked := time.Now(), 0
			var err error
			for ; err == nil && time.Since(begun) < 10*time.Second; acked++ {
				err = store.Set(ctx, fmt.Sprint("{slot}", acked), acked)
				time.Sleep(10 * time.Millisecond)
			}
			acked-- // the last write was refused
			window := time.Since(begun)
			assert.ErrorContains(t, err, "NOREPLICAS")
			assert.False(t, adaptor.OutcomeUnknown(err))
			assert.Less(t, m.count.Load(), int64(3000))
			_, err = store.SetNX(ctx, "{slot}lock", "ann", adaptor.WithTTL(time.Hour))
			assert.ErrorContains(t, err, "NOREPLICAS", "no lock is granted that a failover could lose")
			isolate(top)
			_, err = store.SetNX(ctx, "{slot}lock", "ann", adaptor.WithTTL(time.Hour))
			assert.ErrorContains(t, err, "NOREPLICAS")
			failOver(t, top, store)
			granted, err := store.SetNX(ctx, "{slot}lock", "ben", adaptor.WithTTL(time.Hour))
			require.NoError(t, err)
			assert.True(t, granted)
			t.Logf("the primary refuses after %v; of %d writes acknowledged until then, %d are lost", window.Round(10*time.Millisecond), acked, lost(t, store, acked))
		})
	}
}
