package redis_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/model"
	"github.com/zelt-go/kv/internal/redistest"
)

// Each kind of write loses its reply a hundred times. It is applied at most once. If its error says that
// it was not applied, this is true.
func TestWriteWithLostReplyIsAppliedOnce(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	store := open(t, start(t, redis.Config{URL: p.URL()}), "ns")
	for _, tt := range []struct {
		name   string
		before string // the stored text, or "" for a missing key
		write  func(key string) error
		after  string // the stored text after one application
	}{
		{"Set", "1", func(k string) error { return store.Set(ctx, k, 2) }, "2"},
		{"Del", "1", func(k string) error { return store.Del(ctx, k) }, "(nil)"},
		{"Expire", "1", func(k string) error { return errOf(store.Expire(ctx, k, time.Hour)) }, "1 expires"},
		{"Incr", "1", func(k string) error { return errOf(store.Incr(ctx, k, 1)) }, "2"},
		{"Incr new", "", func(k string) error { return errOf(store.Incr(ctx, k, 1, adaptor.WithTTL(time.Hour))) }, "1 expires"},
		{"Incr with TTL", "1", func(k string) error { return errOf(store.Incr(ctx, k, 1, adaptor.WithTTL(time.Hour))) }, "2"},
		{"IncrTTL", "", func(k string) error { _, _, err := store.IncrTTL(ctx, k, 1, adaptor.WithTTL(time.Hour)); return err }, "1 expires"},
		{"SetNX", "", func(k string) error { return errOf(store.SetNX(ctx, k, 2)) }, "2"},
		{"CompareAndSwap", "1", func(k string) error { return errOf(store.CompareAndSwap(ctx, k, 1, 2)) }, "2"},
		{"CompareAndDelete", "1", func(k string) error { return errOf(store.CompareAndDelete(ctx, k, 1)) }, "(nil)"},
		{"GetDel", "1", func(k string) error { _, _, err := store.GetDel(ctx, k); return err }, "(nil)"},
		{"Swap", "1", func(k string) error { _, _, err := store.Swap(ctx, k, 2); return err }, "2"},
		{"GetExpire", "1", func(k string) error { _, _, err := store.GetExpire(ctx, k, time.Hour); return err }, "1 expires"},
	} {
		unknown := 0
		for i := range 100 {
			key := fmt.Sprint(tt.name, i)
			physical := "ns:" + key
			if tt.before != "" {
				s.Do("SET", physical, tt.before)
			}
			require.Eventually(t, func() bool { return errOf(store.Has(ctx, key)) == nil }, 5*time.Second, time.Millisecond, "connected again")
			p.Set([]redistest.Fault{redistest.Cut, redistest.Reset}[i%2])
			err := tt.write(key)
			p.Set(redistest.Pass) // the fault may have hit a ping of rueidis instead of the write
			state := s.Do("GET", physical)
			if s.Do("PTTL", physical) > "0" {
				state += " expires"
			}
			before := tt.before
			if before == "" {
				before = "(nil)"
			}
			switch {
			case err == nil:
				require.Equal(t, tt.after, state, tt.name)
			case adaptor.OutcomeUnknown(err):
				unknown++
				require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
				require.Contains(t, []string{before, tt.after}, state, tt.name)
			default:
				require.Equal(t, before, state, "%s: said not to be applied: %v", tt.name, err)
			}
		}
		assert.Greater(t, unknown, 90, "%s: otherwise the test proves nothing", tt.name)
	}
}

// While a connection is being made, each call ends when its context ends, and the connection still
// succeeds. A call whose error says that it was not applied was never sent.
func TestCallsWaitingForAConnectionEndWithTheirContexts(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	store := open(t, start(t, redis.Config{URL: p.URL()}), "ns")
	late := newOverruns(t)
	for range 6 {
		_, err := store.Incr(ctx, "n", 1)
		require.NoError(t, err)
		s.Do("DEL", "ns:n")
		p.HangUp()
		p.Delay(250 * time.Millisecond)
		stop := time.Now().Add(500 * time.Millisecond)
		var wg sync.WaitGroup
		var mu sync.Mutex
		var acked, unknown, refused int64
		for g := range 64 {
			wg.Go(func() {
				for time.Now().Before(stop) {
					limit := time.Duration(10+rand.IntN(20)) * time.Millisecond
					if g%2 == 0 {
						limit += time.Second
					}
					c, cancel := context.WithTimeout(ctx, limit)
					end := late.begin(limit)
					_, err := store.Incr(c, "n", 1)
					end()
					cancel()
					mu.Lock()
					switch {
					case err == nil:
						acked++
					case adaptor.OutcomeUnknown(err):
						unknown++
					default:
						refused++
						assert.ErrorIs(t, err, context.DeadlineExceeded)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		p.Delay(0)
		require.Eventually(t, func() bool { return errOf(store.Has(ctx, "n")) == nil }, 5*time.Second, time.Millisecond)
		n, _, err := adaptor.Get[int64](ctx, store, "n")
		require.NoError(t, err)
		t.Logf("%d acknowledged, %d unknown, %d surely not applied, %d applied", acked, unknown, refused, n)
		assert.NotZero(t, refused, "otherwise the test proves nothing")
		assert.NotZero(t, acked, "a connection is made although new calls keep arriving")
		assert.LessOrEqual(t, acked, n)
		assert.LessOrEqual(t, n, acked+unknown, "a call was applied although its error denies it")
	}
	late.check(t)
}

// errOf returns the error of a call with two results.
func errOf[A any](_ A, err error) error { return err }

var kills = flag.Int("kills", 3, "the number of times that TestKill kills the server")

// The server is killed under load and restarts with its acknowledged writes on disk. No acknowledged
// write is lost, and no write happened whose error says the opposite. Without a disk, the same check
// detects the lost writes.
func TestKill(t *testing.T) {
	t.Run("appendfsync always", func(t *testing.T) {
		s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
		operations, unknown := 0, 0
		for done, tries := 0, 0; done < *kills; tries++ {
			require.LessOrEqual(t, tries, 2**kills+5, "the server was killed too late in every try")
			result, n, u := killUnderLoad(t, s)
			require.Equal(t, porcupine.Ok, result)
			if u > 0 { // otherwise all calls had ended before the kill, which proves nothing
				done++
			}
			operations += n
			unknown += u
		}
		t.Logf("%d kills, %d operations, %d of unknown outcome", *kills, operations, unknown)
	})
	t.Run("no disk", func(t *testing.T) {
		s := redistest.Start(t)
		for range 10 { // in one try, the history may not read enough lost keys
			if result, _, _ := killUnderLoad(t, s); result == porcupine.Illegal {
				return
			}
		}
		t.Fatal("the check does not detect that all writes were lost")
	})
}

var killedHistories atomic.Int64

func killUnderLoad(t *testing.T, s *redistest.Server) (result porcupine.CheckResult, operations, unknown int) {
	store := open(t, start(t, redis.Config{URL: s.URL()}), fmt.Sprint("history-", killedHistories.Add(1)))
	const goroutines, each = 8, 250
	var begun atomic.Int64
	var down atomic.Bool
	killAt := 200 + rand.Int64N(goroutines*each/2)
	var wg sync.WaitGroup
	wg.Go(func() {
		for begun.Load() < killAt {
			time.Sleep(100 * time.Microsecond)
		}
		s.Kill()
		down.Store(true)
		s.Restart()
		down.Store(false)
	})
	history, _, unknown := model.Load{
		Goroutines: goroutines, Operations: each, TTLs: []time.Duration{0, -1, time.Hour}, Seed: rand.Uint64(), Slack: slack,
		Pause: func(*rand.Rand) {
			begun.Add(1)
			for down.Load() {
				time.Sleep(time.Millisecond)
			}
		},
	}.Record(store)
	wg.Wait()
	return model.Linearizable(history, time.Minute), len(history), unknown
}

// A call ends when its context ends, regardless of the server.
func TestCallsEndWithTheirContexts(t *testing.T) {
	for _, tt := range []struct {
		name string
		hang func(s *redistest.Server, p *redistest.Proxy)
	}{
		{"the server pauses", func(s *redistest.Server, _ *redistest.Proxy) { s.Do("CLIENT", "PAUSE", "3000", "ALL") }},
		{"answers are lost", func(_ *redistest.Server, p *redistest.Proxy) { p.Set(redistest.Swallow) }},
		{"the connection is lost, and no new one gets an answer", func(_ *redistest.Server, p *redistest.Proxy) {
			p.Set(redistest.Refuse)
			p.Set(redistest.Mute)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := redistest.Start(t)
			p := redistest.StartProxy(t, s.Addr)
			store := open(t, start(t, redis.Config{URL: p.URL(), Pipeline: 256, Timeout: 100 * time.Millisecond}), "ns")
			_, err := store.Incr(ctx, "n", 1)
			require.NoError(t, err)

			// More calls start than the ring has slots, most of the calls after the fault begins.
			hang := time.AfterFunc(50*time.Millisecond, func() { tt.hang(s, p) })
			defer hang.Stop()
			late := newOverruns(t)
			var failed atomic.Int64
			var wg sync.WaitGroup
			stop := time.Now().Add(2 * time.Second)
			for g := range 64 {
				wg.Go(func() {
					for i := 0; time.Now().Before(stop); i++ {
						limit := time.Duration(10+rand.IntN(90)) * time.Millisecond
						begin := time.Now()
						var c context.Context
						var cancel context.CancelFunc
						switch (g + i) % 3 {
						case 0:
							c, cancel = context.WithTimeout(ctx, limit)
						case 1:
							c, cancel = context.WithTimeout(ctx, time.Minute)
							time.AfterFunc(limit, cancel)
						case 2: // no deadline, so Config.Timeout applies
							c, cancel = context.WithCancel(ctx)
							limit = 100 * time.Millisecond
						}
						end := late.begin(limit)
						var err error
						if i%2 == 0 {
							_, err = store.Incr(c, "n", 1)
						} else {
							_, _, err = store.GetRaw(c, "n")
						}
						end()
						took := time.Since(begin)
						cancel()
						if err != nil {
							failed.Add(1)
							if ended := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled); took < limit && ended {
								assert.Fail(t, "ended too early", "%v: %v", limit-took, err)
							}
						}
					}
				})
			}
			wg.Wait()
			require.Greater(t, failed.Load(), int64(300), "otherwise the test proves little")
			late.check(t)
		})
	}
}

// Each operation without a deadline ends after Config.Timeout if the server does not reply.
func TestEachOperationEndsAfterTheTimeout(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	store := open(t, start(t, redis.Config{URL: p.URL(), Timeout: 500 * time.Millisecond}), "ns")
	cancelable, cancel := context.WithCancel(ctx)
	defer cancel()
	type operation struct {
		name  string
		write bool
		do    func(ctx context.Context) error
	}
	operations := []operation{
		{"GetRaw", false, func(ctx context.Context) error { _, _, err := store.GetRaw(ctx, "k"); return err }},
		{"Has", false, func(ctx context.Context) error { return errOf(store.Has(ctx, "k")) }},
		{"TTL", false, func(ctx context.Context) error { _, _, err := store.TTL(ctx, "k"); return err }},
		{"Set", true, func(ctx context.Context) error { return store.Set(ctx, "k", 1) }},
		{"Del", true, func(ctx context.Context) error { return store.Del(ctx, "k") }},
		{"Expire", true, func(ctx context.Context) error { return errOf(store.Expire(ctx, "k", time.Hour)) }},
		{"Incr", true, func(ctx context.Context) error { return errOf(store.Incr(ctx, "k", 1)) }},
		{"Incr with TTL", true, func(ctx context.Context) error { return errOf(store.Incr(ctx, "k", 1, adaptor.WithTTL(time.Hour))) }},
		{"IncrTTL", true, func(ctx context.Context) error { _, _, err := store.IncrTTL(ctx, "k", 1); return err }},
		{"SetNX", true, func(ctx context.Context) error { return errOf(store.SetNX(ctx, "k", 1)) }},
		{"CompareAndSwap", true, func(ctx context.Context) error { return errOf(store.CompareAndSwap(ctx, "k", 1, 2)) }},
		{"CompareAndDelete", true, func(ctx context.Context) error { return errOf(store.CompareAndDelete(ctx, "k", 1)) }},
		{"GetDel", true, func(ctx context.Context) error { _, _, err := store.GetDel(ctx, "k"); return err }},
		{"Swap", true, func(ctx context.Context) error { _, _, err := store.Swap(ctx, "k", 1); return err }},
		{"Persist", true, func(ctx context.Context) error { return errOf(store.Persist(ctx, "k")) }},
		{"SetMany", true, func(ctx context.Context) error { return store.SetMany(ctx, []adaptor.Entry{{Key: "k", Value: 1}}) }},
		{"DelMany", true, func(ctx context.Context) error { return store.DelMany(ctx, []string{"k"}) }},
		{"GetMany", false, func(ctx context.Context) error { return errOf(store.GetMany(ctx, []string{"k"})) }},
		{"Keys", false, func(ctx context.Context) (failed error) {
			for _, err := range store.Keys(ctx) {
				failed = err
			}
			return failed
		}},
		{"Clear", false, store.Clear}, // it sends no write before the reply to a SCAN
	}
	for name, c := range map[string]context.Context{"a context that never ends": ctx, "a context without a deadline": cancelable} {
		t.Run(name, func(t *testing.T) {
			p.Set(redistest.Refuse) // closes the connection, which has lost data
			p.Set(redistest.Pass)
			require.Eventually(t, func() bool { return errOf(store.Has(ctx, "k")) == nil }, 10*time.Second, time.Millisecond)
			p.Set(redistest.Swallow)
			failed := make([]chan error, len(operations))
			for i, o := range operations {
				failed[i] = make(chan error, 1)
				go func() { failed[i] <- o.do(c) }()
			}
			for i, o := range operations {
				select {
				case err := <-failed[i]:
					assert.ErrorIs(t, err, context.DeadlineExceeded, o.name)
					assert.ErrorContains(t, err, "within redis.Config.Timeout (500ms)", o.name)
					assert.Equal(t, o.write, adaptor.OutcomeUnknown(err), o.name)
				case <-time.After(10 * time.Second):
					assert.Fail(t, o.name+" has not ended")
				}
			}
		})
	}
}

// A script that the server does not know takes two round trips, which share one timeout.
func TestTwoRoundTripsOfAScriptShareTheTimeout(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	store := open(t, start(t, redis.Config{URL: p.URL(), Timeout: 300 * time.Millisecond}), "ns")
	s.Do("SCRIPT", "FLUSH")
	p.Delay(200 * time.Millisecond)
	_, _, err := store.IncrTTL(ctx, "n", 1)
	assert.ErrorContains(t, err, "within redis.Config.Timeout (300ms)")
	assert.True(t, adaptor.OutcomeUnknown(err))
}

// A server that accepts a connection and sends nothing receives no command. The error is a timeout of
// the connection, not the end of the caller's context.
func TestWriteOnAMuteConnectionIsNotApplied(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	store := open(t, start(t, redis.Config{URL: p.URL()}), "ns")
	p.Set(redistest.Refuse)
	p.Set(redistest.Mute)
	for begin := time.Now(); ; {
		err := store.Set(ctx, "k", 1)
		require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		if strings.Contains(err.Error(), "timeout") {
			assert.ErrorContains(t, err, "no connection to "+strings.TrimPrefix(p.URL(), "redis://")+": timeout")
			assert.False(t, adaptor.OutcomeUnknown(err))
			assert.NotErrorIs(t, err, context.DeadlineExceeded)
			break
		}
		require.Less(t, time.Since(begin), 10*time.Second)
	}
	assert.Equal(t, "0", s.Do("DBSIZE"))
}

// A handshake whose replies arrive in small pieces delays no call beyond its deadline.
func TestSlowHandshakeDelaysNoCall(t *testing.T) {
	p := redistest.StartProxy(t, redistest.Start(t).Addr)
	store := open(t, start(t, redis.Config{URL: p.URL()}), "ns")
	require.NoError(t, errOf(store.Incr(ctx, "n", 1)))
	p.HangUp()
	p.Trickle(16, 60*time.Millisecond) // a handshake takes about 800 ms
	late := newOverruns(t)
	call := func(limit time.Duration) error {
		c, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		defer late.begin(limit)()
		return errOf(store.Incr(c, "n", 1))
	}
	patient := make(chan error)
	go func() { patient <- call(10 * time.Second) }()
	time.Sleep(200 * time.Millisecond) // until some pieces have arrived
	assert.ErrorIs(t, call(20*time.Millisecond), context.DeadlineExceeded)
	assert.NoError(t, <-patient)
	late.check(t)
}

// The server is alive but slow for a long time. An abandoned call holds its ring slot until its reply
// arrives. No call waits for such a slot beyond its deadline.
func TestAbandonedCallsInTheRingDelayNoCall(t *testing.T) {
	t.Parallel()
	p := redistest.StartProxy(t, redistest.Start(t).Addr)
	store := open(t, start(t, redis.Config{URL: p.URL(), Pipeline: 256}), "ns")
	require.NoError(t, errOf(store.Incr(ctx, "warm", 1)))
	p.Trickle(14, 100*time.Millisecond) // ten replies per second
	stop := time.Now().Add(10 * time.Second)
	late := newOverruns(t)
	var wg sync.WaitGroup
	var abandoned atomic.Int64
	for g := range 300 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				limit := 30 * time.Millisecond
				if g < 100 { // the replies to these calls make the other calls direct
					limit = 20 * time.Second
				}
				c, cancel := context.WithTimeout(ctx, limit)
				end := late.begin(limit)
				if _, err := store.Incr(c, fmt.Sprint(g), 1); err != nil {
					abandoned.Add(1)
				}
				end()
				cancel()
			}
		})
	}
	time.Sleep(time.Until(stop))
	p.Trickle(64<<10, 0)
	wg.Wait()
	assert.Greater(t, abandoned.Load(), int64(1000), "otherwise the test proves nothing")
	late.check(t)
}

// A node of a Cluster hangs, and the other nodes reply. Their replies do not free the ring slots of the
// calls to the hanging node, so further calls to this node must not wait for a slot.
func TestHangingNodeOfAClusterDelaysNoCall(t *testing.T) {
	c := redistest.StartCluster(t)
	store := open(t, start(t, redis.Config{URL: c.URL(), Pipeline: 256}), "ns")
	hanging := c.Primary("ns:{0}")
	other := ""
	for i := 1; other == ""; i++ {
		if key := fmt.Sprintf("{%d}", i); c.Primary("ns:"+key) != hanging {
			other = key
		}
	}
	require.NoError(t, store.Set(ctx, "{0}", 1))
	require.NoError(t, store.Set(ctx, other, 1))
	late := newOverruns(t)
	var acked, failed atomic.Int64
	var wg sync.WaitGroup
	hanging.Freeze()
	stop := time.Now().Add(1500 * time.Millisecond) // the failover comes later
	for g := range 100 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				limit, key := 20*time.Millisecond, "{0}"
				if g < 4 {
					limit, key = 10*time.Second, other
				}
				c, cancel := context.WithTimeout(ctx, limit)
				end := late.begin(limit)
				if err := store.Set(c, key, 1); err == nil {
					acked.Add(1)
				} else {
					failed.Add(1)
				}
				end()
				cancel()
			}
		})
	}
	wg.Wait()
	hanging.Thaw()
	// The callers of the hanging node leave few ring slots to the healthy nodes, so chance decides how many
	// replies these nodes send. A run with few replies proves little, but breaks no rule.
	t.Logf("the healthy nodes have acknowledged %d writes", acked.Load())
	assert.Greater(t, failed.Load(), int64(300), "otherwise the test proves little")
	late.check(t)
}

// There are more callers than slots in the pipeline, and the server sends one reply at a time. Each call
// still ends when its context ends, and its error reports the true outcome.
func TestFullPipelineDelaysNoCall(t *testing.T) {
	const pipeline, callers, replySize = 256, 1000, 14 // replySize in bytes
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	store := open(t, start(t, redis.Config{URL: p.URL(), Pipeline: pipeline}), "ns")
	_, err := store.Incr(ctx, "warm", 1)
	require.NoError(t, err)
	p.Trickle(replySize, 2*time.Millisecond)
	type call struct {
		key   string
		err   error
		early bool
	}
	late := newOverruns(t)
	var calls [callers][]call
	stop := time.Now().Add(3 * time.Second)
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			for i := 0; time.Now().Before(stop); i++ {
				limit := time.Duration(20+rand.IntN(80)) * time.Millisecond
				if g%2 == 0 { // these calls wait long enough for a reply
					limit += 2 * time.Second
				}
				c, cancel := context.WithTimeout(ctx, limit)
				key := fmt.Sprint(g, "/", i)
				end := late.begin(limit)
				_, err := store.Incr(c, key, 1)
				end()
				calls[g] = append(calls[g], call{key, err, c.Err() == nil})
				cancel()
			}
		})
	}
	wg.Wait()
	p.Trickle(64<<10, 0)
	require.Eventually(t, func() bool { return errOf(store.Has(ctx, "warm")) == nil }, 10*time.Second, time.Millisecond)
	acked, unknown, refused := 0, 0, 0
	for _, c := range slices.Concat(calls[:]...) {
		applied := s.Do("GET", "ns:"+c.key)
		switch {
		case c.err == nil:
			acked++
			require.Equal(t, "1", applied, "an acknowledged call")
			continue
		case adaptor.OutcomeUnknown(c.err):
			unknown++
			require.Contains(t, []string{"1", "(nil)"}, applied, "a call of unknown outcome")
		default:
			refused++
			require.Equal(t, "(nil)", applied, "a call that said that it was not applied: %v", c.err)
		}
		require.ErrorIs(t, c.err, context.DeadlineExceeded)
		require.False(t, c.early, "ended before its context: %v", c.err)
	}
	t.Logf("%d calls acknowledged, %d of unknown outcome, %d surely not applied", acked, unknown, refused)
	assert.Greater(t, acked, 100, "otherwise the test proves nothing")
	assert.Greater(t, unknown, 100, "otherwise the test proves nothing")
	assert.NotZero(t, refused, "otherwise the test proves nothing")
	late.check(t)
}

// While the server is down, calls fail soon and surely without effect. After a restart, the store
// recovers by itself.
func TestCallsFailFastWhileTheServerIsDown(t *testing.T) {
	s := redistest.Start(t)
	store := open(t, start(t, redis.Config{URL: s.URL()}), "ns")
	require.NoError(t, store.Set(ctx, "k", 1))
	s.Kill()
	var err error
	m := startMetronome(t)
	for range 3 { // the first call may still be in flight when the connection breaks
		begin := m.count.Load()
		err = store.Set(ctx, "k", 2)
		require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		assert.Less(t, m.count.Load()-begin, int64(1000))
	}
	assert.False(t, adaptor.OutcomeUnknown(err))
	assert.EqualError(t, err, `kv: Set in namespace "ns": STORE_OPERATION_FAILED: no connection to `+s.Addr+`: connection refused`)
	s.Restart()
	require.Eventually(t, func() bool { return store.Set(ctx, "k", 3) == nil }, 10*time.Second, 10*time.Millisecond)
	assert.Equal(t, "3", s.Do("GET", "ns:k"))
}

// A refused write changes nothing, and its error names the reason.
func TestRefusedWriteChangesNothing(t *testing.T) {
	for _, tt := range []struct {
		code   string
		reads  bool // the server also refuses reads
		refuse func(t *testing.T, s *redistest.Server)
	}{
		{"OOM", false, func(_ *testing.T, s *redistest.Server) { s.Do("CONFIG", "SET", "maxmemory", "1") }},
		{"NOREPLICAS", false, func(_ *testing.T, s *redistest.Server) { s.Do("CONFIG", "SET", "min-replicas-to-write", "1") }},
		{"READONLY", false, func(t *testing.T, s *redistest.Server) {
			host, port, _ := strings.Cut(redistest.Start(t).Addr, ":")
			s.Do("CONFIG", "SET", "replica-serve-stale-data", "yes")
			s.Do("REPLICAOF", host, port)
		}},
		{"NOPERM", true, func(_ *testing.T, s *redistest.Server) {
			s.Do("ACL", "SETUSER", "default", "-@all", "+get", "+ping", "+acl")
		}},
		{"BUSY", true, func(t *testing.T, s *redistest.Server) {
			s.Do("CONFIG", "SET", "lua-time-limit", "1") // the old name of busy-reply-threshold in Redis 7
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = s.Do("EVAL", "while true do end", "0")
			}()
			t.Cleanup(func() {
				s.Do("SCRIPT", "KILL")
				<-done
			})
			require.Eventually(t, func() bool { return strings.HasPrefix(s.Do("GET", "x"), "BUSY") }, 5*time.Second, time.Millisecond)
		}},
	} {
		t.Run(tt.code, func(t *testing.T) {
			s := redistest.Start(t)
			store := open(t, start(t, redis.Config{URL: s.URL()}), "ns")
			require.NoError(t, store.Set(ctx, "secret", 1, adaptor.WithTTL(time.Hour)))
			tt.refuse(t, s)
			for name, err := range map[string]error{
				"Set":            store.Set(ctx, "secret", 2),
				"Incr":           errOf(store.Incr(ctx, "secret", 1)),
				"Incr with TTL":  errOf(store.Incr(ctx, "secret", 1, adaptor.WithTTL(time.Hour))),
				"new Incr":       errOf(store.Incr(ctx, "secret 2", 1, adaptor.WithTTL(time.Hour))),
				"SetNX":          errOf(store.SetNX(ctx, "secret 3", 1)),
				"CompareAndSwap": errOf(store.CompareAndSwap(ctx, "secret", 1, 2)),
			} {
				assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
				assert.ErrorContains(t, err, "the server refused with "+tt.code, name)
				assert.NotContains(t, fmt.Sprint(err), "secret", name)
				assert.False(t, adaptor.OutcomeUnknown(err), name)
			}
			if !tt.reads && tt.code != "READONLY" {
				n, found, err := adaptor.Get[int](ctx, store, "secret")
				require.NoError(t, err)
				assert.True(t, found)
				assert.Equal(t, 1, n)
				left, _, err := store.TTL(ctx, "secret")
				require.NoError(t, err)
				assert.Greater(t, left, 59*time.Minute)
				for _, key := range []string{"secret 2", "secret 3"} {
					found, err := store.Has(ctx, key)
					require.NoError(t, err)
					assert.False(t, found)
				}
			}
		})
	}
}
