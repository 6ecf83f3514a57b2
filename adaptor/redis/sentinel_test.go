package redis_test

import (
	"context"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/redistest"
)

// A fakeSentinel names a primary and an epoch.
type fakeSentinel struct {
	addr  string
	named atomic.Pointer[namedPrimary]
	other atomic.Pointer[string] // the address of another Sentinel that it names, or nil
}

type namedPrimary struct {
	primary string
	epoch   int
}

func startFakeSentinel(t *testing.T, primary string, epoch int) *fakeSentinel {
	f := &fakeSentinel{}
	f.setPrimary(primary, epoch)
	f.addr = fakeServer(t, "7.0.0", func(words []string) string {
		n := f.named.Load()
		host, port, _ := strings.Cut(n.primary, ":")
		switch {
		case words[0] != "SENTINEL":
			return "+OK\r\n"
		case n.primary == "":
			return "-ERR no\r\n"
		case words[1] == "MASTER":
			return fmt.Sprintf("%%1\r\n+config-epoch\r\n+%d\r\n", n.epoch)
		case words[1] == "GET-MASTER-ADDR-BY-NAME":
			return fmt.Sprintf("*2\r\n+%s\r\n+%s\r\n", host, port)
		case words[1] == "SENTINELS" && f.other.Load() != nil:
			host, port, _ := strings.Cut(*f.other.Load(), ":")
			return fmt.Sprintf("*1\r\n%%2\r\n+ip\r\n+%s\r\n+port\r\n+%s\r\n", host, port)
		}
		return "*0\r\n"
	})
	return f
}

// setPrimary sets the primary that the Sentinel names. If primary is "", the Sentinel replies with errors.
func (f *fakeSentinel) setPrimary(primary string, epoch int) {
	f.named.Store(&namedPrimary{primary, epoch})
}

func TestNewestEpochOfTheSentinelsWins(t *testing.T) {
	a, b := redistest.Start(t), redistest.Start(t)
	a.Do("SET", "ns:who", "1")
	b.Do("SET", "ns:who", "2")
	one, two := startFakeSentinel(t, a.Addr, 1), startFakeSentinel(t, a.Addr, 1)
	store := open(t, start(t, redis.Config{URL: "redis://" + one.addr + "," + two.addr + "?master_set=primary"}), "ns")
	who := func() string {
		value, _, err := store.GetRaw(ctx, "who")
		if err != nil {
			return err.Error()
		}
		return string(value)
	}
	becomes := func(want string) {
		t.Helper()
		require.Eventually(t, func() bool { return who() == want }, 10*time.Second, time.Millisecond)
	}
	stays := func(want string) {
		t.Helper()
		for begin := time.Now(); time.Since(begin) < 600*time.Millisecond; time.Sleep(time.Millisecond) {
			require.Equal(t, want, who())
		}
	}
	require.Equal(t, "1", who())
	two.setPrimary(b.Addr, 2)
	becomes("2") // the later failover decides, although the old primary is healthy
	stays("2")
	assert.Zero(t, a.Clients())
	two.setPrimary("", 0)
	stays("2") // the Sentinel that knows of the failover has become silent
	two.setPrimary(b.Addr, 2)
	one.setPrimary(a.Addr, 2)
	stays("2") // with equal epochs, the current primary is kept
	one.setPrimary(a.Addr, 0)
	two.setPrimary(a.Addr, 0)
	becomes("1") // all Sentinels were set up again and have lost the epoch
	two.setPrimary(b.Addr, 3)
	becomes("2")
	two.setPrimary("", 0)
	stays("2")
	becomes("1") // the answer of the silent Sentinel has expired
}

// The URL may name one Sentinel only. The store learns of the other Sentinels and follows them when the
// first Sentinel does not answer. After Stop, no goroutine is left.
func TestStoreFollowsSentinelsThatTheURLDoesNotName(t *testing.T) {
	a, b := redistest.Start(t), redistest.Start(t)
	one, two := startFakeSentinel(t, a.Addr, 1), startFakeSentinel(t, a.Addr, 1)
	one.other.Store(&two.addr)
	kv, err := redis.New(redis.Config{URL: "redis://" + one.addr + "?master_set=primary"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = kv.Stop(ctx) })
	require.NoError(t, kv.Start(ctx))
	store := open(t, kv, "ns")
	require.NoError(t, store.Set(ctx, "k", 1))
	one.setPrimary("", 0)
	two.setPrimary(b.Addr, 2)
	require.Eventually(t, func() bool { return store.Set(ctx, "k", 2) == nil && b.Do("GET", "ns:k") == "2" }, 10*time.Second, time.Millisecond)
	one.setPrimary(b.Addr, 2)
	for range 20 {
		require.NoError(t, kv.Stop(ctx))
		requireNoWatcher(t)
		require.NoError(t, kv.Start(ctx))
	}
	require.NoError(t, kv.Stop(ctx))
}

// requireNoWatcher checks that no goroutine polls a Sentinel.
func requireNoWatcher(t *testing.T) {
	t.Helper()
	var goroutines strings.Builder
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&goroutines, 1))
	require.False(t, strings.Contains(goroutines.String(), "sentinelWatcher"), "a goroutine still polls a Sentinel")
}

// If the context of Start ends, the goroutines have ended when Start returns.
func TestFailedStartLeavesNoGoroutine(t *testing.T) {
	p := redistest.StartProxy(t, redistest.Start(t).Addr)
	p.Set(redistest.Mute)
	f := startFakeSentinel(t, p.Addr, 1)
	for range 20 {
		kv, err := redis.New(redis.Config{URL: "redis://" + f.addr + "?master_set=primary"})
		require.NoError(t, err)
		c, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		require.ErrorIs(t, kv.Start(c), context.DeadlineExceeded)
		cancel()
		requireNoWatcher(t)
	}
}

// The store does not read from a demoted server, even if a Sentinel still names this server.
func TestReadsNeverReachADemotedPrimary(t *testing.T) {
	a, b := redistest.Start(t), redistest.Start(t)
	a.Do("SET", "ns:k", "1")
	f := startFakeSentinel(t, a.Addr, 1)
	store := open(t, start(t, redis.Config{URL: "redis://" + f.addr + "?master_set=primary"}), "ns")
	_, found, err := store.GetRaw(ctx, "k")
	require.NoError(t, err)
	require.True(t, found)
	host, port, _ := strings.Cut(b.Addr, ":")
	a.Do("REPLICAOF", host, port)
	a.Do("CLIENT", "KILL", "TYPE", "normal")
	require.Eventually(t, func() bool { return errOf(store.Has(ctx, "k")) != nil }, 5*time.Second, time.Millisecond)
	for range 100 {
		_, _, err = store.GetRaw(ctx, "k")
		require.ErrorContains(t, err, "the connection to the primary at "+a.Addr+" was lost: the server is a replica now")
	}
	f.setPrimary(b.Addr, 2)
	require.Eventually(t, func() bool { return store.Set(ctx, "k", 2) == nil }, 5*time.Second, time.Millisecond)
	assert.Equal(t, "2", b.Do("GET", "ns:k"))
}

// The credentials for the Sentinels are separate from the credentials for the server.
func TestSentinelsHaveTheirOwnPassword(t *testing.T) {
	primary := redistest.Start(t)
	addr := fakeServer(t, "7.0.0", func(words []string) string {
		host, port, _ := strings.Cut(primary.Addr, ":")
		switch {
		case words[0] == "HELLO" && !slices.Equal(words[2:], []string{"AUTH", "sentinel", "right"}):
			return "-WRONGPASS secret\r\n"
		case len(words) > 1 && words[1] == "MASTER":
			return "%1\r\n+config-epoch\r\n+1\r\n"
		case len(words) > 1 && words[1] == "GET-MASTER-ADDR-BY-NAME":
			return fmt.Sprintf("*2\r\n+%s\r\n+%s\r\n", host, port)
		}
		return "*0\r\n"
	})
	config := redis.Config{URL: "redis://" + addr + "?master_set=primary", SentinelUsername: "sentinel", SentinelPassword: "right"}
	require.NoError(t, open(t, start(t, config), "ns").Set(ctx, "k", 1))
	config.SentinelPassword = "wrong"
	kv, err := redis.New(config)
	require.NoError(t, err)
	assert.EqualError(t, kv.Start(ctx), "redis: start with "+addr+": the Sentinel at "+addr+": it refused with WRONGPASS: check redis.Config.SentinelUsername and SentinelPassword")
}
