package main

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
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

// An id that a client chose, or the key of another entry, is not a session. A login does not adopt it.
func TestChosenIDsAreNoSessions(t *testing.T) {
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
	require.EqualValues(t, 2, s.requireDo(http.StatusOK, "POST", "/hits/home", "")["hits"], "the logins removed nothing outside of the sessions")
}

// An id that was known before the login is worthless after it.
func TestLoginReplacesTheID(t *testing.T) {
	s := newSite(t, nil)
	s.requireDo(http.StatusOK, "POST", "/login", `{"user":"ada"}`)
	before := s.cookies[cookieName]
	s.requireDo(http.StatusOK, "POST", "/login", `{"user":"grace"}`)
	require.NotEqual(t, before, s.cookies[cookieName])
	require.Equal(t, "grace", s.requireDo(http.StatusOK, "GET", "/me", "")["user"])
	s.cookies[cookieName] = before
	s.requireDo(http.StatusUnauthorized, "GET", "/me", "")
}

// A stored value that is not a session counts as not logged in. A logout removes it, and a login
// replaces it.
func TestStoredValueThatIsNoSession(t *testing.T) {
	for _, by := range []string{"address", "session"} {
		for _, value := range []any{"text", 7, nil, []int{1}, map[string]int{"userId": 7}, map[string]string{"other": "form"}} {
			var store *adaptor.AtomicKVStore
			s := newSite(t, []string{"--rate-by=" + by}, fx.Invoke(func(kv adaptor.AtomicKVAdaptor) (err error) {
				store, err = kv.Namespace("sessions")
				return err
			}))
			plant := func() {
				require.NoError(t, store.Set(t.Context(), "foreign", value))
				s.cookies[cookieName] = "foreign"
			}
			requireGone := func() {
				t.Helper()
				found, err := store.Has(t.Context(), "foreign")
				require.NoError(t, err)
				require.False(t, found, "%v", value)
			}
			plant()
			s.requireDo(http.StatusUnauthorized, "GET", "/me", "")
			s.requireDo(http.StatusNoContent, "POST", "/logout", "")
			requireGone()
			require.Empty(t, s.cookies)
			plant()
			s.requireDo(http.StatusOK, "POST", "/login", `{"user":"ada"}`)
			requireGone()
			require.Equal(t, "ada", s.requireDo(http.StatusOK, "GET", "/me", "")["user"])
			require.NotContains(t, s.log.String(), "does not answer")
		}
	}
}

func TestUseExtendsTheSession(t *testing.T) {
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

func TestInvalidLoginsAreRefused(t *testing.T) {
	s := newSite(t, nil)
	for _, body := range []string{"", "{}", `{"user":""}`, `{"user":"` + strings.Repeat("a", 101) + `"}`, `{"user":1}`, `{"user":"ada"} {}`, `{"user":"ada"}x`, "{\"user\":\"\xff\"}", `{"user":"\ud800"}`} {
		s.requireDo(http.StatusBadRequest, "POST", "/login", body)
	}
	require.Empty(t, s.cookies)
}

// While the store is down, sessions stay and nobody logs in. The log contains no id.
func TestLoginsDuringAnOutage(t *testing.T) {
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

// A page of another origin cannot use the cookie of a browser.
func TestOtherOriginsAreRefused(t *testing.T) {
	s := newSite(t, nil)
	s.requireDo(http.StatusOK, "POST", "/login", `{"user":"ada"}`)
	r := newRequest(s, "POST", "/logout")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, serve(s, r).StatusCode)
	s.requireDo(http.StatusOK, "GET", "/me", "")
}
