package redis_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/redistest"
)

func TestStartAndStop(t *testing.T) {
	s := redistest.Start(t)
	kv, err := redis.New(redis.Config{URL: s.URL()})
	require.NoError(t, err)
	store := open(t, kv, "ns")
	for range 2 {
		err = store.Set(ctx, "k", 1)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		assert.ErrorContains(t, err, "is not started")
		assert.False(t, adaptor.OutcomeUnknown(err))

		require.NoError(t, kv.Start(ctx))
		require.NoError(t, kv.Start(ctx), "a second Start has no effect")
		require.NoError(t, store.Set(ctx, "k", 1), "the store was opened before Start")
		require.NoError(t, kv.Stop(ctx))
		require.NoError(t, kv.Stop(ctx))
	}
	assert.Zero(t, s.Clients())
}

func TestStartStopCycles(t *testing.T) {
	s := redistest.Start(t)
	kv, err := redis.New(redis.Config{URL: s.URL()})
	require.NoError(t, err)
	store := open(t, kv, "ns")
	for range 200 {
		require.NoError(t, kv.Start(ctx))
		_, err := store.Incr(ctx, "n", 1)
		require.NoError(t, err)
		require.NoError(t, kv.Stop(ctx))
	}
	assert.Equal(t, "200", s.Do("GET", "ns:n"))
	assert.Zero(t, s.Clients())
}

func TestConcurrentStartAndStop(t *testing.T) {
	s := redistest.Start(t)
	kv, err := redis.New(redis.Config{URL: s.URL()})
	require.NoError(t, err)
	store := open(t, kv, "ns")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				assert.NoError(t, kv.Start(ctx))
				_, _ = store.Incr(ctx, "n", 1)
				assert.NoError(t, kv.Stop(ctx))
			}
		})
	}
	wg.Wait()
	require.NoError(t, kv.Stop(ctx))
	assert.Zero(t, s.Clients())
}

// A call in flight when Stop begins receives its reply.
func TestStopWaitsForCallsInFlight(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	p.Delay(50 * time.Millisecond)
	kv, err := redis.New(redis.Config{URL: p.URL()})
	require.NoError(t, err)
	require.NoError(t, kv.Start(ctx))
	store := open(t, kv, "ns")
	got := make(chan error)
	go func() { got <- store.Set(ctx, "k", 1) }()
	require.Eventually(t, func() bool { return s.Do("EXISTS", "ns:k") == "1" }, 5*time.Second, time.Millisecond)
	require.NoError(t, kv.Stop(ctx))
	assert.NoError(t, <-got)
}

// Stop also waits for calls that take long, on one server and on a Cluster.
func TestStopWaitsForSlowCalls(t *testing.T) {
	t.Parallel()
	stop := func(t *testing.T, url string, server func() *redistest.Server, pause time.Duration) {
		kv, err := redis.New(redis.Config{URL: url, Timeout: 10 * time.Second})
		require.NoError(t, err)
		require.NoError(t, kv.Start(ctx))
		store := open(t, kv, "ns")
		require.NoError(t, store.Set(ctx, "k", 0))
		server().Do("CLIENT", "PAUSE", fmt.Sprint(pause.Milliseconds()), "ALL")
		got := make(chan error, 3)
		go func() { got <- store.Set(ctx, "k", 1) }()
		go func() { got <- store.SetMany(ctx, []adaptor.Entry{{Key: "k", Value: 1}}) }() // a batch is always a detached call
		go func() { got <- errOf(store.Has(ctx, "k")) }()
		time.Sleep(50 * time.Millisecond) // until the calls are sent, which a paused server cannot report
		require.NoError(t, kv.Stop(ctx))
		for range cap(got) {
			assert.NoError(t, <-got)
		}
	}
	t.Run("one server", func(t *testing.T) {
		s := redistest.Start(t)
		stop(t, s.URL(), func() *redistest.Server { return s }, 1500*time.Millisecond)
	})
	t.Run("Cluster", func(t *testing.T) {
		c := redistest.StartCluster(t)
		stop(t, c.URL(), func() *redistest.Server { return c.Primary("ns:k") }, 300*time.Millisecond)
	})
}

// Stop stops the RedisKV even if its context has already ended.
func TestStopWithEndedContextStops(t *testing.T) {
	s := redistest.Start(t)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for range 30 {
		kv, err := redis.New(redis.Config{URL: s.URL()})
		require.NoError(t, err)
		require.NoError(t, kv.Start(ctx))
		store := open(t, kv, "ns")
		_ = kv.Stop(ended)
		require.ErrorContains(t, store.Set(ctx, "k", 1), "not started")
		require.NoError(t, kv.Stop(ctx))
	}
}

// Stop with an ended context also makes a running Start fail, so the RedisKV does not start later.
func TestStopWithEndedContextEndsARunningStart(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	p.Delay(100 * time.Millisecond)
	kv, err := redis.New(redis.Config{URL: p.URL()})
	require.NoError(t, err)
	store := open(t, kv, "ns")
	started := make(chan error)
	go func() { started <- kv.Start(ctx) }()
	require.Eventually(t, func() bool { return s.Clients() > 0 }, 5*time.Second, time.Millisecond) // Start is waiting for a reply
	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, kv.Stop(ended), context.Canceled)
	require.ErrorContains(t, <-started, ": Stop was called before Start was complete")
	require.ErrorContains(t, store.Set(ctx, "k", 1), "not started")
	require.NoError(t, kv.Start(ctx))
	require.NoError(t, store.Set(ctx, "k", 1))
	require.NoError(t, kv.Stop(ctx))
}

func TestStartErrorsNameAddressAndCause(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "right")
	primary := redistest.Start(t)
	host, port, _ := strings.Cut(primary.Addr, ":")
	replica := redistest.Start(t, "--replicaof", host, port)
	gone := redistest.Start(t)
	gone.Kill()
	old := fakeServer(t, "6.0.16", func([]string) string { return "+OK\r\n" })
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	other := strings.TrimPrefix(web.URL, "http://")
	for _, tt := range []struct {
		url  string
		want string
	}{
		{gone.URL(), "redis: start with " + gone.Addr + ": connection refused"},
		{s.URL(), "redis: start with " + s.Addr + ": the server refused with NOAUTH: it needs a password: set redis.Config.URL or Password"},
		{"redis://:wrong@" + s.Addr, "redis: start with " + s.Addr + ": the server refused with WRONGPASS: the user or the password is wrong: check redis.Config.URL, Username and Password"},
		{replica.URL(), "redis: start with " + replica.Addr + `: its role is "replica": it is a read-only copy, and the stores need the primary`},
		{"redis://" + old, "redis: start with " + old + `: its version is "6.0.16", and the stores need 6.2 or later`},
		{"redis://name.invalid", "redis: start with name.invalid:6379: no address for this host name"},
		{primary.URL() + "/99", "redis: start with " + primary.Addr + ": the server has no database with the number in redis.Config.URL"},
		{"rediss://" + primary.Addr, "redis: start with " + primary.Addr + ": timeout (the URL begins with rediss://, but the server may not speak TLS)"},
		{"redis://" + other, "redis: start with " + other + ": its reply is not in the Redis protocol: it is not a Redis server"},
		{"unix:///nowhere.sock", "redis: start with /nowhere.sock: no such file or directory"},
	} {
		kv, err := redis.New(redis.Config{URL: tt.url})
		require.NoError(t, err)
		err = kv.Start(ctx)
		assert.EqualError(t, err, tt.want)
		assert.Empty(t, adaptor.CodeOf(err))
		_, err = open(t, kv, "ns").Has(ctx, "k")
		assert.ErrorContains(t, err, "is not started")
		require.NoError(t, kv.Stop(ctx))
	}
	assert.Zero(t, primary.Clients())
}

// Start returns when its context ends, regardless of the server.
func TestStartReturnsWhenItsContextEnds(t *testing.T) {
	p := redistest.StartProxy(t, redistest.Start(t).Addr)
	p.Set(redistest.Mute)
	kv, err := redis.New(redis.Config{URL: p.URL()})
	require.NoError(t, err)
	c, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	late := newOverruns(t)
	end := late.begin(50 * time.Millisecond)
	err = kv.Start(c)
	assert.LessOrEqual(t, end(), int64(overrunMax))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, "redis: start with "+p.Addr)
}

// Stop returns when its context ends. The calls in flight and the connections then end, too soon for a
// reply.
func TestStopReturnsWhenItsContextEnds(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	kv, err := redis.New(redis.Config{URL: p.URL(), Timeout: time.Minute})
	require.NoError(t, err)
	require.NoError(t, kv.Start(ctx))
	store := open(t, kv, "ns")
	p.Set(redistest.Swallow)
	got := make(chan error, 1)
	go func() { got <- store.Set(ctx, "k", 1) }()
	require.Eventually(t, func() bool { return s.Do("EXISTS", "ns:k") == "1" }, 5*time.Second, time.Millisecond)
	c, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	late := newOverruns(t)
	end := late.begin(50 * time.Millisecond)
	assert.ErrorIs(t, kv.Stop(c), context.DeadlineExceeded)
	assert.LessOrEqual(t, end(), int64(overrunMax))
	select {
	case err := <-got:
		assert.ErrorContains(t, err, "the RedisKV was stopped before the reply came")
		assert.True(t, adaptor.OutcomeUnknown(err))
	case <-time.After(10 * time.Second):
		assert.Fail(t, "the call has not ended")
	}
	require.Eventually(t, func() bool { return s.Clients() == 0 }, 5*time.Second, time.Millisecond)
}

func TestNewFromClient(t *testing.T) {
	s := redistest.Start(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Addr}, DisableRetry: true, DisableCache: true})
	require.NoError(t, err)
	defer client.Close()
	kv, err := redis.NewFromClient(client, redis.Config{})
	require.NoError(t, err)
	store := open(t, kv, "ns")
	require.NoError(t, store.Set(ctx, "k", 1), "the store works without Start")
	require.NoError(t, kv.Start(ctx))
	require.NoError(t, kv.Stop(ctx))
	assert.ErrorContains(t, store.Set(ctx, "k", 2), "was stopped")
	require.NoError(t, client.Do(ctx, client.B().Ping().Build()).Error(), "Stop does not close the caller's client")
	require.NoError(t, kv.Start(ctx))
	require.NoError(t, store.Set(ctx, "k", 3))
	require.NoError(t, kv.Stop(ctx))

	_, err = redis.NewFromClient(nil, redis.Config{})
	assert.EqualError(t, err, "redis: NewFromClient needs a client, got nil")
}

// If Start fails with a caller's client, the RedisKV stays as it was: it serves before the first Stop, and
// does not serve after a Stop.
func TestFailedStartWithACallersClientChangesNothing(t *testing.T) {
	s := redistest.Start(t)
	host, port, _ := strings.Cut(redistest.Start(t).Addr, ":")
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Addr}, DisableRetry: true, DisableCache: true})
	require.NoError(t, err)
	defer client.Close()
	kv, err := redis.NewFromClient(client, redis.Config{})
	require.NoError(t, err)
	store := open(t, kv, "ns")
	fail := func() {
		t.Helper()
		s.Do("REPLICAOF", host, port)
		assert.ErrorContains(t, kv.Start(ctx), `its role is "replica"`)
		s.Do("REPLICAOF", "NO", "ONE")
	}
	fail()
	require.NoError(t, store.Set(ctx, "k", 1))
	require.NoError(t, kv.Start(ctx))
	fail() // Start checks the server again
	require.NoError(t, store.Set(ctx, "k", 1))
	require.NoError(t, kv.Stop(ctx))
	for range 2 {
		fail()
		err := store.Set(ctx, "k", 2)
		assert.ErrorContains(t, err, "is not started or was stopped")
		assert.False(t, adaptor.OutcomeUnknown(err))
	}
	require.NoError(t, kv.Start(ctx))
	require.NoError(t, store.Set(ctx, "k", 3))
	require.NoError(t, kv.Stop(ctx))
}

// timeoutHook is a client with a user's hook that gives each command less time than the store does.
type timeoutHook struct{ rueidis.Client }

func (c timeoutHook) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	return c.Client.Do(ctx, cmd)
}

// If a hook's own context ends, the command may have been sent, so the outcome is unknown.
func TestTimeoutOfACallersClientIsOutcomeUnknown(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{p.Addr}, DisableRetry: true, DisableCache: true, AlwaysPipelining: true, PipelineMultiplex: -1})
	require.NoError(t, err)
	defer client.Close()
	kv, err := redis.NewFromClient(timeoutHook{client}, redis.Config{})
	require.NoError(t, err)
	store := open(t, kv, "ns")
	require.NoError(t, errOf(store.Incr(ctx, "n", 1)))
	p.Set(redistest.Swallow)
	_, err = store.Incr(ctx, "n", 1)
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	assert.True(t, adaptor.OutcomeUnknown(err), "%v", err)
	require.Eventually(t, func() bool { return s.Do("GET", "ns:n") == "2" }, 5*time.Second, time.Millisecond)
}

// keepingHook is a client with a user's hook that keeps the context of the last command.
type keepingHook struct {
	rueidis.Client
	last context.Context
}

func (c *keepingHook) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	c.last = ctx
	return c.Client.Do(ctx, cmd)
}

// A hook may keep a context after the call. The context then has ended, and no later call reuses it.
func TestACallersClientMayKeepContexts(t *testing.T) {
	s := redistest.Start(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Addr}, DisableRetry: true, DisableCache: true})
	require.NoError(t, err)
	defer client.Close()
	hook := &keepingHook{Client: client}
	kv, err := redis.NewFromClient(hook, redis.Config{})
	require.NoError(t, err)
	store := open(t, kv, "ns")
	type key struct{}
	for range 3 { // the first call is detached
		require.NoError(t, store.Set(context.WithValue(ctx, key{}, "value"), "k", 1))
	}
	kept := hook.last
	require.NoError(t, store.Set(ctx, "k", 1))
	assert.NotSame(t, kept, hook.last)
	assert.ErrorIs(t, kept.Err(), context.Canceled)
	assert.Equal(t, "value", kept.Value(key{}))
	require.NoError(t, kv.Stop(ctx))
}

// contextHook is a client with a user's hook that replaces the context of each command.
type contextHook struct{ rueidis.Client }

func (c contextHook) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return c.Client.Do(ctx, cmd)
}

func (c contextHook) DoMulti(ctx context.Context, cmds ...rueidis.Completed) []rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return c.Client.DoMulti(ctx, cmds...)
}

// Such a client does not check the store's context before it sends. Every failed write may have happened.
func TestReplacedContextOfACallersClientIsOutcomeUnknown(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	for name, write := range map[string]func(context.Context, *adaptor.AtomicKVStore) error{
		"Incr": func(ctx context.Context, s *adaptor.AtomicKVStore) error { return errOf(s.Incr(ctx, "n", 1)) },
		"SetMany": func(ctx context.Context, s *adaptor.AtomicKVStore) error {
			return s.SetMany(ctx, []adaptor.Entry{{Key: "n", Value: 1}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.Do("FLUSHALL")
			p.Delay(0)
			client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{p.Addr}, DisableRetry: true, DisableCache: true, AlwaysPipelining: true, PipelineMultiplex: -1})
			require.NoError(t, err)
			defer client.Close()
			kv, err := redis.NewFromClient(contextHook{client}, redis.Config{})
			require.NoError(t, err)
			store := open(t, kv, "ns")
			p.Delay(200 * time.Millisecond)
			limited, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			err = write(limited, store)
			require.Error(t, err)
			assert.True(t, adaptor.OutcomeUnknown(err), "%v", err)
			require.Eventually(t, func() bool { return s.Do("GET", "ns:n") == "1" }, 5*time.Second, time.Millisecond)
		})
	}
}

// While a caller's client cannot connect, only the first calls may return late.
func TestCallsOfACallersClientEndWhileItReconnects(t *testing.T) {
	p := redistest.StartProxy(t, redistest.Start(t).Addr)
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{p.Addr}, Dialer: net.Dialer{Timeout: time.Second}, DisableRetry: true, DisableCache: true, AlwaysPipelining: true,
	})
	require.NoError(t, err)
	defer client.Close()
	kv, err := redis.NewFromClient(client, redis.Config{})
	require.NoError(t, err)
	store := open(t, kv, "ns")
	require.NoError(t, store.Set(ctx, "k", 1))
	p.HangUp()
	p.Set(redistest.Mute)
	call := func(o *overruns) (beats int64) {
		const limit = 20 * time.Millisecond
		c, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		end := o.begin(limit)
		assert.Error(t, errOf(store.Has(c, "k")))
		return end()
	}
	t.Log("the first is late by", call(newOverruns(t)), "beats")
	late := newOverruns(t)
	for range 10 {
		call(late)
	}
	late.check(t)
}

func TestUnixSocketPasswordAndDatabase(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "p@ss/w:ord")
	for _, config := range []redis.Config{
		{URL: "unix://:p%40ss%2Fw%3Aord@" + s.Socket() + "?db=3"},
		{URL: "redis://" + s.Addr + "/3", Password: "p@ss/w:ord"},
		{URL: "redis://default:p%40ss%2Fw%3Aord@" + s.Addr + "/3"},
	} {
		store := open(t, start(t, config), "ns")
		_, err := store.Incr(ctx, "n", 1)
		require.NoError(t, err)
	}
	store := open(t, start(t, redis.Config{URL: "redis://" + s.Addr, Password: "p@ss/w:ord"}), "ns")
	found, err := store.Has(ctx, "n")
	require.NoError(t, err)
	assert.False(t, found, "another database")
}

func TestNilAndZeroRedisKVReturnErrors(t *testing.T) {
	var none *redis.RedisKV
	var zero redis.RedisKV
	for _, kv := range []*redis.RedisKV{none, &zero} {
		_, err := kv.Namespace("ns")
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		assert.Error(t, kv.Start(ctx))
		assert.NoError(t, kv.Stop(ctx))
	}
}
