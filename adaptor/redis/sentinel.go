package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A watch asks all Sentinels, again and again, who the primary is: each connection is made to
// that one, and closed when it is another. The client's own way, which is to listen to one of
// them, hears of a failover late if that one leads it, and waits for the server that hangs
// whenever it looks whether that is still the primary.
type sentinelWatcher struct {
	masterSet    string // of the primary, for the Sentinels
	lifetime     context.Context
	clientOption rueidis.ClientOption // of a client of a Sentinel
	wg           sync.WaitGroup

	mu         sync.Mutex
	answers    map[string]sentinelAnswer // by the Sentinel's address; the last one that was no error
	pending    map[string]bool           // Sentinels that have neither answered nor failed yet
	lastErr    error                     // the last to fail
	updated    chan struct{}             // closed when something of the above changes
	primary    string
	primaryCtx context.Context // until there is another primary
	endPrimary context.CancelFunc
}

// answer is what a Sentinel says. A later failover has a greater epoch.
type sentinelAnswer struct {
	primary string
	epoch   int64
	at      time.Time
}

// askEvery is the time between two questions to a Sentinel. The leader of a failover names the new
// primary as soon as that is promoted, up to a second before it announces it.
const pollInterval = 200 * time.Millisecond

// answerLasts is how long an answer counts when its Sentinel has become silent: the others may not
// have heard of a failover yet. That takes them some 2 s.
const answerLifetime = 5 * time.Second

// sentinelsEvery is how often a Sentinel is asked for the others.
const pollsPerDiscovery = 25 // askings

func newSentinelWatcher(lifetime context.Context, config Config, t target, dialer net.Dialer) *sentinelWatcher {
	w := &sentinelWatcher{masterSet: t.masterSet, lifetime: lifetime, answers: map[string]sentinelAnswer{}, pending: map[string]bool{}, updated: make(chan struct{})}
	w.clientOption = rueidis.ClientOption{
		ForceSingleClient: true,
		DialCtxFn: func(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
			return dialAddress(ctx, lifetime, address, dialer, config)
		},
		Dialer:              dialer,
		ConnWriteTimeout:    dialer.Timeout,
		TLSConfig:           t.tls,
		Username:            config.SentinelUsername,
		Password:            config.SentinelPassword,
		PipelineMultiplex:   -1,
		DisableRetry:        true,
		DisableCache:        true,
		RingScaleEachConn:   3,
		ReadBufferEachConn:  minBuffer,
		WriteBufferEachConn: minBuffer,
	}
	w.primaryCtx, w.endPrimary = context.WithCancel(lifetime)
	w.add(t.addresses)
	return w
}

// add has Sentinels asked that are not yet.
func (w *sentinelWatcher) add(addresses []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range addresses {
		if _, known := w.pending[a]; !known {
			w.pending[a] = true
			w.wg.Go(func() { w.poll(a) })
		}
	}
}

// ask asks one Sentinel until the end.
func (w *sentinelWatcher) poll(address string) {
	clientOption := w.clientOption
	clientOption.InitAddress = []string{address}
	rc, err := rueidis.NewClient(clientOption) // is there in spite of an error, and connects when it is used
	if err != nil {
		w.record(address, sentinelAnswer{}, err)
		if rc == nil {
			return
		}
	}
	defer rc.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := 0; ; i++ {
		select {
		case <-timer.C:
		case <-w.lifetime.Done():
			return
		}
		a, err := w.query(rc, i%pollsPerDiscovery == 0)
		w.record(address, a, err)
		timer.Reset(pollInterval)
	}
}

func (w *sentinelWatcher) query(rc rueidis.Client, others bool) (a sentinelAnswer, err error) {
	ctx, cancel := context.WithTimeout(w.lifetime, w.clientOption.Dialer.Timeout)
	defer cancel()
	question := func(what string) rueidis.Completed { return rc.B().Arbitrary("SENTINEL", what, w.masterSet).Build() }
	cmds := rueidis.Commands{question("MASTER"), question("GET-MASTER-ADDR-BY-NAME")} // the epoch first: it may be older than the address, never newer
	if others {
		cmds = append(cmds, question("SENTINELS"))
	}
	results := rc.DoMulti(ctx, cmds...)
	state, err := results[0].AsStrMap()
	if err != nil {
		return a, err
	}
	if a.epoch, err = strconv.ParseInt(state["config-epoch"], 10, 64); err != nil {
		return a, errMalformedReply
	}
	parts, err := results[1].AsStrSlice()
	if err != nil {
		return a, err
	}
	if len(parts) != 2 {
		return a, errMalformedReply
	}
	a.primary = net.JoinHostPort(parts[0], parts[1])
	if others {
		list, _ := results[2].ToArray()
		var addresses []string
		for _, m := range list {
			if fields, err := m.AsStrMap(); err == nil {
				addresses = append(addresses, net.JoinHostPort(fields["ip"], fields["port"]))
			}
		}
		w.add(addresses)
	}
	return a, nil
}

// learn notes what a Sentinel said. The primary is what the one of the greatest epoch says; while
// none answers, it stays.
func (w *sentinelWatcher) record(address string, a sentinelAnswer, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending[address] = false
	if err != nil {
		w.lastErr = sentinelError(address, err)
	} else {
		a.at = time.Now()
		w.answers[address] = a
	}
	best := sentinelAnswer{epoch: -1}
	for _, a := range w.answers {
		if time.Since(a.at) < answerLifetime && (a.epoch > best.epoch || a.epoch == best.epoch && a.primary == w.primary) {
			best = a
		}
	}
	if best.primary != "" && best.primary != w.primary {
		if w.primary = best.primary; w.primaryCtx.Err() == nil {
			w.endPrimary()
		}
		w.primaryCtx, w.endPrimary = context.WithCancel(w.lifetime)
	}
	close(w.updated)
	w.updated = make(chan struct{})
}

// now is the primary, and the context of its term; when none has been named yet, it waits until
// one is, or all Sentinels have failed.
func (w *sentinelWatcher) currentPrimary(ctx context.Context) (primary string, primaryCtx context.Context, err error) {
	for {
		w.mu.Lock()
		primary, primaryCtx, err := w.primary, w.primaryCtx, w.lastErr
		for _, isPending := range w.pending {
			if isPending {
				err = nil
			}
		}
		updated := w.updated
		w.mu.Unlock()
		if primary != "" {
			return primary, primaryCtx, nil
		}
		if err != nil {
			return "", nil, err
		}
		select {
		case <-updated:
		case <-ctx.Done():
			return "", nil, ctx.Err()
		case <-w.lifetime.Done():
			return "", nil, errNotStarted
		}
	}
}

// sentinelFailed is the error of a Sentinel that failed: there is no connection to a primary.
func sentinelError(address string, err error) error {
	text := driver.ReasonOf(withReason(err))
	var reply *rueidis.RedisError
	if errors.As(err, &reply) {
		switch code, _, _ := strings.Cut(reply.Error(), " "); code {
		case "NOAUTH", "WRONGPASS", "NOPERM":
			text = "it refused with " + code + ": check redis.Config.SentinelUsername and SentinelPassword"
		}
	}
	return &dialError{"the primary", driver.Reason(err, "the Sentinel at "+address+": "+text)}
}

// saysReplica is a piece of what a replica answers to HELLO, which is the first that is read.
var replicaRole = []byte("\r\nrole\r\n$7\r\nreplica\r\n")

// errReplica ends a connection to what is no primary any more: reads from it would be old.
var errReplica = driver.Reason(errors.New("redis: a replica"), "the server is a replica now")
