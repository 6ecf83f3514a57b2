package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/adaptor/redis/internal/script"
)

// RedisKV opens stores on a Redis or Valkey server. It implements [adaptor.AtomicKVAdaptor]. Create
// one with [New] or [NewFromClient]. All methods may be called concurrently. Namespace and Start of a
// nil RedisKV and of a zero RedisKV return errors.
type RedisKV struct {
	config         Config
	target         target
	adaptor        adaptor.AtomicKVAdaptor
	externalClient rueidis.Client         // the caller's client; nil if New made the RedisKV
	lifecycle      chan struct{}          // a lock that the running Start or Stop holds
	client         atomic.Pointer[client] // nil before Start and after Stop
	abandonedStops atomic.Int64           // calls of Stop whose context ended before they had the lock
}

// New returns a RedisKV for the server that config names. New does not connect: call
// [RedisKV.Start] before the first operation.
//
// New returns an error if a field of config, or the environment variable REDIS_URL, is invalid. The
// error names the field, has no [adaptor.Code] and never contains a part of the URL.
func New(config Config) (*RedisKV, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	t, err := config.target()
	if err != nil {
		return nil, err
	}
	return newRedisKV(config, t), nil
}

// NewFromClient returns a RedisKV that uses the caller's client. The caller owns the client and closes
// it after Stop. The stores work immediately, and Start only checks the server.
//
// NewFromClient uses the fields Timeout, Pipeline and Logger of config. Pipeline must be the client's
// 2^RingScaleEachConn, which is 1024 by default. The client should have the option DisableRetry, so
// that it never sends a write twice.
//
// NewFromClient returns an error if client is nil or if a field of config is invalid. The error has
// no [adaptor.Code].
//
// Compared with [New], three guarantees are missing:
//
//   - A call that finds the client connecting may end only when the connection is made or has
//     failed.
//   - The outcome of a write is unknown if its context ends, even if the write was never sent.
//   - The stores follow a failover of Sentinels only when the client does.
func NewFromClient(client rueidis.Client, config Config) (*RedisKV, error) {
	if client == nil {
		return nil, errors.New("redis: NewFromClient needs a client, got nil")
	}
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	r := newRedisKV(config, target{addresses: []string{"the server of the client"}})
	r.externalClient = client
	r.client.Store(r.newExternalClient())
	return r, nil
}

func newRedisKV(config Config, t target) *RedisKV {
	r := &RedisKV{config: config, target: t, lifecycle: make(chan struct{}, 1)}
	r.adaptor = adaptor.NewAtomic(opener{r})
	return r
}

func (r *RedisKV) newExternalClient() *client {
	c := newClient(r.config, r.target.String())
	c.rueidis = r.externalClient
	return c
}

// Namespace returns the store with the given name. It returns [adaptor.ErrEmptyNamespace] if name is
// empty, and [adaptor.ErrStoreOperationFailed] if neither New nor NewFromClient made r.
//
// Namespace also works before Start and after Stop. Operations of the store then return
// [adaptor.ErrStoreOperationFailed].
func (r *RedisKV) Namespace(name string) (*adaptor.AtomicKVStore, error) {
	if r == nil || r.adaptor == nil {
		return adaptor.NewAtomic(opener{}).Namespace(name)
	}
	return r.adaptor.Namespace(name)
}

// Driver returns the backend below r, for [adaptor.Driver] and wrappers.
func (r *RedisKV) Driver() driver.AtomicOpener { return opener{r} }

// opener opens the stores of a RedisKV. It keeps the method OpenAtomic out of the API of RedisKV.
type opener struct{ kv *RedisKV }

// OpenAtomic implements [driver.AtomicOpener].
func (o opener) OpenAtomic(path []string) (driver.AtomicStore, error) {
	if o.kv == nil {
		return nil, errNotMade
	}
	return &store{kv: o.kv, prefix: driver.Key(path, "")}, nil
}

// running returns the current client, or errNotStarted.
func (r *RedisKV) running() (*client, error) {
	if c := r.client.Load(); c != nil {
		return c, nil
	}
	return nil, errNotStarted
}

// Start connects to the server and checks that it is a primary, version 6.2 or later. It returns when
// the check is complete or ctx is done. Start does not keep ctx.
//
// Start returns an error if it cannot connect or if the stores cannot use the server. The error names
// the address and the cause, and has no [adaptor.Code]. After an error, r has no connections. A client
// given to NewFromClient continues to serve.
//
// A second Start has no effect. After Stop, Start works again, and all stores opened earlier work
// again.
func (r *RedisKV) Start(ctx context.Context) error {
	if r == nil || r.adaptor == nil {
		return errNotMade
	}
	select {
	case r.lifecycle <- struct{}{}:
		defer func() { <-r.lifecycle }()
	case <-ctx.Done():
		return ctx.Err()
	}
	abandonedStops := r.abandonedStops.Load()
	c := r.client.Load()
	if c != nil && r.externalClient == nil {
		return nil
	}
	var err error
	switch {
	case r.externalClient == nil:
		c = newClient(r.config, r.target.String())
		err = c.connect(ctx, r.config, r.target)
	case c == nil:
		c = r.newExternalClient()
	}
	if err == nil {
		err = c.check(ctx, r.target.topology, r.config.Logger)
	}
	if err != nil {
		if r.externalClient == nil {
			c.endLifetime() // no call is in flight
			_ = c.close(context.WithoutCancel(ctx))
		}
		return fmt.Errorf("redis: start with %s: %w%s", r.target, withReason(err), r.target.tlsHint(err))
	}
	r.client.Store(c)
	if r.abandonedStops.Load() != abandonedStops && r.client.CompareAndSwap(c, nil) {
		_ = c.close(ctx)
		return fmt.Errorf("redis: start with %s: Stop was called before Start was complete", r.target)
	}
	return nil
}

// tlsHint returns a remedy for the error text if err suggests that only one side speaks TLS.
// Otherwise it returns "".
func (t target) tlsHint(err error) string {
	var dial *net.OpError
	connected := !errors.As(err, &dial) || dial.Op != "dial"
	switch {
	case t.tls != nil && connected && networkReason(err) == "timeout":
		return " (the URL begins with rediss://, but the server may not speak TLS)"
	case t.tls == nil && connected && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		return " (if the server needs TLS, the URL must begin with rediss://)"
	}
	return ""
}

// withReason returns err with a reason (see [driver.Reason]) that contains no key, value or password.
func withReason(err error) error {
	var reply *rueidis.RedisError
	var d *dialError
	switch {
	case errors.As(err, &reply) && driver.ReasonOf(err) == "":
		return replyError(reply)
	case errors.As(err, &d):
		return driver.Reason(err, networkReason(d.err))
	case driver.ReasonOf(err) == "":
		return driver.Reason(err, networkReason(err))
	}
	return err
}

// Stop waits for the operations in flight and closes the connections. It does not close a client given
// to [NewFromClient]. Later operations return [adaptor.ErrStoreOperationFailed].
//
// If ctx is done first, Stop ends the remaining operations, closes the connections in the background
// and returns the error of ctx. A second Stop, or a Stop without a Start, has no effect.
func (r *RedisKV) Stop(ctx context.Context) error {
	if r == nil || r.adaptor == nil {
		return nil
	}
	var err error
	select {
	case r.lifecycle <- struct{}{}:
		defer func() { <-r.lifecycle }()
	case <-ctx.Done(): // a running Start compares the count and closes its client
		r.abandonedStops.Add(1)
		err = ctx.Err()
	}
	if c := r.client.Swap(nil); c != nil {
		return c.close(ctx)
	}
	return err
}

// check sends HELLO, returns an error if the stores cannot use the server, and loads the scripts. The
// expected topology is empty for a caller's client, for which every topology is accepted.
func (c *client) check(ctx context.Context, expected topology, logger *slog.Logger) error {
	m, err := c.do(ctx, c.rueidis.B().Arbitrary("HELLO").Build())
	if err != nil {
		return err
	}
	fields, err := m.AsMap()
	if err != nil {
		return errMalformedReply
	}
	field := func(name string) string {
		f := fields[name]
		text, _ := f.ToString()
		return text
	}
	mode, role, version := field("mode"), field("role"), field("version")
	unfit := func(format string, args ...any) error {
		return driver.Reason(errUnusableServer, fmt.Sprintf(format, args...))
	}
	found := single
	switch {
	case mode == "sentinel":
		return unfit("it is a Sentinel: the URL needs ?master_set=name")
	case mode == "cluster":
		found = cluster
	case expected == sentinel:
		found = sentinel
	}
	switch {
	case expected == cluster && found != cluster:
		return unfit("it is not a node of a Cluster, but the URL has ?cluster=true")
	case expected == single && found == cluster:
		return unfit("it is a node of a Cluster: the URL needs ?cluster=true")
	case found != cluster && role != "master": // in a Cluster, a replica may have replied
		return unfit("its role is %q: it is a read-only copy, and the stores need the primary", role)
	case !versionAtLeast(version, 6, 2):
		return unfit("its version is %q, and the stores need 6.2 or later", version)
	}
	if logger != nil {
		logger.InfoContext(ctx, "kv: connected to Redis", "address", c.address, "topology", string(found), "version", version)
	}
	for _, s := range script.All {
		var reply *rueidis.RedisError
		_, err := c.do(ctx, c.rueidis.B().ScriptLoad().Script(s.Text).Build())
		if err != nil && !errors.As(err, &reply) { // if the server refuses SCRIPT LOAD, eval sends the script
			return err
		}
	}
	return nil
}

var errUnusableServer = errors.New("redis: the stores cannot use the server")

func versionAtLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, errA := strconv.Atoi(parts[0])
	b, errB := strconv.Atoi(parts[1])
	return errA == nil && errB == nil && (a > major || a == major && b >= minor)
}

// Format implements [fmt.Formatter]. For every verb, it prints the address without the password.
func (r *RedisKV) Format(f fmt.State, _ rune) {
	address := "nil"
	if r != nil {
		address = r.target.String()
	}
	fmt.Fprintf(f, "redis.RedisKV(%s)", address)
}
