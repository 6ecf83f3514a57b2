package main

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLogin(t *testing.T) {
	s := newSite(t, nil)
	s.requireDo(http.StatusUnauthorized, "GET", "/me", "")

	answer := s.do("POST", "/login", `{"user":"ada"}`)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Len(t, answer.Cookies(), 1)
	cookie := answer.Cookies()[0]
	require.Regexp(t, `^[A-Z2-7]{26,}$`, cookie.Value, "130 random bits")
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	require.False(t, cookie.Secure)
	require.Equal(t, "ada", s.requireDo(http.StatusOK, "GET", "/me", "")["user"])

	s.requireDo(http.StatusNoContent, "POST", "/logout", "")
	require.Empty(t, s.cookies)
	s.requireDo(http.StatusUnauthorized, "GET", "/me", "")
	s.cookies[cookieName] = cookie.Value
	s.requireDo(http.StatusUnauthorized, "GET", "/me", "")

	secure := newSite(t, []string{"--secure"}).do("POST", "/login", `{"user":"ada"}`).Cookies()
	require.True(t, secure[0].Secure)
}

// An id that a client chose, or that belongs to something else, is none, and none that a login
// takes over.
func TestFixedAndForeignIDs(t *testing.T) {
	s := newSite(t, []string{"--rate-limit=0"})
	s.requireDo(http.StatusOK, "POST", "/hits/home", "")
	for _, id := range []string{"chosen", "home", "../hits:home", "hits:home", "%2e%2e", strings.Repeat("A", 26)} {
		s.cookies[cookieName] = id
		s.requireDo(http.StatusUnauthorized, "GET", "/me", "")
		s.requireDo(http.StatusOK, "POST", "/login", `{"user":"ada"}`)
		require.NotEqual(t, id, s.cookies[cookieName])
		s.requireDo(http.StatusOK, "GET", "/me", "")
		s.cookies[cookieName] = id
		s.requireDo(http.StatusUnauthorized, "GET", "/me", "")
	}
	require.EqualValues(t, 2, s.requireDo(http.StatusOK, "POST", "/hits/home", "")["hits"], "nobody ended what is no session")
}

// Who knew the id before the login knows nothing after it.
func TestLoginRotatesTheID(t *testing.T) {
	s := newSite(t, nil)
	s.requireDo(http.StatusOK, "POST", "/login", `{"user":"ada"}`)
	before := s.cookies[cookieName]
	s.requireDo(http.StatusOK, "POST", "/login", `{"user":"grace"}`)
	require.NotEqual(t, before, s.cookies[cookieName])
	require.Equal(t, "grace", s.requireDo(http.StatusOK, "GET", "/me", "")["user"])
	s.cookies[cookieName] = before
	s.requireDo(http.StatusUnauthorized, "GET", "/me", "")
}

func TestSessionLivesAsLongAsItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"--session-ttl=1m"})
		s.requireDo(http.StatusOK, "POST", "/login", `{"user":"ada"}`)
		for range 3 {
			time.Sleep(time.Minute - 1)
			s.requireDo(http.StatusOK, "GET", "/me", "")
		}
		time.Sleep(time.Minute)
		s.requireDo(http.StatusUnauthorized, "GET", "/me", "")
	})
}

func TestBadLogins(t *testing.T) {
	s := newSite(t, nil)
	for _, body := range []string{"", "{}", `{"user":""}`, `{"user":"` + strings.Repeat("a", 101) + `"}`, `{"user":1}`} {
		s.requireDo(http.StatusBadRequest, "POST", "/login", body)
	}
	require.Empty(t, s.cookies)
}

// A store that is down does not log anybody out, nor in; and no log tells an id.
func TestLoginsWithoutAStore(t *testing.T) {
	broken, fault := breakable(t)
	s := newSite(t, nil, broken)
	s.requireDo(http.StatusOK, "POST", "/login", `{"user":"ada"}`)
	id := s.cookies[cookieName]
	fault.Store(true)
	s.requireDo(http.StatusServiceUnavailable, "GET", "/me", "")
	s.requireDo(http.StatusServiceUnavailable, "POST", "/login", `{"user":"grace"}`)
	require.Equal(t, id, s.cookies[cookieName])
	require.NotContains(t, s.log.String(), id)
}

// A page of another origin can do nothing with the cookie of a browser.
func TestOtherOrigins(t *testing.T) {
	s := newSite(t, nil)
	s.requireDo(http.StatusOK, "POST", "/login", `{"user":"ada"}`)
	r := newRequest(s, "POST", "/logout")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, serve(s, r).StatusCode)
	s.requireDo(http.StatusOK, "GET", "/me", "")
}
