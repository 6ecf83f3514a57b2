package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
)

func contextOf(r *http.Request) (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	return r.WithContext(ctx), cancel
}

// A job that takes longer than the time to live of its lock keeps the lock. Other requests get the holder.
func TestJobHasOneHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"--job-ttl=4s"})
		var wg sync.WaitGroup
		wg.Go(func() {
			begin := time.Now()
			done := s.requireDo(http.StatusOK, "POST", "/jobs/report?takes=30s", "")
			require.Equal(t, map[string]any{"job": "report", "holder": "replica-1"}, done)
			require.Equal(t, 30*time.Second, time.Since(begin))
		})
		time.Sleep(25*time.Second + 500*time.Millisecond)
		answer := s.do("POST", "/jobs/report", "")
		require.Equal(t, http.StatusConflict, answer.StatusCode)
		require.Equal(t, "4", answer.Header.Get("Retry-After"))
		busy := s.requireDo(http.StatusConflict, "POST", "/jobs/report", "")
		require.Equal(t, "replica-1", busy["holder"])
		require.EqualValues(t, 3500, busy["left_ms"])
		s.requireDo(http.StatusOK, "POST", "/jobs/backup?takes=0s", "")
		wg.Wait()
		s.requireDo(http.StatusOK, "POST", "/jobs/report?takes=0s", "")
	})
}

// A lock that another program has stored is held. It is neither an outage nor an invalid request.
func TestForeignLockIsHeld(t *testing.T) {
	for _, value := range []any{7, nil, "text", []int{1}} {
		var live *Live
		s := newSite(t, nil, fx.Populate(&live), fx.Invoke(func(kv adaptor.AtomicKVAdaptor) error {
			store, err := kv.Namespace("locks")
			require.NoError(t, err)
			return store.Set(t.Context(), "report", value)
		}))
		busy := s.requireDo(http.StatusConflict, "POST", "/jobs/report", "")
		require.Equal(t, "report is held by another program", busy["title"])
		state := live.State(t.Context())
		require.True(t, state.Up)
		require.Equal(t, jobState{Name: "report", Held: true, Holder: "another program"}, state.Jobs[0])
	}
}

func TestNamesOfJobsAndPages(t *testing.T) {
	for _, flag := range []string{"--jobs", "--pages"} {
		for _, test := range []struct{ list, says string }{
			{"a,a", `has the name "a" twice`}, {"a,b,a", "twice"}, {"a,,b", "1 to 40 letters"}, {",", "1 to 40 letters"},
			{"a b", "1 to 40 letters"}, {"a, b", "1 to 40 letters"}, {"a/b", "1 to 40 letters"}, {"é", "1 to 40 letters"},
			{strings.Repeat("a", 41), "1 to 40 letters"},
		} {
			_, err := parse([]string{flag + "=" + test.list}, io.Discard)
			require.ErrorContains(t, err, flag, test.list)
			require.ErrorContains(t, err, test.says, test.list)
		}
		_, err := parse([]string{flag + "=a,B-2_x," + strings.Repeat("a", 40)}, io.Discard)
		require.NoError(t, err)
	}
}

// A server without jobs has an empty list, which the page can read.
func TestServerWithoutJobs(t *testing.T) {
	var live *Live
	s := newSite(t, []string{"--jobs="}, fx.Populate(&live))
	s.requireDo(http.StatusNotFound, "POST", "/jobs/report", "")
	text, err := json.Marshal(live.State(t.Context()))
	require.NoError(t, err)
	require.Contains(t, string(text), `"jobs":[]`)
}

func TestInvalidJobRequests(t *testing.T) {
	s := newSite(t, nil)
	s.requireDo(http.StatusNotFound, "POST", "/jobs/other", "")
	for _, takes := range []string{"1", "-1s", "2m", "x"} {
		s.requireDo(http.StatusBadRequest, "POST", "/jobs/report?takes="+takes, "")
	}
}

// A job that cannot extend its lock ends before another holder may get the lock.
func TestJobEndsBeforeItsLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, fault := breakable(t)
		s := newSite(t, []string{"--job-ttl=4s", "--rate-limit=0"}, broken)
		time.AfterFunc(10*time.Second+1, func() { fault.Store(true) })
		begin := time.Now()
		s.requireDo(http.StatusInternalServerError, "POST", "/jobs/report?takes=30s", "")
		require.Less(t, time.Since(begin), 14*time.Second)
		require.Contains(t, s.log.String(), "the lock was lost")
	})
}

// The job of a client that has gone ends, and its lock is free.
func TestJobEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		r, cancel := contextOf(newRequest(s, "POST", "/jobs/report?takes=30s"))
		time.AfterFunc(time.Second, cancel)
		serve(s, r)
		s.requireDo(http.StatusOK, "POST", "/jobs/report?takes=0s", "")
	})
}
