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
type watch struct {
	name   string // of the primary, for the Sentinels
	life   context.Context
	option rueidis.ClientOption // of a client of a Sentinel
	wg     sync.WaitGroup

	mu      sync.Mutex
	answers map[string]answer // by the Sentinel's address; the last one that was no error
	waiting map[string]bool   // Sentinels that have neither answered nor failed yet
	failed  error             // the last to fail
	news    chan struct{}     // closed when something of the above changes
	primary string
	term    context.Context // until there is another primary
	endTerm context.CancelFunc
}

// answer is what a Sentinel says. A later failover has a greater epoch.
type answer struct {
	primary string
	epoch   int64
	at      time.Time
}

// askEvery is the time between two questions to a Sentinel. The leader of a failover names the new
// primary as soon as that is promoted, up to a second before it announces it.
const askEvery = 200 * time.Millisecond

// answerLasts is how long an answer counts when its Sentinel has become silent: the others may not
// have heard of a failover yet. That takes them some 2 s.
const answerLasts = 5 * time.Second

// sentinelsEvery is how often a Sentinel is asked for the others.
const sentinelsEvery = 25 // askings

func newWatch(life context.Context, config Config, s server, dialer net.Dialer) *watch {
	w := &watch{name: s.masterSet, life: life, answers: map[string]answer{}, waiting: map[string]bool{}, news: make(chan struct{})}
	w.option = rueidis.ClientOption{
		ForceSingleClient: true,
		DialCtxFn: func(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
			return open(ctx, life, address, dialer, config)
		},
		Dialer:              dialer,
		ConnWriteTimeout:    dialer.Timeout,
		TLSConfig:           s.tls,
		Username:            config.SentinelUsername,
		Password:            config.SentinelPassword,
		PipelineMultiplex:   -1,
		DisableRetry:        true,
		DisableCache:        true,
		RingScaleEachConn:   3,
		ReadBufferEachConn:  leastBuffer,
		WriteBufferEachConn: leastBuffer,
	}
	w.term, w.endTerm = context.WithCancel(life)
	w.add(s.addresses)
	return w
}

// add has Sentinels asked that are not yet.
func (w *watch) add(addresses []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range addresses {
		if _, known := w.waiting[a]; !known {
			w.waiting[a] = true
			w.wg.Go(func() { w.ask(a) })
		}
	}
}

// ask asks one Sentinel until the end.
func (w *watch) ask(address string) {
	option := w.option
	option.InitAddress = []string{address}
	client, err := rueidis.NewClient(option) // is there in spite of an error, and connects when it is used
	if err != nil {
		w.learn(address, answer{}, err)
		if client == nil {
			return
		}
	}
	defer client.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := 0; ; i++ {
		select {
		case <-timer.C:
		case <-w.life.Done():
			return
		}
		a, err := w.once(client, i%sentinelsEvery == 0)
		w.learn(address, a, err)
		timer.Reset(askEvery)
	}
}

func (w *watch) once(client rueidis.Client, others bool) (a answer, err error) {
	ctx, cancel := context.WithTimeout(w.life, w.option.Dialer.Timeout)
	defer cancel()
	ask := func(what string) rueidis.Completed { return client.B().Arbitrary("SENTINEL", what, w.name).Build() }
	cmds := rueidis.Commands{ask("MASTER"), ask("GET-MASTER-ADDR-BY-NAME")} // the epoch first: it may be older than the address, never newer
	if others {
		cmds = append(cmds, ask("SENTINELS"))
	}
	results := client.DoMulti(ctx, cmds...)
	state, err := results[0].AsStrMap()
	if err != nil {
		return a, err
	}
	if a.epoch, err = strconv.ParseInt(state["config-epoch"], 10, 64); err != nil {
		return a, errAnswer
	}
	parts, err := results[1].AsStrSlice()
	if err != nil {
		return a, err
	}
	if len(parts) != 2 {
		return a, errAnswer
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
func (w *watch) learn(address string, a answer, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[address] = false
	if err != nil {
		w.failed = sentinelFailed(address, err)
	} else {
		a.at = time.Now()
		w.answers[address] = a
	}
	best := answer{epoch: -1}
	for _, a := range w.answers {
		if time.Since(a.at) < answerLasts && (a.epoch > best.epoch || a.epoch == best.epoch && a.primary == w.primary) {
			best = a
		}
	}
	if best.primary != "" && best.primary != w.primary {
		if w.primary = best.primary; w.term.Err() == nil {
			w.endTerm()
		}
		w.term, w.endTerm = context.WithCancel(w.life)
	}
	close(w.news)
	w.news = make(chan struct{})
}

// now is the primary, and the context of its term; when none has been named yet, it waits until
// one is, or all Sentinels have failed.
func (w *watch) now(ctx context.Context) (primary string, term context.Context, err error) {
	for {
		w.mu.Lock()
		primary, term, err := w.primary, w.term, w.failed
		for _, waits := range w.waiting {
			if waits {
				err = nil
			}
		}
		news := w.news
		w.mu.Unlock()
		if primary != "" {
			return primary, term, nil
		}
		if err != nil {
			return "", nil, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return "", nil, ctx.Err()
		case <-w.life.Done():
			return "", nil, errNotStarted
		}
	}
}

// sentinelFailed is the error of a Sentinel that failed: there is no connection to a primary.
func sentinelFailed(address string, err error) error {
	text := driver.ReasonOf(shown(err))
	var reply *rueidis.RedisError
	if errors.As(err, &reply) {
		switch code, _, _ := strings.Cut(reply.Error(), " "); code {
		case "NOAUTH", "WRONGPASS", "NOPERM":
			text = "it refused with " + code + ": redis.Config.SentinelUsername and SentinelPassword are for the Sentinels"
		}
	}
	return &dialError{"the primary", driver.Reason(err, "the Sentinel at "+address+": "+text)}
}

// saysReplica is a piece of what a replica answers to HELLO, which is the first that is read.
var saysReplica = []byte("\r\nrole\r\n$7\r\nreplica\r\n")

// errReplica ends a connection to what is no primary any more: reads from it would be old.
var errReplica = driver.Reason(errors.New("redis: a replica"), "the server is a replica now")
