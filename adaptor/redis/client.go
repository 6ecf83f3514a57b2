package redis

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
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
