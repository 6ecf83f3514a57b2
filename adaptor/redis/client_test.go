package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/redistest"
)

// A fakeRueidis replies to batches with the errors that doMulti returns.
type fakeRueidis struct {
	rueidis.Client
	doMulti func(ctx context.Context, n int) []error
}

func (f fakeRueidis) DoMulti(ctx context.Context, cmds ...rueidis.Completed) (results []rueidis.RedisResult) {
	for _, err := range f.doMulti(ctx, len(cmds)) {
		results = append(results, rueidis.NewResult(rueidis.RedisMessage{}, err))
	}
	return results
}

func newTestClient(t *testing.T) *client {
	config, err := Config{}.withDefaults()
	require.NoError(t, err)
	c := newClient(config, "address")
	c.owned = true
	t.Cleanup(func() { require.NoError(t, c.close(context.Background())) })
	return c
}

// If the connection to one node of a Cluster is missing, a part of a batch is sent, and the rest is sent
// later. If the context ends in the meantime, the outcome is unknown. It is known if no part was sent.
func TestPartlySentBatchIsOutcomeUnknown(t *testing.T) {
	for name, tt := range map[string]struct {
		first   []error // of the first try
		unknown bool
	}{
		"no part was sent":        {[]error{errNoConnection, errNoConnection}, false},
		"the first part was sent": {[]error{nil, errNoConnection}, true},
		"the last part was sent":  {[]error{errNoConnection, nil}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestClient(t)
			ctx, cancel := context.WithCancel(t.Context())
			release := make(chan struct{})
			tries := 0
			rc := fakeRueidis{doMulti: func(callCtx context.Context, n int) []error {
				if tries++; tries == 1 {
					assert.NoError(t, callCtx.Err()) // rueidis calls Err before it sends
					return tt.first
				}
				cancel()
				<-release // the second try waits for a connection
				errs := make([]error, n)
				for i := range errs {
					errs[i] = callCtx.Err()
				}
				return errs
			}}
			errs := make([]error, 2)
			c.doMany(ctx, rc, 2,
				func(int) rueidis.Completed { return rueidis.Completed{} },
				func(i int, _ rueidis.RedisMessage, err error) { errs[i] = err })
			close(release)
			for _, err := range errs {
				assert.ErrorIs(t, err, context.Canceled)
				assert.Equal(t, tt.unknown, driver.IsUnknown(err), "%v", err)
			}
		})
	}
}

// The results of the second try replace the results of the commands that the first try did not send.
func TestSecondTryOfABatchKeepsTheOrder(t *testing.T) {
	c := newTestClient(t)
	lost := errors.New("lost")
	tries, handled := [][]error{{nil, errNoConnection, lost, errNoConnection, errNoConnection}, {lost, nil, errNoConnection}, {nil}}, []string{}
	rc := fakeRueidis{doMulti: func(_ context.Context, n int) (errs []error) {
		if len(tries) == 0 || len(tries[0]) != n {
			assert.Fail(t, "unexpected try", "%d commands", n)
			return slices.Repeat([]error{lost}, n)
		}
		errs, tries = tries[0], tries[1:]
		return errs
	}}
	c.doMany(t.Context(), rc, 5,
		func(int) rueidis.Completed { return rueidis.Completed{} },
		func(_ int, _ rueidis.RedisMessage, err error) {
			handled = append(handled, fmt.Sprint(driver.IsUnknown(err), err == nil))
		})
	assert.Equal(t, []string{"false true", "true false", "true false", "false true", "false true"}, handled)
	assert.Empty(t, tries)
	assert.False(t, c.responsive.Load(), "two commands had no reply")
}

// A registry is a context that counts the registered functions. It never ends.
type registry struct {
	context.Context
	registered atomic.Int64
}

func (*registry) Done() <-chan struct{} { return make(chan struct{}) }

// AfterFunc registers a function for [context.AfterFunc].
func (r *registry) AfterFunc(func()) (stop func() bool) {
	r.registered.Add(1)
	return func() bool {
		r.registered.Add(-1)
		return true
	}
}

// A connection registers itself at the lifetime of the client, until it is closed. Each reconnect would
// otherwise take memory until Stop.
func TestClosedConnectionIsNotRegistered(t *testing.T) {
	addr := redistest.Start(t).Addr
	lifetime := &registry{Context: t.Context()}
	conn, err := dialAddress(t.Context(), lifetime, addr, &net.Dialer{}, nil)
	require.NoError(t, err)
	assert.EqualValues(t, 1, lifetime.registered.Load())
	require.NoError(t, conn.Close())
	assert.Zero(t, lifetime.registered.Load())
	_, err = dialAddress(t.Context(), lifetime, "127.0.0.1:1", &net.Dialer{}, nil)
	require.Error(t, err)
	assert.Zero(t, lifetime.registered.Load())
}

// A call that is waiting for a connection when its context ends is never sent, even if the connection is
// made later.
func TestAbandonedBatchIsNeverSent(t *testing.T) {
	c := newTestClient(t)
	ctx, cancel := context.WithCancel(t.Context())
	release, sent := make(chan struct{}), make(chan bool)
	rc := fakeRueidis{doMulti: func(callCtx context.Context, n int) []error {
		cancel()
		<-release
		err := callCtx.Err() // rueidis calls Err before it sends
		sent <- err == nil
		return []error{err}
	}}
	c.doMany(ctx, rc, 1,
		func(int) rueidis.Completed { return rueidis.Completed{} },
		func(_ int, _ rueidis.RedisMessage, err error) {
			assert.ErrorIs(t, err, context.Canceled)
			assert.False(t, driver.IsUnknown(err))
		})
	close(release)
	assert.False(t, <-sent)
}

// If the context ends between two chunks of a batch, each key of the later chunks has an error and was
// surely not sent.
func TestBatchEndsBetweenChunks(t *testing.T) {
	c := newTestClient(t)
	ctx, cancel := context.WithCancel(t.Context())
	chunks := 0
	rc := fakeRueidis{doMulti: func(_ context.Context, n int) []error {
		if chunks++; chunks == 2 {
			cancel()
		}
		return make([]error, n)
	}}
	const n = 4*maxBatch + 1
	handled := 0
	c.doMany(ctx, rc, n,
		func(int) rueidis.Completed { return rueidis.Completed{} },
		func(i int, _ rueidis.RedisMessage, err error) {
			require.Equal(t, handled, i)
			handled++
			switch {
			case i < maxBatch:
				require.NoError(t, err)
			case i >= 2*maxBatch:
				require.ErrorIs(t, err, context.Canceled)
				require.False(t, driver.IsUnknown(err))
			}
		})
	assert.Equal(t, n, handled)
	assert.Equal(t, 2, chunks)
}

// started returns a RedisKV that has started, its client and a store.
func started(t *testing.T, config Config) (*RedisKV, *client, *adaptor.AtomicKVStore) {
	t.Helper()
	kv, err := New(config)
	require.NoError(t, err)
	require.NoError(t, kv.Start(context.Background()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, kv.Stop(ctx))
	})
	store, err := kv.Namespace("ns")
	require.NoError(t, err)
	return kv, kv.client.Load(), store
}

// Stop waits for the calls in flight, also for the calls that wait for a free slot. Each kind of call is
// tested alone, because the wait for one kind hides a missing wait for another kind.
func TestStopWaitsForEachKindOfCall(t *testing.T) {
	type store = adaptor.AtomicKVStore
	for name, tt := range map[string]struct {
		calls int
		call  func(s *store, key string) error
	}{
		"one batch": {1, func(s *store, k string) error {
			return s.SetMany(context.Background(), []adaptor.Entry{{Key: k, Value: 1}})
		}},
		"100 batches, 32 slots": {100, func(s *store, k string) error {
			return s.SetMany(context.Background(), []adaptor.Entry{{Key: k, Value: 1}})
		}},
		"one write":              {1, func(s *store, k string) error { return s.Set(context.Background(), k, 1) }},
		"400 writes, 256 slots":  {400, func(s *store, k string) error { return s.Set(context.Background(), k, 1) }},
		"100 scripts, 256 slots": {100, func(s *store, k string) error { _, _, err := s.IncrTTL(context.Background(), k, 1); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			kv, c, store := started(t, Config{URL: s.URL(), Pipeline: minPipeline, Timeout: time.Minute})
			s.Freeze()
			defer s.Thaw()
			results := make(chan error, tt.calls)
			for i := range tt.calls {
				go func() { results <- tt.call(store, fmt.Sprint(i)) }()
			}
			require.Eventually(t, func() bool { return int(c.directCalls.Load()+c.detachedCallers.Load()) == tt.calls }, 10*time.Second, time.Millisecond)
			stopped := make(chan error, 1)
			go func() { stopped <- kv.Stop(context.Background()) }()
			select {
			case <-stopped:
				assert.Fail(t, "Stop returned before the calls")
				return
			case <-time.After(100 * time.Millisecond):
			}
			s.Thaw()
			require.NoError(t, <-stopped)
			assert.Zero(t, c.directCalls.Load()+c.detachedCallers.Load(), "Stop returned before a call")
			for range tt.calls {
				require.NoError(t, <-results)
			}
			assert.Equal(t, fmt.Sprint(tt.calls), s.Do("DBSIZE"))
		})
	}
}

// After each fault, the client gives back all its slots and makes direct calls again. The fault begins
// while calls are in flight, or while the client is idle.
func TestClientGivesBackAllSlots(t *testing.T) {
	type fault struct {
		name  string
		begin func(s *redistest.Server, p *redistest.Proxy)
		end   func(s *redistest.Server, p *redistest.Proxy)
	}
	pass := func(_ *redistest.Server, p *redistest.Proxy) {
		p.Set(redistest.Refuse) // closes the connections, which may have lost data
		p.Set(redistest.Pass)
		p.Trickle(64<<10, 0)
	}
	for _, f := range []fault{
		{"no fault", func(*redistest.Server, *redistest.Proxy) {}, pass},
		{"lost connection", func(_ *redistest.Server, p *redistest.Proxy) { p.HangUp() }, pass},
		{"lost reply", func(_ *redistest.Server, p *redistest.Proxy) { p.Set(redistest.Cut) }, pass},
		{"silent server", func(_ *redistest.Server, p *redistest.Proxy) { p.Set(redistest.Swallow) }, pass},
		{"paused server", func(s *redistest.Server, _ *redistest.Proxy) { s.Do("CLIENT", "PAUSE", "500", "ALL") }, pass},
		{"closed connections", func(_ *redistest.Server, p *redistest.Proxy) { p.Set(redistest.Refuse) }, pass},
		{"dead server", func(s *redistest.Server, _ *redistest.Proxy) { s.Kill() }, func(s *redistest.Server, _ *redistest.Proxy) { s.Restart() }},
		{"mute connection", func(_ *redistest.Server, p *redistest.Proxy) {
			p.Set(redistest.Refuse)
			p.Set(redistest.Mute)
		}, pass},
		{"slow handshake", func(_ *redistest.Server, p *redistest.Proxy) {
			p.HangUp()
			p.Trickle(16, 20*time.Millisecond)
		}, pass},
	} {
		for _, busy := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, busy: %v", f.name, busy), func(t *testing.T) {
				t.Parallel()
				s := redistest.Start(t)
				p := redistest.StartProxy(t, s.Addr)
				url := p.URL()
				if f.name == "dead server" { // the proxy would accept the connections
					url = s.URL()
				}
				_, c, store := started(t, Config{URL: url, Pipeline: minPipeline})
				var calls atomic.Int64
				load := func() {
					for i := range 300 {
						calls.Add(1)
						go func() {
							defer calls.Add(-1)
							ctx, cancel := context.WithTimeout(context.Background(), time.Duration(50+i)*time.Millisecond)
							defer cancel()
							switch i % 3 {
							case 0:
								_, _ = store.Incr(ctx, "n", 1)
							case 1:
								_ = store.DelMany(ctx, []string{"a", "b"})
							case 2:
								_, _ = store.CompareAndSwap(ctx, "n", 1, 2)
							}
						}()
					}
				}
				isIdle := func() bool { return calls.Load() == 0 }
				load()
				if !busy {
					require.Eventually(t, isIdle, 20*time.Second, time.Millisecond)
					require.NoError(t, store.Set(context.Background(), "n", 1)) // the next calls are direct
				}
				f.begin(s, p)
				load()
				require.Eventually(t, isIdle, 20*time.Second, time.Millisecond)
				f.end(s, p)
				state := func() map[string]int {
					return map[string]int{
						"direct": int(c.directCalls.Load()), "detached": int(c.detachedCallers.Load()), "acquiring": int(c.acquiring.Load()),
						"dialing": int(c.dialing.Load()), "goroutines": len(c.semaphore), "abandoned": int(c.abandoned.count.Load()),
					}
				}
				zero := map[string]int{"direct": 0, "detached": 0, "acquiring": 0, "dialing": 0, "goroutines": 0, "abandoned": 0}
				assert.Eventually(t, func() bool {
					_, err := store.Has(context.Background(), "n")
					return err == nil && c.responsive.Load() && maps.Equal(zero, state())
				}, 10*time.Second, 10*time.Millisecond)
				assert.Equal(t, zero, state())
			})
		}
	}
}

// After a call without a reply, the next call is detached, because it may wait for a connection.
func TestCallAfterASilentCallIsDetached(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, s *adaptor.AtomicKVStore) error{
		"Set": func(ctx context.Context, s *adaptor.AtomicKVStore) error { return s.Set(ctx, "k", 1) },
		"SetMany": func(ctx context.Context, s *adaptor.AtomicKVStore) error {
			return s.SetMany(ctx, []adaptor.Entry{{Key: "k", Value: 1}})
		},
		"IncrTTL": func(ctx context.Context, s *adaptor.AtomicKVStore) error {
			_, _, err := s.IncrTTL(ctx, "k", 1)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := redistest.StartProxy(t, redistest.Start(t).Addr)
			_, c, store := started(t, Config{URL: p.URL()})
			require.NoError(t, call(t.Context(), store))
			require.True(t, c.responsive.Load())
			p.Set(redistest.Swallow)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			require.ErrorIs(t, call(ctx, store), context.DeadlineExceeded)
			assert.False(t, c.responsive.Load())
		})
	}
}

// The calls leave slots in the ring for the pings of rueidis.
func TestCallsLeaveRingSlotsForPings(t *testing.T) {
	for _, pipeline := range []int{0, minPipeline, 1000, 1025, 1 << 20} {
		config, err := Config{Pipeline: pipeline}.withDefaults()
		require.NoError(t, err)
		c := newClient(config, "address")
		ringSlots := 1 << config.pipelineScale()
		assert.GreaterOrEqual(t, ringSlots, config.Pipeline)
		assert.LessOrEqual(t, int(c.maxDirect)+cap(c.semaphore), ringSlots-ringSlots/8)
		c.endLifetime()
	}
}
