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

// A sentinelWatcher polls all Sentinels for the address of the primary. New connections go to this
// primary. When the primary changes, the watcher ends the context of the old primary, which closes the
// connections to it.
//
// rueidis itself listens to one Sentinel. It learns of a failover late if this Sentinel leads the
// failover. It also waits for a hanging server when it checks that the server is still the primary.
type sentinelWatcher struct {
	masterSet    string // the name of the primary in the Sentinels
	lifetime     context.Context
	clientOption rueidis.ClientOption // for the client of each Sentinel
	wg           sync.WaitGroup

	mu         sync.Mutex
	answers    map[string]sentinelAnswer // the last successful answers, by address of the Sentinel
	pending    map[string]bool           // all known Sentinels; true until the first answer or failure
	lastErr    error                     // the last failure of any Sentinel
	updated    chan struct{}             // closed and replaced after each poll
	primary    string                    // "" before the first answer
	primaryCtx context.Context           // ends when the primary changes
	endPrimary context.CancelFunc
}

// A sentinelAnswer is the address that a Sentinel names for the primary. A later failover has a greater
// epoch.
type sentinelAnswer struct {
	primary string
	epoch   int64
	at      time.Time
}

// pollInterval is the time between two polls of a Sentinel. The leader of a failover names the new primary
// right after the promotion, up to one second before the leader announces it.
const pollInterval = 200 * time.Millisecond

// answerLifetime is the time for which the answer of a silent Sentinel still counts. The other Sentinels
// need about 2 s to hear of a failover.
const answerLifetime = 5 * time.Second

// pollsPerDiscovery is the number of polls for each request for the addresses of the other Sentinels.
const pollsPerDiscovery = 25

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

// add starts polling the Sentinels that are not polled yet.
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

// poll polls one Sentinel until the lifetime ends.
func (w *sentinelWatcher) poll(address string) {
	clientOption := w.clientOption
	clientOption.InitAddress = []string{address}
	rc, err := rueidis.NewClient(clientOption) // despite an error, the client may exist and connect when it is used
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

// query asks a Sentinel for the primary. If others is true, query also asks for the other Sentinels and
// adds them.
func (w *sentinelWatcher) query(rc rueidis.Client, others bool) (a sentinelAnswer, err error) {
	ctx, cancel := context.WithTimeout(w.lifetime, w.clientOption.Dialer.Timeout)
	defer cancel()
	question := func(what string) rueidis.Completed { return rc.B().Arbitrary("SENTINEL", what, w.masterSet).Build() }
	cmds := rueidis.Commands{question("MASTER"), question("GET-MASTER-ADDR-BY-NAME")} // in this order, the epoch may be older than the address, but never newer
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

// record stores the answer or the failure of a Sentinel and chooses the primary. The answer with the
// greatest epoch decides. If two answers have this epoch, the current primary is kept. Without any
// valid answer, the primary does not change.
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

// currentPrimary returns the address of the primary and a context that ends when the primary changes. If
// no Sentinel has named a primary yet, it waits. It returns an error if all Sentinels have failed or
// ctx ends.
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

// sentinelError returns a *dialError for a failed Sentinel, since no primary is known to connect to.
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

// replicaRole is a part of a replica's reply to HELLO. It arrives with the first read of a connection.
var replicaRole = []byte("\r\nrole\r\n$7\r\nreplica\r\n")

// errReplica ends a connection to a demoted primary, whose values may be outdated.
var errReplica = driver.Reason(errors.New("redis: a replica"), "the server is a replica now")
