package redis

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// A client wraps a rueidis client from Start to Stop. It guarantees that each call returns when its
// context ends. rueidis alone does not guarantee this:
//
//   - It ignores the context while it connects.
//   - It ignores the context while its ring of unanswered commands is full.
//   - If a call is the only call in flight and its context ends, rueidis closes the connection. The
//     calls that have begun on the connection since then fail.
//
// While the server replies, a call is direct: it runs in the caller's goroutine. Before the first
// connection, and after a call has ended without a reply, calls are detached: each runs in its own
// goroutine, and the caller can return before the goroutine ends. After the next reply, calls are
// direct again.
type client struct {
	rueidis rueidis.Client
	owned   bool          // New's client: connect made it, and close closes it
	address string        // in error texts
	timeout time.Duration // for a call whose context has no deadline

	responsive      atomic.Bool    // the last call to end had a reply
	directCalls     atomic.Int32   // direct calls in flight
	abandoned       abandonedCalls // direct calls that ended without a reply and may still hold ring slots
	maxDirect       int32          // the limit of directCalls and abandoned together
	acquiring       atomic.Int32   // direct calls that have no connection yet
	dialing         atomic.Int32   // connections being made; no direct call starts while it is positive
	detachedCallers atomic.Int32   // callers that wait for a detached call
	semaphore       chan struct{}  // one element per goroutine of a detached call

	timeouts timeoutPool

	lifetime    context.Context // the parent of detached calls and connections
	endLifetime context.CancelFunc

	dialCounts sync.Map         // by address: *atomic.Int64, the number of connections made so far
	watcher    *sentinelWatcher // nil unless Sentinels name the primary
}

// pingInterval is the time between two pings on an idle connection.
const pingInterval = time.Second

// silenceTimeout returns the time after which a connection to a silent server is closed: after a ping,
// while connecting, and in the handshake. It is short if another server can take over, so that the
// client finds that server soon.
func (t topology) silenceTimeout(timeout time.Duration) time.Duration {
	if t == single {
		return max(timeout, time.Second)
	}
	return time.Second
}

// shardsRefreshInterval is the time between two requests for the primaries of a Cluster. The redirects
// MOVED and ASK report changes in the meantime.
const shardsRefreshInterval = 5 * time.Second

// newClient returns a client without a rueidis client. The address is for error texts. Direct calls get
// 3/4 of the ring slots, detached calls get 1/8, and the rest is for the pings of rueidis.
func newClient(config Config, address string) *client {
	ringSlots := 1 << config.pipelineScale()
	c := &client{
		address:   address,
		timeout:   config.Timeout,
		maxDirect: int32(ringSlots * 3 / 4),
		semaphore: make(chan struct{}, ringSlots/8),
	}
	c.abandoned.severalConns, c.abandoned.deadAfter = true, 12*time.Second // for a caller's client with rueidis's defaults; connect sets exact values
	c.abandoned.callInFlight = func() bool { return c.lifetime.Err() == nil && c.directCalls.Load()+c.detachedCallers.Load() > 0 }
	c.lifetime, c.endLifetime = context.WithCancel(context.Background())
	return c
}

// connect makes the rueidis client. It returns when the client is connected or ctx is done.
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
			ForceSingleClient:   t.topology != cluster, // with Sentinels, dial finds the primary
			DialCtxFn:           c.dial,
			Dialer:              dialer,
			ConnWriteTimeout:    silence,
			TLSConfig:           t.tls,
			Username:            t.username,
			Password:            t.password,
			SelectDB:            t.database,
			PipelineMultiplex:   -1, // one connection per server, so that no call overtakes an abandoned call
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
		c.endLifetime() // ends the dialing and closes the connections
		<-made
		return ctx.Err()
	}
}

// close waits for the calls in flight, closes the rueidis client if c owns it, and waits for all
// goroutines of c. If ctx is done first, it ends the lifetime and returns the error of ctx.
func (c *client) close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c.directCalls.Load()+c.detachedCallers.Load() > 0 { // rueidis does not wait for all of these calls
			time.Sleep(time.Millisecond)
		}
		if c.owned {
			if c.rueidis != nil {
				c.rueidis.Close()
			}
			c.endLifetime()
		}
		for range cap(c.semaphore) { // no goroutine of a detached call is left, and none starts
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
