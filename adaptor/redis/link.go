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
type link struct {
	client  rueidis.Client
	address string
	timeout time.Duration

	answers atomic.Bool  // the last call to end was answered
	calls   atomic.Int32 // in the callers' goroutines
	callers atomic.Int32 // of calls with goroutines of their own, those that wait
	late    lates        // of those, the ones whose places may still be taken
	most    int32        // of both
	enters  atomic.Int32 // of the calls, those that may still come to wait for a connection
	dialing atomic.Int32 // connections that are being made: meanwhile none begins in its caller's goroutine

	limits limits

	life   context.Context // of the calls with goroutines of their own
	end    context.CancelFunc
	places chan struct{} // for them

	made sync.Map // how many connections there have been, by address: *atomic.Int64

	dials bool   // the client is ours
	watch *watch // of Sentinel
}

// pingEvery is how often the client pings a server that has nothing to say.
const pingEvery = time.Second

// maxDrain is how long dial waits for direct calls to be through.
const maxDrain = 20 * time.Millisecond

// silence is how long a server may stay silent before the connection is closed: after a ping, while
// connecting, and in the handshake. Where there is another server to take over, the client has to
// look for it soon.
func (t topology) silence(timeout time.Duration) time.Duration {
	if t == single {
		return max(timeout, time.Second)
	}
	return time.Second
}

// shardsRefresh is how often a Cluster is asked who its primaries are, beside what it tells by itself.
const shardsRefresh = 5 * time.Second

func newLink(config Config, address string) *link {
	places := 1 << config.pipelineScale()
	l := &link{
		address: address,
		timeout: config.Timeout,
		most:    int32(places * 3 / 4),
		places:  make(chan struct{}, places/8), // the last eighth is the client's: its pings
	}
	l.late.several, l.late.deadTime = true, 12*time.Second // of a client by its defaults; connect knows better
	l.late.busy = func() bool { return l.life.Err() == nil && l.calls.Load()+l.callers.Load() > 0 }
	l.life, l.end = context.WithCancel(context.Background())
	return l
}

// connect makes a client of our own, and returns when it is connected, or ctx is done.
func (l *link) connect(ctx context.Context, config Config, s server) error {
	l.dials = true
	silence := s.topology.silence(config.Timeout)
	l.late.several, l.late.deadTime = s.topology == cluster, pingEvery+silence+time.Second
	dialer := net.Dialer{Timeout: silence, KeepAlive: pingEvery}
	if s.topology == sentinel {
		l.watch = newWatch(l.life, config, s, dialer)
	}
	made := make(chan error, 1)
	go func() {
		var err error
		l.client, err = rueidis.NewClient(rueidis.ClientOption{
			InitAddress:         s.addresses,
			ForceSingleClient:   s.topology != cluster, // of Sentinel, dial knows the primary
			DialCtxFn:           l.dial,
			Dialer:              dialer,
			ConnWriteTimeout:    silence,
			TLSConfig:           s.tls,
			Username:            s.username,
			Password:            s.password,
			SelectDB:            s.database,
			PipelineMultiplex:   -1, // one connection to a server: what was given up on is not overtaken
			DisableRetry:        true,
			DisableCache:        true,
			BlockingPipeline:    2*mostCommands + 1,
			RingScaleEachConn:   config.pipelineScale(),
			ReadBufferEachConn:  config.Buffer,
			WriteBufferEachConn: config.Buffer,
			ClusterOption:       rueidis.ClusterOption{ShardsRefreshInterval: shardsRefresh},
		})
		made <- err
	}()
	select {
	case err := <-made:
		return err
	case <-ctx.Done():
		l.end() // ends the dialing, and closes what is connected
		<-made
		return ctx.Err()
	}
}

// close ends the client, if it is ours, after the calls that are on their way, and waits until
// ctx is done.
func (l *link) close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for l.calls.Load()+l.callers.Load() > 0 { // the client would not wait for them, or not long
			time.Sleep(time.Millisecond)
		}
		if l.dials {
			if l.client != nil {
				l.client.Close()
			}
			l.end()
		}
		for range cap(l.places) { // those who were left behind have ended, and none begins
			l.places <- struct{}{}
		}
		l.end()
		if l.watch != nil {
			l.watch.wg.Wait()
		}
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		l.end()
		return ctx.Err()
	}
}

// do sends a command once, and returns the answer, which may be nil, or an error as a driver
// returns it. It ends when ctx does, or after the timeout if ctx has no deadline.
func (l *link) do(ctx context.Context, cmd rueidis.Completed) (rueidis.RedisMessage, error) {
	ctx, cancel := l.bound(ctx)
	defer cancel()
	return l.call(ctx, cmd)
}

// bound gives ctx the timeout if it has no deadline.
func (l *link) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	if ctx.Done() == nil && l.dials { // a client that we were handed may keep what it is given
		t := l.limits.start(ctx, l.timeout)
		return t, t.release
	}
	return context.WithTimeoutCause(ctx, l.timeout, errTimeout)
}

func (l *link) call(ctx context.Context, cmd rueidis.Completed) (rueidis.RedisMessage, error) {
	began := l.late.began()
	result, sent := l.send(ctx, cmd)
	message, err := result.ToMessage()
	reply, refused := errors.AsType[*rueidis.RedisError](err)
	switch {
	case err == nil || rueidis.IsRedisNil(err):
		err = nil
	case refused:
		err = refusal(reply)
	case !sent:
		return message, err
	default:
		l.hear(false)
		return message, l.unanswered(ctx, err)
	}
	l.late.answered(began)
	l.hear(true)
	return message, err
}

// peer is what errors call the server.
func (l *link) peer() string {
	if l.watch != nil {
		l.watch.mu.Lock()
		defer l.watch.mu.Unlock()
		return "the primary at " + l.watch.primary
	}
	return l.address
}

func (l *link) hear(answer bool) {
	if l.answers.Load() != answer {
		l.answers.Store(answer)
	}
}

// send gives a command to the client. If sent is false, the error is complete.
func (l *link) send(ctx context.Context, cmd rueidis.Completed) (result rueidis.RedisResult, sent bool) {
	if l.answers.Load() {
		if l.calls.Add(1)+l.late.n.Load() <= l.most {
			d := &direct{Context: ctx, link: l}
			l.enters.Add(1)
			if l.dialing.Load() == 0 { // the order matters: dial looks at them the other way round
				result = l.client.Do(d, cmd)
			} else {
				result = rueidis.NewResult(rueidis.RedisMessage{}, errNoConnection)
			}
			d.enter()
			if ctx.Err() != nil {
				l.late.add()
			}
			l.calls.Add(-1)
			if !errors.Is(result.NonRedisError(), errNoConnection) {
				return result, true
			}
		} else {
			l.calls.Add(-1)
		}
	}
	result, sent, err := patiently(ctx, l,
		func(ctx context.Context) rueidis.RedisResult { return l.client.Do(ctx, cmd) },
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
func patiently[R any](ctx context.Context, l *link, do func(context.Context) R, unsent func(R) (some, all bool)) (result R, sent bool, err error) {
	l.callers.Add(1)
	defer l.callers.Add(-1)
	select {
	case l.places <- struct{}{}:
	case <-ctx.Done():
		return result, false, l.ended(ctx, errCrowded)
	case <-l.life.Done():
		return result, false, errNotStarted
	}
	p := &patient{Context: l.life, caller: ctx}
	answer := make(chan R, 1)
	go func() {
		result := do(p)
		for some, all := unsent(result); some && ctx.Err() == nil; some, all = unsent(result) {
			if all {
				p.state.CompareAndSwap(isSent, isWaiting) // it was not
			}
			time.Sleep(time.Millisecond) // the direct calls that were in the way are ending
			result = do(p)
		}
		<-l.places
		answer <- result
	}()
	select {
	case result = <-answer:
		return result, true, nil
	case <-ctx.Done():
		// A client that we were handed may ask another context than ours.
		if p.state.CompareAndSwap(isWaiting, isAbandoned) && l.dials {
			l.hear(false)
			return result, false, l.ended(ctx, "no connection to "+l.peer()+" yet")
		}
		return result, true, ctx.Err()
	}
}

// patient is the context of a call that has a goroutine of its own, and is not ended when the
// caller leaves. But a command that has not been sent by then never is: the client asks for
// Err before it sends anything, after it has connected.
type patient struct {
	context.Context // of the link
	caller          context.Context
	state           atomic.Int32
}

const (
	isWaiting   = iota
	isSent      // or it may be: the client has asked
	isAbandoned // and never sent
)

// Err is asked by one goroutine at a time for each node.
func (p *patient) Err() error {
	if !p.state.CompareAndSwap(isWaiting, isSent) && p.state.Load() == isAbandoned {
		return p.caller.Err()
	}
	return p.Context.Err()
}

// direct is the context of a call in the caller's goroutine: it hides its deadline, for which
// the client would close the connection, and must not dial.
type direct struct {
	context.Context
	link    *link
	entered atomic.Bool
}

// Err is asked by the client when it has a connection, before it sends anything.
func (d *direct) Err() error {
	d.enter()
	return d.Context.Err()
}

func (d *direct) enter() {
	if !d.entered.Load() && d.entered.CompareAndSwap(false, true) {
		d.link.enters.Add(-1)
	}
}

func (*direct) Deadline() (time.Time, bool) { return time.Time{}, false }

func (d *direct) Value(key any) any {
	if key == (isDirect{}) {
		return true
	}
	return d.Context.Value(key)
}

type isDirect struct{}

var errNoConnection = errors.New("redis: no connection")

// dial makes a connection for the client, with TLS if config is not nil.
func (l *link) dial(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	if ctx.Value(isDirect{}) != nil {
		return nil, errNoConnection
	}
	// A direct call that finds another one dialing would wait for it, whatever its context. So
	// none enters now, and those that do are given a moment to be through. What is left
	// waits for this connection already, and is freed by our giving up.
	l.dialing.Add(1)
	for waited := time.Duration(0); l.enters.Load() > 0; waited += time.Millisecond {
		if waited < maxDrain {
			time.Sleep(time.Millisecond)
			continue
		}
		l.dialing.Add(-1)
		return nil, errNoConnection // whoever dials tries again
	}
	conn, err := l.reach(ctx, address, dialer, config)
	if err != nil {
		l.dialing.Add(-1)
		return nil, err
	}
	l.connections(address).Add(1)
	return &connection{Conn: conn, link: l, address: address}, nil
}

// reach makes a connection to address, or to the primary that the Sentinels name.
func (l *link) reach(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	if l.watch == nil {
		return open(ctx, l.life, address, dialer, config)
	}
	for {
		address, term, err := l.watch.now(ctx)
		if err != nil {
			return nil, err
		}
		conn, err := open(ctx, term, address, dialer, config)
		if term.Err() == nil || l.life.Err() != nil {
			return conn, err
		} // there is another primary by now
	}
}

// open makes a connection which ends with life.
func open(ctx, life context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
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
	return &mortal{conn, context.AfterFunc(life, func() { _ = conn.Close() })}, nil
}

// mortal is a connection that something ends when its time is over, and which forgets that when it is closed.
type mortal struct {
	net.Conn
	forget func() bool
}

func (m *mortal) Close() error {
	m.forget()
	return m.Conn.Close()
}

// connections counts the connections that there have been with an address. One more than before means
// that what was begun on the old one may be answered by another server.
func (l *link) connections(address string) *atomic.Int64 {
	n, _ := l.made.LoadOrStore(address, new(atomic.Int64))
	return n.(*atomic.Int64)
}

// A connection is being made until the client sends something after it has heard of the server, which is
// the first command after the handshake, or until it is closed.
type connection struct {
	net.Conn
	link    *link
	address string
	heard   atomic.Bool
	made    atomic.Bool
}

// Read reads answers. If some calls are on their way it lets others run first: answers that come meanwhile
// need not be slept for.
func (c *connection) Read(b []byte) (int, error) {
	c.link.yield(4, 8)
	n, err := c.Conn.Read(b)
	if !c.made.Load() {
		if err != nil {
			err = &dialError{c.address, err}
		} else if c.link.watch != nil && bytes.Contains(b[:n], saysReplica) {
			n, err = 0, errReplica
		}
		c.heard.Store(true)
	}
	return n, err
}

// Write sends commands. If many calls are on their way it lets the others run first, whose commands are
// then sent together: that is half of the work for both sides. Among few calls, what the server would
// wait for them costs more.
func (c *connection) Write(b []byte) (int, error) {
	if !c.made.Load() && c.heard.Load() {
		c.done()
	}
	c.link.yield(1, 64)
	return c.Conn.Write(b)
}

// yield lets others run, some times, if that many calls are on their way. What it is worth was measured by
// internal/bench.
func (l *link) yield(times int, calls int32) {
	if l.calls.Load() >= calls {
		for range times {
			runtime.Gosched()
		}
	}
}

func (c *connection) Close() error {
	c.done()
	return c.Conn.Close()
}

func (c *connection) done() {
	if !c.made.Load() && c.made.CompareAndSwap(false, true) {
		c.link.dialing.Add(-1)
	}
}

// eval runs a script on a key: in one round trip, or in two if the server does not know it yet,
// or any more.
func (l *link) eval(ctx context.Context, s *script.Script, key string, args ...string) (rueidis.RedisMessage, error) {
	ctx, cancel := l.bound(ctx)
	defer cancel()
	m, err := l.call(ctx, l.client.B().Evalsha().Sha1(s.SHA).Numkeys(1).Key(key).Arg(args...).Build())
	if reply, refused := errors.AsType[*rueidis.RedisError](err); refused && reply.IsNoScript() {
		return l.call(ctx, l.client.B().Eval().Script(s.Text).Numkeys(1).Key(key).Arg(args...).Build())
	}
	return m, err
}
