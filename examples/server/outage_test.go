package main

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/internal/redistest"
)

// Under load, Redis is killed and restarted, and the network loses its answers. The server answers all the
// time as configured, and recovers by itself. No hit is counted twice, and no acknowledged hit is lost.
func TestOutageLosesNoHit(t *testing.T) {
	for _, fail := range []string{"open", "closed"} {
		t.Run(fail, func(t *testing.T) {
			server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			proxy := redistest.StartProxy(t, server.Addr)
			p := start(t, "KV_URL="+proxy.URL(), "KV_TIMEOUT=300ms", "RATE_FAIL="+fail, "RATE_LIMIT=1000000")
			o := &outage{t: t, url: p.url, client: newClient(t), answers: map[int]int{}, seen: map[int]bool{}}

			o.underLoad(server, "answers cut off", func() {
				for range 8 {
					proxy.Set(redistest.Cut)
					o.more(http.StatusOK)
				}
			})
			var recovered time.Duration
			o.underLoad(server, "killed", func() {
				for range 2 {
					server.Kill()
					o.more(http.StatusServiceUnavailable)
					got, err := send(o.client, "GET", p.url+"/healthz", "")
					require.NoError(t, err)
					require.Equal(t, http.StatusServiceUnavailable, got.status)
					got, err = send(o.client, "GET", p.url+"/users/1", "")
					require.NoError(t, err)
					if fail == "open" {
						require.Equal(t, bypassed, got.header.Get("Cache-Status"))
					} else {
						require.Contains(t, got.body, "it fails closed")
					}
					server.Restart()
					begin := time.Now()
					o.more(http.StatusOK)
					recovered = max(recovered, time.Since(begin))
				}
			})
			o.underLoad(server, "no answers", func() {
				proxy.Set(redistest.Swallow)
				o.more(http.StatusServiceUnavailable)
				proxy.Set(redistest.Pass)
				o.more(http.StatusOK)
			})
			require.Positive(t, o.unknown)
			p.waitFor("the store of the rate limit does not answer")
			p.waitFor("the store of the rate limit answers again")
			t.Logf("slowest answer %v; 100 hits within %v of the restart", o.slowest.Round(time.Millisecond), recovered.Round(time.Millisecond))
		})
	}
}

// outage counts hits and answers.
type outage struct {
	t      *testing.T
	url    string
	client *http.Client

	mu      sync.Mutex
	answers map[int]int  // by status
	seen    map[int]bool // numbers of hits
	unknown int          // hits with an unknown outcome
	slowest time.Duration
}

// underLoad calls happens while 16 clients count hits. Then it compares their answers with the counter in
// Redis.
func (o *outage) underLoad(server *redistest.Server, name string, happens func()) {
	o.t.Helper()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	end := sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
	defer end()
	for range 16 {
		wg.Go(func() {
			for {
				o.hit()
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	o.more(http.StatusOK)
	happens()
	end()
	counted, err := strconv.Atoi(server.Do("GET", "hits:home"))
	require.NoError(o.t, err)
	require.GreaterOrEqual(o.t, counted, len(o.seen), "no acknowledged hit is lost")
	require.LessOrEqual(o.t, counted, len(o.seen)+o.unknown, "no hit is counted twice")
	o.t.Logf("%-15s: %d hits acknowledged, %d unknown, %d counted; %d answers of 503", name, len(o.seen), o.unknown, counted, o.answers[http.StatusServiceUnavailable])
}

func (o *outage) hit() {
	begin := time.Now()
	got, err := send(o.client, "POST", o.url+"/hits/home", "")
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slowest = max(o.slowest, time.Since(begin))
	o.answers[got.status]++
	switch {
	case err != nil:
		o.t.Error(err)
	case got.status == http.StatusOK:
		n, _ := strconv.Atoi(strings.Trim(got.body, "{\"hits:}\n"))
		if o.seen[n] {
			o.t.Errorf("two hits have number %d", n)
		}
		o.seen[n] = true
	case got.status != http.StatusServiceUnavailable:
		o.t.Errorf("%d: %s", got.status, got.body)
	case strings.Contains(got.body, `"outcome":"unknown"`):
		o.unknown++
	}
}

// more waits for 100 more answers of a status.
func (o *outage) more(status int) {
	o.t.Helper()
	count := func() int {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.answers[status]
	}
	before := count()
	require.Eventually(o.t, func() bool { return count() >= before+100 }, patience, time.Millisecond)
}
