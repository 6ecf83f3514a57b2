package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newRequest(s *site, method, path string) *http.Request {
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, nil)
	r.RemoteAddr = s.from
	return r
}

func serve(s *site, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Result()
}

// The header fields, as draft-ietf-httpapi-ratelimit-headers-10 and RFC 9110 have them.
func TestLimitHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"--rate-limit=2", "--rate-window=60s"})
		requireHeaders := func(status int, rate, retryAfter string) {
			t.Helper()
			answer := s.do("POST", "/hits/home", "")
			require.Equal(t, status, answer.StatusCode)
			require.Equal(t, `"default";q=2;w=60`, answer.Header.Get("RateLimit-Policy"))
			require.Equal(t, rate, answer.Header.Get("RateLimit"))
			require.Equal(t, retryAfter, answer.Header.Get("Retry-After"))
		}
		requireHeaders(http.StatusOK, `"default";r=1;t=60`, "")
		time.Sleep(500 * time.Millisecond)
		requireHeaders(http.StatusOK, `"default";r=0;t=60`, "")
		time.Sleep(20 * time.Second)
		requireHeaders(http.StatusTooManyRequests, `"default";r=0;t=40`, "40")
		time.Sleep(40*time.Second - 500*time.Millisecond - 1)
		requireHeaders(http.StatusTooManyRequests, `"default";r=0;t=1`, "1")
		time.Sleep(time.Nanosecond)
		requireHeaders(http.StatusOK, `"default";r=1;t=60`, "")
	})
}

// What keeps the service going is not limited.
func TestNotLimited(t *testing.T) {
	s := newSite(t, []string{"--rate-limit=1"})
	s.requireDo(http.StatusOK, "POST", "/hits/home", "")
	s.requireDo(http.StatusTooManyRequests, "POST", "/hits/home", "")
	for _, path := range []string{"/", "/page.css", "/page.js", "/icon.svg", "/healthz", "/metrics"} {
		require.Equal(t, http.StatusOK, s.do("GET", path, "").StatusCode, path)
	}
	unlimited := newSite(t, []string{"--rate-limit=0"})
	for range 100 {
		require.Empty(t, unlimited.do("POST", "/hits/home", "").Header.Get("RateLimit"))
	}
}

// Who shares a limit, and who has one of its own.
func TestClients(t *testing.T) {
	for _, test := range []struct {
		flags, first, second string
		forwarded            [2]string
		same                 bool
	}{
		{"", "192.0.2.1:1", "192.0.2.1:2", [2]string{}, true},
		{"", "192.0.2.1:1", "192.0.2.2:1", [2]string{}, false},
		{"", "[2001:db8::1]:1", "[2001:db8::2]:1", [2]string{}, true},
		{"", "[2001:db8::1]:1", "[2001:db8:0:1::1]:1", [2]string{}, false},
		{"", "[::ffff:192.0.2.1]:1", "192.0.2.1:1", [2]string{}, true},
		{"", "192.0.2.1:1", "192.0.2.1:1", [2]string{"198.51.100.1", "198.51.100.2"}, true},
		{"--forwarded", "192.0.2.1:1", "192.0.2.1:1", [2]string{"198.51.100.1", "198.51.100.2"}, false},
		{"--forwarded", "192.0.2.1:1", "192.0.2.1:1", [2]string{"6.6.6.6, 198.51.100.1", "7.7.7.7, 198.51.100.1"}, true},
	} {
		s := newSite(t, append(strings.Fields(test.flags), "--rate-limit=1"))
		var got [2]int
		for i, from := range []string{test.first, test.second} {
			s.from = from
			r := newRequest(s, "POST", "/hits/home")
			if test.forwarded[i] != "" {
				r.Header.Set("X-Forwarded-For", test.forwarded[i])
			}
			got[i] = serve(s, r).StatusCode
		}
		assert.Equal(t, http.StatusOK, got[0], "%+v", test)
		assert.Equal(t, test.same, got[1] == http.StatusTooManyRequests, "%+v", test)
	}
}

// A session has a limit of its own, if it is one of ours: a client that makes ids up shares the
// limit of its address.
func TestLimitBySession(t *testing.T) {
	s := newSite(t, []string{"--rate-by=session", "--rate-limit=2"})
	s.requireDo(http.StatusOK, "POST", "/login", `{"user":"ada"}`)
	s.requireDo(http.StatusOK, "GET", "/me", "")
	s.requireDo(http.StatusOK, "GET", "/me", "")
	s.requireDo(http.StatusTooManyRequests, "GET", "/me", "")

	s.cookies[cookieName] = "made-up"
	s.requireDo(http.StatusUnauthorized, "GET", "/me", "")
	for i := range 3 {
		s.cookies[cookieName] = fmt.Sprint("made-up-", i)
		s.requireDo(http.StatusTooManyRequests, "GET", "/me", "")
	}
}

func TestFailsOpenOrClosed(t *testing.T) {
	for _, fail := range []string{"open", "closed"} {
		broken, fault := breakable(t)
		s := newSite(t, []string{"--rate-fail=" + fail}, broken)
		fault.Store(true)
		for range 3 {
			answer := s.do("GET", "/users/none", "")
			require.Equal(t, map[string]int{"open": http.StatusNotFound, "closed": http.StatusServiceUnavailable}[fail], answer.StatusCode)
			require.Empty(t, answer.Header.Get("RateLimit"))
		}
		fault.Store(false)
		s.requireDo(http.StatusNotFound, "GET", "/users/none", "")
		require.Equal(t, 1, strings.Count(s.log.String(), "the store of the rate limit does not answer\" fails="+fail), s.log.String())
		require.Equal(t, 1, strings.Count(s.log.String(), "answers again"))
	}
}

// A client that goes away says nothing of the store.
func TestClientsThatGo(t *testing.T) {
	s := newSite(t, nil)
	r := newRequest(s, "POST", "/hits/home")
	gone, cancel := contextOf(r)
	cancel()
	serve(s, gone)
	require.NotContains(t, s.log.String(), "does not answer")
	require.EqualValues(t, 1, s.requireDo(http.StatusOK, "POST", "/hits/home", "")["hits"])
}
