package redis

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

// maxDrain is how long dial waits for direct calls to be through.
const maxDrainTime = 20 * time.Millisecond

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
