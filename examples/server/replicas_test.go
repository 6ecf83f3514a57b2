package main

import (
	"flag"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/internal/redistest"
)

var (
	windows = flag.Int("windows", 5, "windows of TestExactlyTheLimit")
	deaths  = flag.Int("deaths", 16, "holders that die in TestNeverTwoHolders")
)

// 200 clients send requests without a pause against a limit of 20. Exactly 20 requests pass in each window.
// Each answer has the remaining number, so in n windows each number from 19 to 0 comes n times. On a slow
// machine the last requests begin another window, whose numbers come once, from 19 down to some number.
func TestExactlyTheLimit(t *testing.T) {
	const clients, limit = 200, 20
	test := func(t *testing.T, replicas ...*process) {
		c := newClient(t)
		var (
			mu        sync.Mutex
			wg        sync.WaitGroup
			remaining [limit]int
			refused   int
			done      = make(chan struct{})
			finish    = sync.OnceFunc(func() { close(done) })
		)
		for i := range clients {
			url := replicas[i%len(replicas)].url + "/hits/home"
			wg.Go(func() {
				for {
					got, err := send(c, "POST", url, "")
					mu.Lock()
					var r, left int
					if err == nil && got.status == http.StatusOK {
						_, err = fmt.Sscanf(got.header.Get("RateLimit"), `"default";r=%d;t=%d`, &r, &left)
						if r < 0 || r >= limit {
							err = fmt.Errorf("%d remain", r)
						}
						if err == nil {
							remaining[r]++
						}
						if r == 0 && remaining[0] == *windows {
							finish()
						}
					} else if err == nil && got.status == http.StatusTooManyRequests {
						refused++
					} else if err == nil {
						err = fmt.Errorf("status %d: %s", got.status, got.body)
					}
					mu.Unlock()
					if err != nil {
						t.Error(err)
						finish()
						return
					}
					select {
					case <-done:
						return
					case <-time.After(10 * time.Millisecond):
					}
				}
			})
		}
		wg.Wait()
		for r, n := range remaining {
			require.GreaterOrEqual(t, n, *windows, "answers that say %d remain: %v", r, remaining)
			require.GreaterOrEqual(t, n, remaining[max(r-1, 0)], "answers that say %d remain: %v", r, remaining)
			require.LessOrEqual(t, n, remaining[0]+1, "answers that say %d remain: %v", r, remaining)
		}
		require.Greater(t, refused, *windows*limit)
		t.Logf("%d windows, %d clients, %d replicas: exactly %d passed in each, %d refused", *windows, clients, len(replicas), limit, refused)
	}
	env := []string{"RATE_LIMIT=20", "RATE_WINDOW=300ms"}
	t.Run("memory", func(t *testing.T) { test(t, start(t, env...)) })
	t.Run("two replicas on one Redis", func(t *testing.T) {
		env := append(env, "KV_URL="+redistest.Start(t).URL())
		test(t, start(t, env...), start(t, env...))
	})
}

// span is the time in which a holder certainly ran a job. The server logs the begin after it got the lock,
// and the end before it releases the lock.
type span struct {
	job        string
	began, end time.Time
}

// spans returns the spans in the log of a process that has ended. A span without an end lasted until died.
func spans(p *process, died time.Time) []span {
	var list []span
	open := map[string]time.Time{}
	for _, r := range p.records() {
		switch r.Msg {
		case "job began":
			open[r.Job] = r.Time
		case "job ended":
			list = append(list, span{r.Job, open[r.Job], r.Time})
			delete(open, r.Job)
		}
	}
	for job, began := range open {
		list = append(list, span{job, began, died})
	}
	return list
}

// Two replicas compete for jobs. The test kills them in turn, with all the locks that they hold.
func TestNeverTwoHolders(t *testing.T) {
	const ttl = 400 * time.Millisecond
	var names []string
	for i := range 8 {
		names = append(names, fmt.Sprintf("job-%d", i))
	}
	env := []string{
		"KV_URL=" + redistest.Start(t).URL(), "RATE_LIMIT=0", "JOB_TTL=" + ttl.String(), "JOBS=" + strings.Join(names, ","),
	}
	var (
		mu       sync.Mutex
		replicas = [2]*process{start(t, env...), start(t, env...)}
		tries    int
		wg       sync.WaitGroup
		stop     = make(chan struct{})
	)
	c := newClient(t)
	for _, name := range names {
		for i := range replicas {
			wg.Go(func() {
				for n := 0; ; n++ {
					mu.Lock()
					url := replicas[i].url
					tries++
					mu.Unlock()
					// Some jobs take longer than the ttl and must extend their locks. An error comes from a killed server.
					got, err := send(c, "POST", fmt.Sprintf("%s/jobs/%s?takes=%dms", url, name, 100+n%4*300), "")
					if err == nil && got.status != http.StatusOK && got.status != http.StatusConflict {
						t.Errorf("%d: %s", got.status, got.body)
					}
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
					}
				}
			})
		}
	}

	var all []span
	died, orphans := 0, []span{}
	for i := 0; died < *deaths; i = 1 - i {
		time.Sleep(ttl * 3 / 2) // the load continues, and the locks of killed servers become free
		p := replicas[i]
		now := time.Now()
		p.kill()
		for _, s := range spans(p, now) {
			all = append(all, s)
			if s.end.Equal(now) {
				died++
				orphans = append(orphans, s)
			}
		}
		next := start(t, env...)
		mu.Lock()
		replicas[i] = next
		mu.Unlock()
	}
	close(stop)
	wg.Wait()
	for _, p := range replicas {
		p.signal(syscall.SIGTERM)
		require.Equal(t, exitOK, p.wait())
		all = append(all, spans(p, time.Now())...)
	}

	longer := 0
	for i, a := range all {
		if a.end.Sub(a.began) > ttl {
			longer++
		}
		for _, b := range all[:i] {
			if a.job == b.job && a.began.Before(b.end) && b.began.Before(a.end) {
				t.Errorf("two holders of %s: %v to %v, and %v to %v", a.job, a.began, a.end, b.began, b.end)
			}
		}
	}
	require.Positive(t, longer, "some locks were extended")
	// The locks of killed servers become free after their time to live.
	var longest time.Duration
	for _, dead := range orphans {
		var next time.Time
		for _, s := range all {
			if s.job == dead.job && s.began.After(dead.end) && (next.IsZero() || s.began.Before(next)) {
				next = s.began
			}
		}
		if !next.IsZero() {
			longest = max(longest, next.Sub(dead.end))
		}
	}
	t.Logf("%d tries, %d ran, %d of them longer than the ttl, %d died holding; a lock of the dead moved on after %v at most (ttl %v)",
		tries, len(all), longer, died, longest.Round(time.Millisecond), ttl)
	require.Less(t, longest, ttl+patience)
}

// A holder that is suspended loses its lock to the next holder. It notices the loss when it continues.
func TestSuspendedHolderNoticesTheLoss(t *testing.T) {
	env := []string{"KV_URL=" + redistest.Start(t).URL(), "RATE_LIMIT=0", "JOB_TTL=500ms"}
	frozen, other := start(t, append(env, "NAME=frozen")...), start(t, append(env, "NAME=other")...)
	c := newClient(t)
	var late reply
	var lateErr error
	var wg sync.WaitGroup
	wg.Go(func() { late, lateErr = send(c, "POST", frozen.url+"/jobs/report?takes=15s", "") })
	frozen.waitFor("job began")
	got, err := send(c, "POST", other.url+"/jobs/report?takes=0s", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusConflict, got.status)
	require.Contains(t, got.body, `"holder":"frozen"`)

	frozen.signal(syscall.SIGSTOP)
	require.Eventually(t, func() bool {
		got, err := send(c, "POST", other.url+"/jobs/report?takes=0s", "")
		return err == nil && got.status == http.StatusOK
	}, patience, 50*time.Millisecond)
	frozen.signal(syscall.SIGCONT)
	wg.Wait()
	require.NoError(t, lateErr)
	require.Equal(t, http.StatusInternalServerError, late.status)
	require.Contains(t, late.body, "it may have lost its lock")
}
