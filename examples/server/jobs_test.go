package main

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func contextOf(r *http.Request) (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	return r.WithContext(ctx), cancel
}

// A job takes longer than its lock's ttl, and keeps the lock; others hear who has it.
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

func TestJobsThatAreNone(t *testing.T) {
	s := newSite(t, nil)
	s.requireDo(http.StatusNotFound, "POST", "/jobs/other", "")
	for _, takes := range []string{"1", "-1s", "2m", "x"} {
		s.requireDo(http.StatusBadRequest, "POST", "/jobs/report?takes="+takes, "")
	}
}

// A job that can't extend its lock ends before the lock may be another's.
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

// A client that hangs up ends its job, and the lock is free.
func TestJobEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		r, cancel := contextOf(newRequest(s, "POST", "/jobs/report?takes=30s"))
		time.AfterFunc(time.Second, cancel)
		serve(s, r)
		s.requireDo(http.StatusOK, "POST", "/jobs/report?takes=0s", "")
	})
}
