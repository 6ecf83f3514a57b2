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

// Redis is killed and started again under load, and its answers are lost on the way. The service answers
// throughout, as it is configured to, and recovers by itself; no hit is counted twice, and none that was
// acknowledged is lost.
func TestOutage(t *testing.T) {
	for _, fail := range []string{"open", "closed"} {
		t.Run(fail, func(t *testing.T) {
			server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			proxy := redistest.StartProxy(t, server.Addr)
			p := start(t, "KV_URL="+proxy.URL(), "KV_TIMEOUT=300ms", "RATE_FAIL="+fail, "RATE_LIMIT=1000000")
			c := newClient(t)
			var (
				mu      sync.Mutex
				wg      sync.WaitGroup
				stop    = make(chan struct{})
				answers = map[int]int{}
				seen    = map[int]bool{} // numbers of hits
				unknown int              // hits of which nobody knows
				slowest time.Duration
				users   = map[int]int{}
			)
			for range 16 {
				wg.Go(func() {
					for {
						begin := time.Now()
						got, err := send(c, "POST", p.url+"/hits/home", "")
						took := time.Since(begin)
						user, userErr := send(c, "GET", p.url+"/users/1", "")
						mu.Lock()
						slowest = max(slowest, took)
						answers[got.status]++
						users[user.status]++
						switch {
						case err != nil || userErr != nil:
							t.Error(err, userErr)
						case got.status == http.StatusOK:
							n, _ := strconv.Atoi(strings.Trim(got.body, "{\"hits:}\n"))
							if seen[n] {
								t.Errorf("two hits have number %d", n)
							}
							seen[n] = true
						case got.status != http.StatusServiceUnavailable:
							t.Errorf("%d: %s", got.status, got.body)
						case strings.Contains(got.body, `"outcome":"unknown"`):
							unknown++
						}
						mu.Unlock()
						select {
						case <-stop:
							return
						case <-time.After(time.Millisecond):
						}
					}
				})
			}
			count := func(status int) int {
				mu.Lock()
				defer mu.Unlock()
				return answers[status]
			}
			more := func(status int) { // 100 more answers with this status
				t.Helper()
				before := count(status)
				require.Eventually(t, func() bool { return count(status) >= before+100 }, patience, time.Millisecond)
			}
			more(http.StatusOK)
			var recovered time.Duration
			for range 2 {
				server.Kill()
				more(http.StatusServiceUnavailable)
				got, err := send(c, "GET", p.url+"/healthz", "")
				require.NoError(t, err)
				require.Equal(t, http.StatusServiceUnavailable, got.status)
				got, err = send(c, "GET", p.url+"/users/1", "")
				require.NoError(t, err)
				if fail == "open" {
					require.Equal(t, bypassed, got.header.Get("Cache-Status"))
				} else {
					require.Contains(t, got.body, "it fails closed")
				}
				server.Restart()
				begin := time.Now()
				more(http.StatusOK)
				recovered = max(recovered, time.Since(begin))
			}
			// Answers that are lost: what they were to say has happened.
			for range 8 {
				proxy.Set(redistest.Cut)
				more(http.StatusOK)
			}
			proxy.Set(redistest.Swallow)
			more(http.StatusServiceUnavailable)
			proxy.Set(redistest.Pass)
			more(http.StatusOK)
			close(stop)
			wg.Wait()
			if fail == "open" {
				require.Equal(t, []int{http.StatusOK}, keys(users), "users are found throughout")
			}
			counted, err := strconv.Atoi(server.Do("GET", "hits:home"))
			require.NoError(t, err)
			require.Positive(t, unknown)
			require.GreaterOrEqual(t, counted, len(seen), "what was acknowledged is there")
			require.LessOrEqual(t, counted, len(seen)+unknown, "and nothing twice")
			p.waitFor("the store of the rate limit does not answer")
			p.waitFor("the store of the rate limit answers again")
			t.Logf("%d hits acknowledged, %d unknown, %d counted; %d answers of 503; slowest answer %v; 100 hits %v after the restart",
				len(seen), unknown, counted, answers[http.StatusServiceUnavailable], slowest.Round(time.Millisecond), recovered.Round(time.Millisecond))
		})
	}
}

func keys(m map[int]int) []int {
	var list []int
	for k := range m {
		list = append(list, k)
	}
	return list
}
