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
	config  Config
	server  server
	adaptor adaptor.AtomicKVAdaptor
	handed  rueidis.Client // nil if the client is ours
	turn    chan struct{}  // to Start or Stop
	link    atomic.Pointer[link]
	givenUp atomic.Int64 // how many Stops did not wait for their turn
}

// New returns a RedisKV that is to be started. It dials nothing. The error, of no code, says
// which field of the configuration can't be; it quotes no part of a URL.
func New(config Config) (*RedisKV, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s, err := config.server()
	if err != nil {
		return nil, err
	}
	return newKV(config, s), nil
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
	r := newKV(config, server{addresses: []string{"the server of the client"}})
	r.handed = client
	r.link.Store(r.handedLink())
	return r, nil
}

func newKV(config Config, s server) *RedisKV {
	r := &RedisKV{config: config, server: s, turn: make(chan struct{}, 1)}
	r.adaptor = adaptor.NewAtomic(opener{r})
	return r
}

func (r *RedisKV) handedLink() *link {
	l := newLink(r.config, r.server.String())
	l.client = r.handed
	return l
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
func (r *RedisKV) running() (*link, error) {
	if l := r.link.Load(); l != nil {
		return l, nil
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
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	givenUp := r.givenUp.Load()
	l := r.link.Load()
	if l != nil && r.handed == nil {
		return nil
	}
	var err error
	switch {
	case r.handed == nil:
		l = newLink(r.config, r.server.String())
		err = l.connect(ctx, r.config, r.server)
	case l == nil:
		l = r.handedLink()
	}
	if err == nil {
		err = l.check(ctx, r.server.topology, r.config.Logger)
	}
	if err != nil {
		if r.handed == nil {
			l.end() // at once: nothing is on its way
			_ = l.close(context.WithoutCancel(ctx))
		}
		return fmt.Errorf("redis: start with %s: %w%s", r.server, shown(err), r.server.aboutTLS(err))
	}
	r.link.Store(l)
	if r.givenUp.Load() != givenUp && r.link.CompareAndSwap(l, nil) {
		_ = l.close(ctx)
		return fmt.Errorf("redis: start with %s: stopped meanwhile", r.server)
	}
	return nil
}

// aboutTLS is what is to be added to an error that comes of TLS on one side alone; often "".
func (s server) aboutTLS(err error) string {
	var dial *net.OpError
	connected := !errors.As(err, &dial) || dial.Op != "dial"
	switch {
	case s.tls != nil && connected && kindOf(err) == "timeout":
		return " (does it speak TLS? The URL says so, with rediss://)"
	case s.tls == nil && connected && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		return " (does it want TLS? Then the URL begins with rediss://)"
	}
	return ""
}

// shown gives a cause the text that may be shown of it.
func shown(err error) error {
	var reply *rueidis.RedisError
	var d *dialError
	switch {
	case errors.As(err, &reply) && driver.ReasonOf(err) == "":
		return refusal(reply)
	case errors.As(err, &d):
		return driver.Reason(err, kindOf(d.err))
	case driver.ReasonOf(err) == "":
		return driver.Reason(err, kindOf(err))
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
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done(): // a Start that is under way finds that out
		r.givenUp.Add(1)
		err = ctx.Err()
	}
	if l := r.link.Swap(nil); l != nil {
		return l.close(ctx)
	}
	return err
}

// check looks at what the server says of itself, and has it learn the scripts. Of a client that
// we were handed, expected is empty: any topology will do.
func (l *link) check(ctx context.Context, expected topology, logger *slog.Logger) error {
	m, err := l.do(ctx, l.client.B().Arbitrary("HELLO").Build())
	if err != nil {
		return err
	}
	fields, err := m.AsMap()
	if err != nil {
		return errAnswer
	}
	field := func(name string) string {
		f := fields[name]
		text, _ := f.ToString()
		return text
	}
	mode, role, version := field("mode"), field("role"), field("version")
	unfit := func(format string, args ...any) error {
		return driver.Reason(errServer, fmt.Sprintf(format, args...))
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
	case !atLeast(version, 6, 2):
		return unfit("its version is %q, and the stores need 6.2 or later", version)
	}
	if logger != nil {
		logger.InfoContext(ctx, "kv: connected to Redis", "address", l.address, "topology", string(found), "version", version)
	}
	for _, s := range script.All {
		var reply *rueidis.RedisError
		_, err := l.do(ctx, l.client.B().ScriptLoad().Script(s.Text).Build())
		if err != nil && !errors.As(err, &reply) { // a server that refuses it gets the script with its first use
			return err
		}
	}
	return nil
}

var errServer = errors.New("redis: not a server that the stores can use")

func atLeast(version string, major, minor int) bool {
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
		address = r.server.String()
	}
	fmt.Fprintf(f, "redis.RedisKV(%s)", address)
}
