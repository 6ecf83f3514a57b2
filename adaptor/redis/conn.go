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

// maxDrainTime limits the time that dial waits for direct calls to acquire a connection.
const maxDrainTime = 20 * time.Millisecond

// dial connects to address for rueidis, with TLS if config is not nil. It returns errNoConnection to a
// direct call.
func (c *client) dial(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	if ctx.Value(directKey{}) != nil {
		return nil, errNoConnection
	}
	// A direct call that finds another call dialing would wait for the new connection, even after its
	// own context has ended. Therefore no direct call starts while dialing is positive, and dial waits
	// until the started calls have a connection. A call that still has none after maxDrainTime waits
	// for this connection already, and the error returned here releases it.
	c.dialing.Add(1)
	for waited := time.Duration(0); c.acquiring.Load() > 0; waited += time.Millisecond {
		if waited < maxDrainTime {
			time.Sleep(time.Millisecond)
			continue
		}
		c.dialing.Add(-1)
		return nil, errNoConnection // the detached call that dials tries again
	}
	conn, err := c.dialServer(ctx, address, dialer, config)
	if err != nil {
		c.dialing.Add(-1)
		return nil, err
	}
	c.dialCount(address).Add(1)
	return &clientConn{Conn: conn, client: c, address: address}, nil
}

// dialServer connects to address, or to the current primary if Sentinels name it.
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
		} // the primary has changed
	}
}

// dialAddress connects to address, which is a socket path if it begins with a slash. It closes the
// connection when lifetime ends. Its error is a *dialError.
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

// A lifetimeConn is closed when the lifetime of its client or primary ends.
type lifetimeConn struct {
	net.Conn
	stop func() bool // unregisters the function that closes the connection
}

// Close implements [net.Conn].
func (c *lifetimeConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// dialCount returns the number of connections made to an address so far. If the number grows during a
// sequence of commands, another server may have replied to the later commands.
func (c *client) dialCount(address string) *atomic.Int64 {
	n, _ := c.dialCounts.LoadOrStore(address, new(atomic.Int64))
	return n.(*atomic.Int64)
}

// A clientConn counts as dialing until the handshake ends. The handshake ends when rueidis writes after
// it has read a reply, or when the connection is closed.
type clientConn struct {
	net.Conn
	client   *client
	address  string
	gotReply atomic.Bool
	ready    atomic.Bool
}

// Read implements [net.Conn]. If several direct calls are in flight, it first yields to other
// goroutines. A reply that arrives in this time can be read without blocking.
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

// Write implements [net.Conn]. If many direct calls are in flight, it first yields to other goroutines,
// so that one write carries more commands. This halves the work of both sides. With few calls, the
// time that the server would wait for them costs more than the larger write saves.
func (c *clientConn) Write(b []byte) (int, error) {
	if !c.ready.Load() && c.gotReply.Load() {
		c.markReady()
	}
	c.client.yield(1, 64)
	return c.Conn.Write(b)
}

// yield lets other goroutines run, the given number of times, if at least the given number of direct
// calls is in flight. The numbers come from measurements with internal/bench.
func (c *client) yield(times int, calls int32) {
	if c.directCalls.Load() >= calls {
		for range times {
			runtime.Gosched()
		}
	}
}

// Close implements [net.Conn].
func (c *clientConn) Close() error {
	c.markReady()
	return c.Conn.Close()
}

// markReady records, once, that the connection is not dialing anymore.
func (c *clientConn) markReady() {
	if !c.ready.Load() && c.ready.CompareAndSwap(false, true) {
		c.client.dialing.Add(-1)
	}
}
