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

// RedisKV is a Redis or Valkey server as a backend of stores. It is an
// [adaptor.AtomicKVAdaptor]; make one with [New] or [NewFromClient]. It may be used by many
// goroutines at once.
type RedisKV struct {
	config         Config
	target         target
	adaptor        adaptor.AtomicKVAdaptor
	externalClient rueidis.Client // nil if the client is ours
	lifecycle      chan struct{}  // to Start or Stop
	client         atomic.Pointer[client]
	abandonedStops atomic.Int64 // how many Stops did not wait for their turn
}

// New returns a RedisKV that is to be started. It dials nothing. The error, of no code, says
// which field of the configuration can't be; it quotes no part of a URL.
func New(config Config) (*RedisKV, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s, err := config.target()
	if err != nil {
		return nil, err
	}
	return newRedisKV(config, s), nil
}

// NewFromClient returns a RedisKV on a client of the caller's, who closes it, after Stop. It
// serves at once; Start only checks the server. Of the configuration, Timeout and Pipeline
// count: Pipeline is the client's 2^RingScaleEachConn, which is 1024 unless said otherwise. The
// client should have been made with DisableRetry. A nil client is an error, of no code.
//
// Three promises less than with New: a call that meets a connection which is just being
// made may end as late as that has been made or has failed; a write whose context ends is of
// unknown outcome even where it was never sent; and a failover of Sentinels is seen when the
// client sees it.
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

func newRedisKV(config Config, s target) *RedisKV {
	r := &RedisKV{config: config, target: s, lifecycle: make(chan struct{}, 1)}
	r.adaptor = adaptor.NewAtomic(opener{r})
	return r
}

func (r *RedisKV) newExternalClient() *client {
	c := newClient(r.config, r.target.String())
	c.rueidis = r.externalClient
	return c
}

// Namespace returns the store of the given name; an empty name is
// [adaptor.ErrEmptyNamespace]. It works before Start and after Stop as well, where the
// store's operations are [adaptor.ErrStoreOperationFailed]. On a RedisKV that New did not
// make, it is that too.
func (r *RedisKV) Namespace(name string) (*adaptor.AtomicKVStore, error) {
	if r == nil || r.adaptor == nil {
		return adaptor.NewAtomic(opener{}).Namespace(name)
	}
	return r.adaptor.Namespace(name)
}

// opener opens the stores of a RedisKV, which thus has no Open of its own.
type opener struct{ kv *RedisKV }

// OpenAtomic implements [driver.AtomicOpener].
func (o opener) OpenAtomic(path []string) (driver.AtomicStore, error) {
	if o.kv == nil {
		return nil, errNotMade
	}
	return &store{o.kv, driver.Key(path, "")}, nil
}

// running is the link that operations use.
func (r *RedisKV) running() (*client, error) {
	if c := r.client.Load(); c != nil {
		return c, nil
	}
	return nil, errNotStarted
}

// Start connects, and checks that the server is a primary of version 6.2 or later. It waits for
// that, until ctx is done, and keeps nothing of ctx. The error, of no code, names the address
// and what is wrong; then nothing runs, but that a client which we were handed goes on to serve.
// Starting twice starts once; starting again after Stop
// works, and stores opened before serve again.
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
			c.endLifetime() // at once: nothing is on its way
			_ = c.close(context.WithoutCancel(ctx))
		}
		return fmt.Errorf("redis: start with %s: %w%s", r.target, withReason(err), r.target.tlsHint(err))
	}
	r.client.Store(c)
	if r.abandonedStops.Load() != abandonedStops && r.client.CompareAndSwap(c, nil) {
		_ = c.close(ctx)
		return fmt.Errorf("redis: start with %s: stopped meanwhile", r.target)
	}
	return nil
}

// aboutTLS is what is to be added to an error that comes of TLS on one side alone; often "".
func (s target) tlsHint(err error) string {
	var dial *net.OpError
	connected := !errors.As(err, &dial) || dial.Op != "dial"
	switch {
	case s.tls != nil && connected && networkReason(err) == "timeout":
		return " (does it speak TLS? The URL says so, with rediss://)"
	case s.tls == nil && connected && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		return " (does it want TLS? Then the URL begins with rediss://)"
	}
	return ""
}

// shown gives a cause the text that may be shown of it.
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

// Stop closes the connection, after the operations that are on their way, but closes no client
// that we were handed. It waits until that is done, or until ctx is done, whose error it then
// returns; all ends all the same. Operations that follow are
// [adaptor.ErrStoreOperationFailed]. Stopping twice, or without Start, is fine.
func (r *RedisKV) Stop(ctx context.Context) error {
	if r == nil || r.adaptor == nil {
		return nil
	}
	var err error
	select {
	case r.lifecycle <- struct{}{}:
		defer func() { <-r.lifecycle }()
	case <-ctx.Done(): // a Start that is under way finds that out
		r.abandonedStops.Add(1)
		err = ctx.Err()
	}
	if c := r.client.Swap(nil); c != nil {
		return c.close(ctx)
	}
	return err
}

// check looks at what the server says of itself, and has it learn the scripts. Of a client that
// we were handed, expected is empty: any topology will do.
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
		return unfit("it is no node of a Cluster, and the URL has ?cluster=true")
	case expected == single && found == cluster:
		return unfit("it is a node of a Cluster: the URL needs ?cluster=true")
	case found != cluster && role != "master": // of a Cluster, any node may have answered
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
		if err != nil && !errors.As(err, &reply) { // a server that refuses it gets the script with its first use
			return err
		}
	}
	return nil
}

var errUnusableServer = errors.New("redis: not a server that the stores can use")

func versionAtLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, errA := strconv.Atoi(parts[0])
	b, errB := strconv.Atoi(parts[1])
	return errA == nil && errB == nil && (a > major || a == major && b >= minor)
}

// Format prints the address, with any verb: not the password.
func (r *RedisKV) Format(f fmt.State, _ rune) {
	address := "nil"
	if r != nil {
		address = r.target.String()
	}
	fmt.Fprintf(f, "redis.RedisKV(%s)", address)
}
