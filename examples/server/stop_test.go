package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/zelt-go/kv/internal/redistest"
)

// SIGTERM under load. Each request that has begun gets its whole answer, and Redis has exactly the hits
// that clients got an answer for.
func TestSIGTERMUnderLoad(t *testing.T) {
	// These clients behave like balancers: a client whose connection is closed goes to the other replica.
	// No client gets an error.
	t.Run("clients that change the replica", func(t *testing.T) {
		l := underSIGTERM(t, true)
		require.Zero(t, l.refused.Load())
		require.Zero(t, l.reset.Load())
	})
	// These clients continue until the port is closed. They get a refused connection, or a reset of a
	// connection that the server had not accepted. They get no other error.
	t.Run("clients that stay", func(t *testing.T) {
		require.Positive(t, underSIGTERM(t, false).refused.Load())
	})
}

// outcomes counts requests by their outcome.
type outcomes struct{ counted, refused, reset, cut atomic.Int64 }

func underSIGTERM(t *testing.T, listen bool) *outcomes {
	server := redistest.Start(t)
	env := []string{"KV_URL=" + server.URL(), "RATE_LIMIT=0", "DRAIN=300ms", "GRACE=10s"}
	stays, goes := start(t, env...), start(t, env...)
	c := newClient(t)
	var (
		l    outcomes
		wg   sync.WaitGroup
		stop = make(chan struct{})
	)
	for range 32 {
		wg.Go(func() {
			for url := goes.url; ; {
				got, err := send(c, "POST", url+"/hits/home", "")
				switch {
				case errors.Is(err, errCut):
					l.cut.Add(1)
				case errors.Is(err, syscall.ECONNREFUSED):
					l.refused.Add(1)
					url = stays.url
				case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE): // the reset came before the request was written
					l.reset.Add(1)
				case err != nil:
					t.Error(err)
				case got.status != http.StatusOK:
					t.Errorf("%d: %s", got.status, got.body)
				default:
					l.counted.Add(1)
					if listen && got.closed {
						url = stays.url
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	// A long request: its job extends and releases its lock after the signal.
	wg.Go(func() {
		got, err := send(c, "POST", goes.url+"/jobs/report?takes=2s", "")
		if err != nil || got.status != http.StatusOK {
			t.Error(err, got)
		}
	})
	goes.waitFor("job began")
	require.Eventually(t, func() bool { return l.counted.Load() > 200 }, patience, time.Millisecond)
	begin := time.Now()
	goes.signal(syscall.SIGTERM)
	require.Eventually(t, func() bool {
		got, err := send(c, "GET", goes.url+"/healthz", "")
		return err == nil && got.status == http.StatusServiceUnavailable
	}, patience, time.Millisecond, "balancers see it")
	require.Equal(t, exitOK, goes.wait())
	took := time.Since(begin)
	close(stop)
	wg.Wait()
	require.Less(t, took, 10*time.Second)
	require.Zero(t, l.cut.Load())
	require.Equal(t, fmt.Sprint(l.counted.Load()), server.Do("GET", "hits:home"), "each counted hit was answered")
	require.Equal(t, "0", server.Do("EXISTS", "locks:report"), "released")
	t.Logf("exit 0 after %v; %d requests answered, %d cut, %d refused, %d reset by the system",
		took.Round(time.Millisecond), l.counted.Load(), l.cut.Load(), l.refused.Load(), l.reset.Load())
	return &l
}

// A job that still runs when the grace is nearly over ends early. Its lock is free immediately, and its
// client gets an answer.
func TestJobEndsBeforeTheStoreStops(t *testing.T) {
	everywhere(t, func(t *testing.T, env ...string) {
		p := start(t, append(env, "DRAIN=0s", "GRACE=4s", "JOB_TTL=1m")...)
		var wg sync.WaitGroup
		wg.Go(func() {
			got, err := send(newClient(t), "POST", p.url+"/jobs/report?takes=30s", "")
			if err != nil || got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "the job ended early") {
				t.Error(err, got)
			}
		})
		p.waitFor("job began")
		p.signal(syscall.SIGTERM)
		require.Equal(t, exitOK, p.wait())
		p.waitFor("job ended")
		wg.Wait()
		if len(env) > 0 {
			next := start(t, env...)
			got, err := send(newClient(t), "POST", next.url+"/jobs/report?takes=0s", "")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, got.status, got.body)
		}
	})
}

// A job that would begin while the server stops does not begin.
func TestNoJobBeginsAfterTheEnd(t *testing.T) {
	var jobs *Jobs
	s := newSite(t, nil, fx.Populate(&jobs))
	jobs.End()
	requireProblem(t, s.do("POST", "/jobs/report", ""), http.StatusServiceUnavailable, "stopping")
	require.NotContains(t, s.log.String(), "job began")
}

// A request that takes longer than the grace is cut, and the exit code shows it.
func TestRequestBeyondTheGraceIsCut(t *testing.T) {
	p := start(t, "DRAIN=0s", "GRACE=300ms")
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "PUT /users/1 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n")
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, len("HTTP/1.1 100 Continue")))
	require.NoError(t, err, "the server waits for the body, which never comes")
	p.signal(syscall.SIGTERM)
	require.Equal(t, exitFailed, p.wait())
	p.waitFor("not stopped cleanly")
}

func TestSecondSignalEndsTheServerImmediately(t *testing.T) {
	p := start(t, "DRAIN=20s", "GRACE=30s")
	begin := time.Now()
	p.signal(syscall.SIGTERM)
	p.waitFor("stopping; a second signal ends the server immediately")
	require.Eventually(t, func() bool { // the program gives the signal back to the system shortly after the line
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.drained:
			return true
		default:
			return false
		}
	}, patience, 10*time.Millisecond)
	require.Equal(t, -1, p.wait(), "killed by the signal")
	require.Less(t, time.Since(begin), 10*time.Second)
}

// The server runs in this process, where the test sees its goroutines. With a page open and a job at
// work, the stop leaves no goroutine. The store stops last.
func TestStopLeavesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, env ...string) {
		t.Setenv("KV_URL", "")
		for _, e := range env {
			name, value, _ := strings.Cut(e, "=")
			t.Setenv(name, value)
		}
		before := goleak.IgnoreCurrent()
		var out, log syncBuffer
		ctx, cancel := context.WithCancel(t.Context())
		exit := make(chan int)
		var (
			hits *Hits
			live *Live
		)
		go func() {
			exit <- run(ctx, []string{"--addr=127.0.0.1:0", "--drain=10ms"}, &out, &log, fx.Populate(&hits, &live))
		}()
		var url string
		require.Eventually(t, func() bool {
			_, after, found := strings.Cut(log.String(), "url=")
			url, _, _ = strings.Cut(after, "\n")
			return found && strings.Contains(after, "\n")
		}, patience, time.Millisecond)

		c := newClient(t)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			if got, err := send(c, "GET", url+"/events", ""); err != nil || !strings.Contains(got.body, `data: {"replica":`) {
				t.Error(err, got)
			}
		})
		wg.Go(func() {
			if got, err := send(c, "POST", url+"/jobs/report?takes=500ms", ""); err != nil || got.status != http.StatusOK {
				t.Error(err, got)
			}
		})
		require.Eventually(t, func() bool { return strings.Contains(log.String(), "job began") && len(live.streams) == 1 }, patience, time.Millisecond)
		cancel()
		require.Equal(t, exitOK, <-exit, log.String())
		wg.Wait()
		c.CloseIdleConnections()
		goleak.VerifyNone(t, before)
		if len(env) > 0 {
			_, err := hits.Count(t.Context(), "home")
			require.Error(t, err, "the store has stopped")
		}
	})
}

// syncBuffer is a buffer for concurrent use.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
