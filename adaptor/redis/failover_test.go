package redis_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"runtime"
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

// The time limits for each call of a counterLoad. The short limit shows that no call is late. The long
// limit is for tests in which no call may fail, on a machine that is busy with other tests.
const (
	short = 300 * time.Millisecond
	long  = 5 * time.Second
)

// A counterLoad runs goroutines that each increment their own counter. All counters are in one slot.
type counterLoad struct {
	store  *adaptor.AtomicKVStore
	limit  time.Duration
	number int64 // distinguishes the counters of several counterLoads
	stop   chan struct{}
	wg     sync.WaitGroup
	counts [8]struct{ acked, unknown, refused int64 }
	acked  atomic.Int64
	late   *overruns

	mu     sync.Mutex
	last   int64 // the beat in which the last call was acknowledged
	outage int64 // the longest time without an acknowledged call, in beats
	errors map[string]int
}

func startCounterLoad(t *testing.T, store *adaptor.AtomicKVStore, limit time.Duration) *counterLoad {
	c := &counterLoad{store: store, limit: limit, number: counterLoads.Add(1), stop: make(chan struct{}), late: newOverruns(t), errors: map[string]int{}}
	for g := range c.counts {
		c.wg.Go(func() { c.run(g) })
	}
	return c
}

func (c *counterLoad) key(g int) string { return fmt.Sprintf("{slot}%d/%d", c.number, g) }

var counterLoads atomic.Int64

func (c *counterLoad) run(g int) {
	for i := 0; ; i++ {
		select {
		case <-c.stop:
			return
		default:
		}
		if i%4 == 0 {
			c.read(g)
		}
		ctx, cancel := context.WithTimeout(ctx, c.limit)
		end := c.late.begin(c.limit)
		_, err := c.store.Incr(ctx, c.key(g), 1)
		end()
		cancel()
		c.mu.Lock()
		if err == nil {
			now := c.late.count.Load()
			c.outage = max(c.outage, now-c.last)
			c.last = now
		} else {
			c.errors[err.Error()]++
		}
		c.mu.Unlock()
		switch {
		case err == nil:
			c.counts[g].acked++
			c.acked.Add(1)
		case adaptor.OutcomeUnknown(err):
			c.counts[g].unknown++
		default:
			c.counts[g].refused++
			time.Sleep(time.Millisecond)
		}
	}
}

// read reads the counter of goroutine g.
func (c *counterLoad) read(g int) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	end := c.late.begin(c.limit)
	_, _, err := c.store.GetRaw(ctx, c.key(g))
	end()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.errors[err.Error()]++
	}
}

// waitForAcks waits until n more calls are acknowledged.
func (c *counterLoad) waitForAcks(t *testing.T, n int64) {
	t.Helper()
	before := c.acked.Load()
	require.Eventually(t, func() bool { return c.acked.Load() >= before+n }, 30*time.Second, time.Millisecond, "no call is acknowledged anymore")
}

// end stops the load, logs a summary and returns the number of acknowledged calls that were lost. It
// checks that no call was applied twice and that no call returned late.
func (c *counterLoad) end(t *testing.T, outage int64) (lost int64) {
	t.Helper()
	close(c.stop)
	c.wg.Wait()
	var acked, unknown, refused int64
	for g, n := range c.counts {
		var value int64
		require.Eventually(t, func() bool {
			var err error
			value, _, err = adaptor.Get[int64](ctx, c.store, c.key(g))
			return err == nil
		}, 10*time.Second, 10*time.Millisecond)
		assert.LessOrEqual(t, value, n.acked+n.unknown, "a call was applied twice")
		lost += max(0, n.acked-value)
		acked, unknown, refused = acked+n.acked, unknown+n.unknown, refused+n.refused
	}
	t.Logf("%d calls acknowledged, %d of them lost, %d of unknown outcome, %d surely not applied; longest time without an acknowledged one %d beats", acked, lost, unknown, refused, c.outage)
	for text, n := range c.errors {
		t.Logf("%6d × %s", n, text)
	}
	assert.LessOrEqual(t, c.outage, outage)
	c.late.check(t)
	return lost
}

func requireStartError(t *testing.T, url, want string) {
	t.Helper()
	kv, err := redis.New(redis.Config{URL: url})
	require.NoError(t, err)
	begin := time.Now()
	err = kv.Start(ctx)
	assert.ErrorContains(t, err, "redis: start with ")
	assert.ErrorContains(t, err, want)
	assert.Less(t, time.Since(begin), 10*time.Second)
	t.Log(err)
}

// The longest permitted time without an acknowledged call after a primary has failed, in beats of a
// metronome.
const (
	sentinelOutage = 4000
	clusterOutage  = 7000
)

var allFailovers = flag.Bool("failovers", false, "run also the long failovers: the restarts of all servers, and Sentinel's promotion by hand")

// skipUnlessAll skips a failover that only make verify runs. They take a minute together, and lead to the same two
// events for the client as the others: a primary that is gone, and a new primary.
func skipUnlessAll(t *testing.T) {
	if !*allFailovers {
		t.Skip("only with -failovers, as in make verify")
	}
}

// A primaryFault makes a primary fail and later ends the fault.
type primaryFault struct {
	name       string
	begin, end func(*redistest.Server)
}

var (
	isKilled = primaryFault{"is killed", (*redistest.Server).Kill, (*redistest.Server).Restart}
	hangs    = primaryFault{"hangs", (*redistest.Server).Freeze, (*redistest.Server).Thaw}
	isCutOff = primaryFault{"is cut off", (*redistest.Server).Cut, (*redistest.Server).Heal}
)

// testPrimaryFault makes the primary fail under load. Calls must succeed again during the fault and after
// the fault.
func testPrimaryFault(t *testing.T, store *adaptor.AtomicKVStore, outage int64, b primaryFault, primary func() *redistest.Server, waitUntilWhole func()) {
	t.Run("the primary "+b.name, func(t *testing.T) {
		c := startCounterLoad(t, store, short)
		c.waitForAcks(t, 1000)
		s := primary()
		b.begin(s)
		c.waitForAcks(t, 1000)
		b.end(s)
		waitUntilWhole()
		c.waitForAcks(t, 1000)
		c.end(t, outage)
	})
}

// The network of a primary is cut. Neither the client nor another server can reach the primary.
func TestCutOff(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the servers call each other from 127.0.0.11 and so on, which are loopback addresses on Linux only")
	}
	t.Run("Sentinel", func(t *testing.T) {
		w := redistest.StartSentinelInNetwork(t)
		store := open(t, start(t, redis.Config{URL: w.URL()}), "ns")
		testPrimaryFault(t, store, sentinelOutage, isCutOff, w.Primary, w.WaitUntilWhole)
	})
	t.Run("Cluster", func(t *testing.T) {
		c := redistest.StartClusterInNetwork(t)
		store := open(t, start(t, redis.Config{URL: c.URL()}), "ns")
		testPrimaryFault(t, store, clusterOutage, isCutOff, func() *redistest.Server { return c.Primary("ns:{slot}0") }, c.WaitUntilWhole)
	})
}

func TestFailoverOfSentinel(t *testing.T) {
	w := redistest.StartSentinel(t)
	store := open(t, start(t, redis.Config{URL: w.URL()}), "ns")
	t.Run("Start refuses what the URL does not say", func(t *testing.T) {
		requireStartError(t, w.Sentinels[0].URL(), "it is a Sentinel: the URL needs ?master_set=name")
		requireStartError(t, w.Servers[1].URL(), `its role is "replica": it is a read-only copy, and the stores need the primary`)
		requireStartError(t, w.Servers[0].URL()+"?cluster=true", "it is not a node of a Cluster, but the URL has ?cluster=true")
		requireStartError(t, strings.Replace(w.URL(), "=primary", "=other", 1), "the Sentinels do not know the name in ?master_set")
		requireStartError(t, w.Servers[0].URL()+"?master_set=primary", "a Sentinel if the URL has ?master_set")
	})
	listed := startListLoad(t, store, w.Servers)
	testPrimaryFault(t, store, sentinelOutage, isKilled, w.Primary, w.WaitUntilWhole)
	testPrimaryFault(t, store, sentinelOutage, hangs, w.Primary, w.WaitUntilWhole)
	t.Run("a replica is promoted by hand", func(t *testing.T) {
		skipUnlessAll(t)
		w.WaitUntilAgreed()
		// The Sentinels ask the replica once per second. It must report its promotion within
		// failover-timeout.
		for _, s := range w.Sentinels {
			require.Equal(t, "OK", s.Do("SENTINEL", "SET", "primary", "failover-timeout", "5000"))
			defer s.Do("SENTINEL", "SET", "primary", "failover-timeout", "1000")
		}
		c := startCounterLoad(t, store, short)
		c.waitForAcks(t, 1000)
		before := w.Primary()
		askUntil(t, func() bool { return w.Primary() != before }, func() {
			answer := w.Sentinels[0].Do("SENTINEL", "FAILOVER", "primary")
			require.Regexp(t, "^(OK|.*INPROG.*|.*NOGOODSLAVE.*)$", answer)
		})
		c.waitForAcks(t, 1000)
		w.WaitUntilWhole()
		c.waitForAcks(t, 1000)
		c.end(t, sentinelOutage)
	})
	t.Run("all servers are restarted, one after the other", func(t *testing.T) {
		skipUnlessAll(t)
		c := startCounterLoad(t, store, short)
		for _, s := range w.Servers {
			c.waitForAcks(t, 500)
			s.Kill()
			c.waitForAcks(t, 500)
			s.Restart()
			w.WaitUntilWhole()
		}
		c.waitForAcks(t, 1000)
		c.end(t, sentinelOutage)
	})
	listed.end(t)
}

func TestFailoverOfCluster(t *testing.T) {
	cluster := redistest.StartCluster(t)
	store := open(t, start(t, redis.Config{URL: cluster.URL()}), "ns")
	primary := func() *redistest.Server { return cluster.Primary("ns:{slot}0") }
	t.Run("Start refuses what the URL does not say", func(t *testing.T) {
		requireStartError(t, cluster.Nodes[0].URL(), "it is a node of a Cluster: the URL needs ?cluster=true")
	})
	t.Run("Start says what it found", func(t *testing.T) {
		var log bytes.Buffer
		start(t, redis.Config{URL: cluster.URL(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
		assert.Regexp(t, `level=INFO msg="kv: connected to Redis" address=127\.\S+ topology="a Cluster" version=\d`, log.String())
	})
	listed := startListLoad(t, store, cluster.Nodes)
	testPrimaryFault(t, store, clusterOutage, isKilled, primary, cluster.WaitUntilWhole)
	testPrimaryFault(t, store, clusterOutage, hangs, primary, cluster.WaitUntilWhole)
	t.Run("a replica is promoted by hand", func(t *testing.T) {
		c := startCounterLoad(t, store, short)
		c.waitForAcks(t, 1000)
		before := primary()
		id := before.Do("CLUSTER", "MYID")
		askUntil(t, func() bool { return primary() != before }, func() {
			for _, s := range cluster.Nodes {
				if strings.Contains(s.Do("CLUSTER", "NODES"), "myself,slave "+id) {
					require.Equal(t, "OK", s.Do("CLUSTER", "FAILOVER"))
				}
			}
		})
		c.waitForAcks(t, 1000)
		cluster.WaitUntilWhole()
		assert.Zero(t, c.end(t, clusterOutage), "CLUSTER FAILOVER loses nothing")
	})
	t.Run("all nodes are restarted, one after the other", func(t *testing.T) {
		skipUnlessAll(t)
		c := startCounterLoad(t, store, short)
		for _, s := range cluster.Nodes {
			c.waitForAcks(t, 500)
			wasPrimary := s.IsPrimary()
			s.Kill()
			if wasPrimary { // it has no data on disk, so a replica must be promoted before the restart
				require.Eventually(t, func() bool { return cluster.Primaries() == 3 }, 30*time.Second, 10*time.Millisecond)
			}
			s.Restart()
			cluster.WaitUntilWhole()
		}
		c.waitForAcks(t, 500)
		c.end(t, clusterOutage)
	})
	t.Run("a slot moves", func(t *testing.T) {
		c := startCounterLoad(t, store, long)
		c.waitForAcks(t, 1000)
		for range 4 {
			from := primary()
			var to *redistest.Server
			for _, s := range cluster.Nodes {
				if s.IsPrimary() && s != from {
					to = s
				}
			}
			moveSlot(t, cluster, from, to, "ns:{slot}0")
			c.waitForAcks(t, 500)
		}
		assert.Zero(t, c.end(t, clusterOutage), "moving a slot loses no acknowledged call")
		assert.Empty(t, c.errors)
	})
	listed.end(t)
}

// askUntil calls ask every 6 seconds until done returns true, because a requested failover may time out.
func askUntil(t *testing.T, done func() bool, ask func()) {
	t.Helper()
	var asked time.Time
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "the request had no effect")
		if time.Since(asked) > 6*time.Second {
			asked = time.Now()
			ask()
		}
	}
}

// moveSlot moves the slot of key like redis-cli, one key at a time.
func moveSlot(t *testing.T, c *redistest.Cluster, from, to *redistest.Server, key string) {
	t.Helper()
	slot := from.Do("CLUSTER", "KEYSLOT", key)
	fromID, toID := from.Do("CLUSTER", "MYID"), to.Do("CLUSTER", "MYID")
	require.Equal(t, "OK", to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", fromID))
	require.Equal(t, "OK", from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", toID))
	host, port, _ := strings.Cut(to.Addr, ":")
	for {
		keys := from.Do("CLUSTER", "GETKEYSINSLOT", slot, "1")
		if keys == "" {
			break
		}
		require.Equal(t, "OK", from.Do("MIGRATE", host, port, keys, "0", "5000"))
		time.Sleep(20 * time.Millisecond) // so that calls find keys of the slot on both servers
	}
	for _, s := range []*redistest.Server{to, from} {
		require.Equal(t, "OK", s.Do("CLUSTER", "SETSLOT", slot, "NODE", toID))
	}
	for _, s := range c.Nodes {
		if s.IsPrimary() {
			require.Equal(t, "OK", s.Do("CLUSTER", "SETSLOT", slot, "NODE", toID))
		}
	}
}
