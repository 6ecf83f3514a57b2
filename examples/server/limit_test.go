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
	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
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

// The header fields follow draft-ietf-httpapi-ratelimit-headers-10 and RFC 9110.
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

// The page and the machinery have no limit.
func TestPageAndMachineryHaveNoLimit(t *testing.T) {
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

func TestClientsWithOneAddressShareALimit(t *testing.T) {
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

// A session has its own limit. A client that invents ids shares the limit of its address.
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

// A client that logs in again and again gets new sessions, but no new limit.
func TestLoginsAreLimited(t *testing.T) {
	for _, by := range []string{"address", "session"} {
		t.Run("by "+by, func(t *testing.T) {
			passed := func(s *site, request func(i int) *http.Response) (n int) {
				for i := range 300 {
					if answer := request(i); answer.StatusCode != http.StatusTooManyRequests {
						n++
					} else {
						require.NotEmpty(t, answer.Header.Get("Retry-After"))
					}
				}
				return n
			}
			login := func(s *site, user any) *http.Response {
				return s.do("POST", "/login", fmt.Sprintf(`{"user":"%v"}`, user))
			}
			flags := []string{"--rate-by=" + by, "--rate-limit=5", "--rate-window=1h"}

			s := newSite(t, flags)
			require.Equal(t, 5, passed(s, func(int) *http.Response { return login(s, "ada") }), "one user")
			s = newSite(t, flags)
			require.Equal(t, 5, passed(s, func(i int) *http.Response { return login(s, i) }), "one address, many users")
			s = newSite(t, flags)
			require.Equal(t, 5, passed(s, func(i int) *http.Response {
				s.from = fmt.Sprintf("192.0.2.%d:1", i%256)
				clear(s.cookies)
				return login(s, "ada")
			}), "one user, many addresses")
			s = newSite(t, flags)
			require.Equal(t, 5, passed(s, func(int) *http.Response { return s.do("POST", "/login", "no JSON") }), "bad requests")
			s = newSite(t, flags)
			require.LessOrEqual(t, passed(s, func(i int) *http.Response {
				if i%3 > 0 {
					return s.do(map[int]string{1: "GET", 2: "POST"}[i%3], map[int]string{1: "/me", 2: "/logout"}[i%3], "")
				}
				return login(s, "ada")
			}), 15, "login, use and logout in turn")
		})
	}
}

// A user who collects sessions over many windows gets the limit of four sessions.
func TestSessionsOfOneUserShareALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"--rate-by=session", "--rate-limit=5", "--rate-window=10s"})
		var ids []string
		for range 20 {
			for range 5 {
				clear(s.cookies)
				s.requireDo(http.StatusOK, "POST", "/login", `{"user":"ada"}`)
				ids = append(ids, s.cookies[cookieName])
			}
			time.Sleep(10 * time.Second)
		}
		passed := 0
		for _, id := range ids {
			s.cookies[cookieName] = id
			if s.do("GET", "/me", "").StatusCode == http.StatusOK {
				passed++
			}
		}
		require.Equal(t, 4*5, passed)
	})
}

// The client is the last entry of X-Forwarded-For, in every form that a proxy writes.
func TestForwardedAddress(t *testing.T) {
	const peer = "" // the address of the proxy
	for _, test := range []struct {
		lines  []string
		client string
	}{
		{[]string{"203.0.113.7"}, "203.0.113.7"},
		{[]string{"203.0.113.7:4711"}, "203.0.113.7"},
		{[]string{" \t203.0.113.7:4711 "}, "203.0.113.7"},
		{[]string{"6.6.6.6,203.0.113.7"}, "203.0.113.7"},
		{[]string{"6.6.6.6:1, 203.0.113.7:2"}, "203.0.113.7"},
		{[]string{"6.6.6.6", "203.0.113.7"}, "203.0.113.7"},
		{[]string{"6.6.6.6, 7.7.7.7", "8.8.8.8, 203.0.113.7:80"}, "203.0.113.7"},
		{[]string{"203.0.113.7,"}, "203.0.113.7"},
		{[]string{"203.0.113.7", ""}, "203.0.113.7"},
		{[]string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{[]string{"[::ffff:203.0.113.7]:4711"}, "203.0.113.7"},
		{[]string{"::ffff:cb00:7107"}, "203.0.113.7"},
		{[]string{"2001:db8::7"}, "2001:db8::1"},
		{[]string{"[2001:db8::7]"}, "2001:db8::1"},
		{[]string{"[2001:db8::7]:4711"}, "2001:db8::1"},
		{[]string{"[2001:db8::7%eth0]:4711"}, "2001:db8::1"},
		{[]string{"2001:db8:0:0:ffff::"}, "2001:db8::1"},
		{[]string{"unknown"}, peer},
		{[]string{"203.0.113.7, unknown"}, peer},
		{[]string{"_hidden:4711"}, peer},
		{[]string{"203.0.113"}, peer},
		{[]string{"203.0.113.7:x:y"}, peer},
		{[]string{","}, peer},
	} {
		s := newSite(t, []string{"--forwarded", "--rate-limit=1"})
		s.from = "192.0.2.1:1"
		status := func(lines ...string) int {
			r := newRequest(s, "POST", "/hits/home")
			r.Header["X-Forwarded-For"] = lines
			return serve(s, r).StatusCode
		}
		require.Equal(t, http.StatusOK, status(test.lines...), "%q", test.lines)
		plain := []string{test.client}
		if test.client == peer {
			plain = nil
		}
		assert.Equal(t, http.StatusTooManyRequests, status(plain...), "%q is %q", test.lines, test.client)
		assert.Equal(t, http.StatusOK, status("198.51.100.1:4711"), "another client beside %q", test.lines)
		if test.client == peer && test.lines[0] != "," {
			_ = status(test.lines...)
			assert.Equal(t, 1, strings.Count(s.log.String(), "X-Forwarded-For is not an address"), s.log.String())
		}
	}
}

// A counter of another form is not an outage. A counter without a deadline does not refuse its client
// forever.
func TestForeignCountersAreRepaired(t *testing.T) {
	for _, value := range []any{"text", 1.5, nil, map[string]int{"n": 1}, 1000} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, []string{"--rate-limit=5", "--rate-fail=closed", "--rate-window=10s"}, fx.Invoke(func(kv adaptor.AtomicKVAdaptor) error {
				store, err := kv.Namespace("ratelimit")
				require.NoError(t, err)
				return store.Set(t.Context(), "req:address:192.0.2.1", value)
			}))
			first := s.do("POST", "/hits/home", "").StatusCode
			if value == 1000 {
				require.Equal(t, http.StatusTooManyRequests, first)
				time.Sleep(10 * time.Second)
				first = s.do("POST", "/hits/home", "").StatusCode
			}
			require.Equal(t, http.StatusOK, first, "%v", value)
			require.Equal(t, `"default";r=3;t=10`, s.do("POST", "/hits/home", "").Header.Get("RateLimit"), "%v", value)
			require.NotContains(t, s.log.String(), "does not answer")
		})
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

// The end of a client says nothing about the store.
func TestClientThatGoesIsNoOutage(t *testing.T) {
	s := newSite(t, nil)
	r := newRequest(s, "POST", "/hits/home")
	gone, cancel := contextOf(r)
	cancel()
	serve(s, gone)
	require.NotContains(t, s.log.String(), "does not answer")
	require.EqualValues(t, 1, s.requireDo(http.StatusOK, "POST", "/hits/home", "")["hits"])
}
