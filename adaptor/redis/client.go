package redis

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/redis/internal/script"
)

// A link is a client of the server, from Start to Stop. It adds to the client that a call ends
// when its context does, whatever happens: rueidis does not look at the context while it
// connects, nor when its queue of unanswered commands is full, and while only one call is on its
// way it closes the connection when that one is late, with the calls of others on it.
//
// As long as the server answers, a call is the client's, in the caller's goroutine. From the
// first call that ends without an answer, and before the first connection, each call has a
// goroutine of its own that the caller can leave behind, until one is answered again.
type client struct {
	rueidis rueidis.Client
	address string
	timeout time.Duration

	responsive      atomic.Bool    // the last call to end was answered
	directCalls     atomic.Int32   // in the callers' goroutines
	detachedCallers atomic.Int32   // of calls with goroutines of their own, those that wait
	abandoned       abandonedCalls // of those, the ones whose places may still be taken
	maxDirect       int32          // of both
	acquiring       atomic.Int32   // of the calls, those that may still come to wait for a connection
	dialing         atomic.Int32   // connections that are being made: meanwhile none begins in its caller's goroutine

	timeouts timeoutPool

	lifetime    context.Context // of the calls with goroutines of their own
	endLifetime context.CancelFunc
	semaphore   chan struct{} // for them

	dialCounts sync.Map // how many connections there have been, by address: *atomic.Int64

	owned   bool             // the client is ours
	watcher *sentinelWatcher // of Sentinel
}

// pingEvery is how often the client pings a server that has nothing to say.
const pingInterval = time.Second

// maxDrain is how long dial waits for direct calls to be through.
const maxDrainTime = 20 * time.Millisecond

// silence is how long a server may stay silent before the connection is closed: after a ping, while
// connecting, and in the handshake. Where there is another server to take over, the client has to
// look for it soon.
func (t topology) silenceTimeout(timeout time.Duration) time.Duration {
	if t == single {
		return max(timeout, time.Second)
	}
	return time.Second
}

// shardsRefresh is how often a Cluster is asked who its primaries are, beside what it tells by itself.
const shardsRefreshInterval = 5 * time.Second

func newClient(config Config, address string) *client {
	ringSlots := 1 << config.pipelineScale()
	c := &client{
		address:   address,
		timeout:   config.Timeout,
		maxDirect: int32(ringSlots * 3 / 4),
		semaphore: make(chan struct{}, ringSlots/8), // the last eighth is the client's: its pings
	}
	c.abandoned.severalConns, c.abandoned.deadAfter = true, 12*time.Second // of a client by its defaults; connect knows better
	c.abandoned.callInFlight = func() bool { return c.lifetime.Err() == nil && c.directCalls.Load()+c.detachedCallers.Load() > 0 }
	c.lifetime, c.endLifetime = context.WithCancel(context.Background())
	return c
}

// connect makes a client of our own, and returns when it is connected, or ctx is done.
func (c *client) connect(ctx context.Context, config Config, t target) error {
	c.owned = true
	silence := t.topology.silenceTimeout(config.Timeout)
	c.abandoned.severalConns, c.abandoned.deadAfter = t.topology == cluster, pingInterval+silence+time.Second
	dialer := net.Dialer{Timeout: silence, KeepAlive: pingInterval}
	if t.topology == sentinel {
		c.watcher = newSentinelWatcher(c.lifetime, config, t, dialer)
	}
	made := make(chan error, 1)
	go func() {
		var err error
		c.rueidis, err = rueidis.NewClient(rueidis.ClientOption{
			InitAddress:         t.addresses,
			ForceSingleClient:   t.topology != cluster, // of Sentinel, dial knows the primary
			DialCtxFn:           c.dial,
			Dialer:              dialer,
			ConnWriteTimeout:    silence,
			TLSConfig:           t.tls,
			Username:            t.username,
			Password:            t.password,
			SelectDB:            t.database,
			PipelineMultiplex:   -1, // one connection to a server: what was given up on is not overtaken
			DisableRetry:        true,
			DisableCache:        true,
			BlockingPipeline:    2*maxBatch + 1,
			RingScaleEachConn:   config.pipelineScale(),
			ReadBufferEachConn:  config.Buffer,
			WriteBufferEachConn: config.Buffer,
			ClusterOption:       rueidis.ClusterOption{ShardsRefreshInterval: shardsRefreshInterval},
		})
		made <- err
	}()
	select {
	case err := <-made:
		return err
	case <-ctx.Done():
		c.endLifetime() // ends the dialing, and closes what is connected
		<-made
		return ctx.Err()
	}
}

// close ends the client, if it is ours, after the calls that are on their way, and waits until
// ctx is done.
func (c *client) close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c.directCalls.Load()+c.detachedCallers.Load() > 0 { // the client would not wait for them, or not long
			time.Sleep(time.Millisecond)
		}
		if c.owned {
			if c.rueidis != nil {
				c.rueidis.Close()
			}
			c.endLifetime()
		}
		for range cap(c.semaphore) { // those who were left behind have ended, and none begins
			c.semaphore <- struct{}{}
		}
		c.endLifetime()
		if c.watcher != nil {
			c.watcher.wg.Wait()
		}
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		c.endLifetime()
		return ctx.Err()
	}
}

// do sends a command once, and returns the answer, which may be nil, or an error as a driver
// returns it. It ends when ctx does, or after the timeout if ctx has no deadline.
func (c *client) do(ctx context.Context, cmd rueidis.Completed) (rueidis.RedisMessage, error) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	return c.call(ctx, cmd)
}

// bound gives ctx the timeout if it has no deadline.
func (c *client) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	if ctx.Done() == nil && c.owned { // a client that we were handed may keep what it is given
		t := c.timeouts.get(ctx, c.timeout)
		return t, t.release
	}
	return context.WithTimeoutCause(ctx, c.timeout, errConfigTimeout)
}

func (c *client) call(ctx context.Context, cmd rueidis.Completed) (rueidis.RedisMessage, error) {
	start := c.abandoned.startTime()
	result, sent := c.send(ctx, cmd)
	message, err := result.ToMessage()
	reply, refused := errors.AsType[*rueidis.RedisError](err)
	switch {
	case err == nil || rueidis.IsRedisNil(err):
		err = nil
	case refused:
		err = replyError(reply)
	case !sent:
		return message, err
	default:
		c.setResponsive(false)
		return message, c.noReplyError(ctx, err)
	}
	c.abandoned.answered(start)
	c.setResponsive(true)
	return message, err
}

// peer is what errors call the server.
func (c *client) peer() string {
	if c.watcher != nil {
		c.watcher.mu.Lock()
		defer c.watcher.mu.Unlock()
		return "the primary at " + c.watcher.primary
	}
	return c.address
}

func (c *client) setResponsive(answer bool) {
	if c.responsive.Load() != answer {
		c.responsive.Store(answer)
	}
}

// send gives a command to the client. If sent is false, the error is complete.
func (c *client) send(ctx context.Context, cmd rueidis.Completed) (result rueidis.RedisResult, sent bool) {
	if c.responsive.Load() {
		if c.directCalls.Add(1)+c.abandoned.count.Load() <= c.maxDirect {
			d := &directContext{Context: ctx, client: c}
			c.acquiring.Add(1)
			if c.dialing.Load() == 0 { // the order matters: dial looks at them the other way round
				result = c.rueidis.Do(d, cmd)
			} else {
				result = rueidis.NewResult(rueidis.RedisMessage{}, errNoConnection)
			}
			d.acquired()
			if ctx.Err() != nil {
				c.abandoned.add()
			}
			c.directCalls.Add(-1)
			if !errors.Is(result.NonRedisError(), errNoConnection) {
				return result, true
			}
		} else {
			c.directCalls.Add(-1)
		}
	}
	result, sent, err := callDetached(ctx, c,
		func(ctx context.Context) rueidis.RedisResult { return c.rueidis.Do(ctx, cmd) },
		func(r rueidis.RedisResult) (some, all bool) {
			unsent := errors.Is(r.NonRedisError(), errNoConnection)
			return unsent, unsent
		})
	if err != nil {
		result = rueidis.NewResult(rueidis.RedisMessage{}, err)
	}
	return result, sent
}

// patiently runs do, with a patient context, in a goroutine of its own, which it leaves behind when ctx
// ends. unsent says of a result whether some or all commands were not sent because no connection
// could be made just then: do is called again. Beside an error, sent tells whether a
// command may have been sent; if not, the error is complete.
func callDetached[R any](ctx context.Context, c *client, do func(context.Context) R, unsent func(R) (some, all bool)) (result R, sent bool, err error) {
	c.detachedCallers.Add(1)
	defer c.detachedCallers.Add(-1)
	select {
	case c.semaphore <- struct{}{}:
	case <-ctx.Done():
		return result, false, c.endedError(ctx, reasonPipelineFull)
	case <-c.lifetime.Done():
		return result, false, errNotStarted
	}
	d := &detachedContext{Context: c.lifetime, caller: ctx}
	answer := make(chan R, 1)
	go func() {
		result := do(d)
		for some, all := unsent(result); some && ctx.Err() == nil; some, all = unsent(result) {
			if all {
				d.state.CompareAndSwap(commandMaybeSent, commandUnsent) // it was not
			}
			time.Sleep(time.Millisecond) // the direct calls that were in the way are ending
			result = do(d)
		}
		<-c.semaphore
		answer <- result
	}()
	select {
	case result = <-answer:
		return result, true, nil
	case <-ctx.Done():
		// A client that we were handed may ask another context than ours.
		if d.state.CompareAndSwap(commandUnsent, commandAbandoned) && c.owned {
			c.setResponsive(false)
			return result, false, c.endedError(ctx, "no connection to "+c.peer()+" yet")
		}
		return result, true, ctx.Err()
	}
}

// patient is the context of a call that has a goroutine of its own, and is not ended when the
// caller leaves. But a command that has not been sent by then never is: the client asks for
// Err before it sends anything, after it has connected.
type detachedContext struct {
	context.Context // of the link
	caller          context.Context
	state           atomic.Int32
}

const (
	commandUnsent    = iota
	commandMaybeSent // or it may be: the client has asked
	commandAbandoned // and never sent
)

// Err is asked by one goroutine at a time for each node.
func (d *detachedContext) Err() error {
	if !d.state.CompareAndSwap(commandUnsent, commandMaybeSent) && d.state.Load() == commandAbandoned {
		return d.caller.Err()
	}
	return d.Context.Err()
}

// direct is the context of a call in the caller's goroutine: it hides its deadline, for which
// the client would close the connection, and must not dial.
type directContext struct {
	context.Context
	client  *client
	hasConn atomic.Bool
}

// Err is asked by the client when it has a connection, before it sends anything.
func (d *directContext) Err() error {
	d.acquired()
	return d.Context.Err()
}

func (d *directContext) acquired() {
	if !d.hasConn.Load() && d.hasConn.CompareAndSwap(false, true) {
		d.client.acquiring.Add(-1)
	}
}

func (*directContext) Deadline() (time.Time, bool) { return time.Time{}, false }

func (d *directContext) Value(key any) any {
	if key == (directKey{}) {
		return true
	}
	return d.Context.Value(key)
}

type directKey struct{}

var errNoConnection = errors.New("redis: no connection")

// dial makes a connection for the client, with TLS if config is not nil.
func (c *client) dial(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	if ctx.Value(directKey{}) != nil {
		return nil, errNoConnection
	}
	// A direct call that finds another one dialing would wait for it, whatever its context. So
	// none enters now, and those that do are given a moment to be through. What is left
	// waits for this connection already, and is freed by our giving up.
	c.dialing.Add(1)
	for waited := time.Duration(0); c.acquiring.Load() > 0; waited += time.Millisecond {
		if waited < maxDrainTime {
			time.Sleep(time.Millisecond)
			continue
		}
		c.dialing.Add(-1)
		return nil, errNoConnection // whoever dials tries again
	}
	conn, err := c.dialServer(ctx, address, dialer, config)
	if err != nil {
		c.dialing.Add(-1)
		return nil, err
	}
	c.dialCount(address).Add(1)
	return &clientConn{Conn: conn, client: c, address: address}, nil
}

// reach makes a connection to address, or to the primary that the Sentinels name.
func (c *client) dialServer(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	if c.watcher == nil {
		return dialAddress(ctx, c.lifetime, address, dialer, config)
	}
	for {
		address, primaryCtx, err := c.watcher.currentPrimary(ctx)
		if err != nil {
			return nil, err
		}
		conn, err := dialAddress(ctx, primaryCtx, address, dialer, config)
		if primaryCtx.Err() == nil || c.lifetime.Err() != nil {
			return conn, err
		} // there is another primary by now
	}
}

// open makes a connection which ends with life.
func dialAddress(ctx, lifetime context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(lifetime, cancel)()
	network := "tcp"
	if address != "" && address[0] == '/' {
		network = "unix"
	}
	var conn net.Conn
	var err error
	if config != nil {
		conn, err = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, network, address)
	} else {
		conn, err = dialer.DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, &dialError{address, err}
	}
	return &lifetimeConn{conn, context.AfterFunc(lifetime, func() { _ = conn.Close() })}, nil
}

// mortal is a connection that something ends when its time is over, and which forgets that when it is closed.
type lifetimeConn struct {
	net.Conn
	stop func() bool
}

func (c *lifetimeConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// connections counts the connections that there have been with an address. One more than before means
// that what was begun on the old one may be answered by another server.
func (c *client) dialCount(address string) *atomic.Int64 {
	n, _ := c.dialCounts.LoadOrStore(address, new(atomic.Int64))
	return n.(*atomic.Int64)
}

// A connection is being made until the client sends something after it has heard of the server, which is
// the first command after the handshake, or until it is closed.
type clientConn struct {
	net.Conn
	client   *client
	address  string
	gotReply atomic.Bool
	ready    atomic.Bool
}

// Read reads answers. If some calls are on their way it lets others run first: answers that come meanwhile
// need not be slept for.
func (c *clientConn) Read(b []byte) (int, error) {
	c.client.yield(4, 8)
	n, err := c.Conn.Read(b)
	if !c.ready.Load() {
		if err != nil {
			err = &dialError{c.address, err}
		} else if c.client.watcher != nil && bytes.Contains(b[:n], replicaRole) {
			n, err = 0, errReplica
		}
		c.gotReply.Store(true)
	}
	return n, err
}

// Write sends commands. If many calls are on their way it lets the others run first, whose commands are
// then sent together: that is half of the work for both sides. Among few calls, what the server would
// wait for them costs more.
func (c *clientConn) Write(b []byte) (int, error) {
	if !c.ready.Load() && c.gotReply.Load() {
		c.markReady()
	}
	c.client.yield(1, 64)
	return c.Conn.Write(b)
}

// yield lets others run, some times, if that many calls are on their way. What it is worth was measured by
// internal/bench.
func (c *client) yield(times int, calls int32) {
	if c.directCalls.Load() >= calls {
		for range times {
			runtime.Gosched()
		}
	}
}

func (c *clientConn) Close() error {
	c.markReady()
	return c.Conn.Close()
}

func (c *clientConn) markReady() {
	if !c.ready.Load() && c.ready.CompareAndSwap(false, true) {
		c.client.dialing.Add(-1)
	}
}

// eval runs a script on a key: in one round trip, or in two if the server does not know it yet,
// or any more.
func (c *client) eval(ctx context.Context, s *script.Script, key string, args ...string) (rueidis.RedisMessage, error) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	m, err := c.call(ctx, c.rueidis.B().Evalsha().Sha1(s.SHA).Numkeys(1).Key(key).Arg(args...).Build())
	if reply, refused := errors.AsType[*rueidis.RedisError](err); refused && reply.IsNoScript() {
		return c.call(ctx, c.rueidis.B().Eval().Script(s.Text).Numkeys(1).Key(key).Arg(args...).Build())
	}
	return m, err
}
