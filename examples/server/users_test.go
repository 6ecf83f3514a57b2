package main

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// requireUser reads a user and checks the way that it came, and how long that took.
func requireUser(t *testing.T, s *site, id, name, way string) {
	t.Helper()
	begin := time.Now()
	answer := s.do("GET", "/users/"+id, "")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, way, answer.Header.Get("Cache-Status"))
	want := lookup
	if way == hit {
		want = 0
	}
	require.Equal(t, want, time.Since(begin))
	require.Equal(t, name, s.requireDo(http.StatusOK, "GET", "/users/"+id, "")["name"])
}

func TestUsersComeFromTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"--cache-ttl=1m"})
		requireUser(t, s, "1", "Ada Lovelace", miss)
		requireUser(t, s, "1", "Ada Lovelace", hit)
		time.Sleep(time.Minute)
		requireUser(t, s, "1", "Ada Lovelace", miss)

		s.requireDo(http.StatusOK, "PUT", "/users/1", `{"name":"Ada Byron"}`)
		requireUser(t, s, "1", "Ada Byron", hit)
		time.Sleep(time.Minute)
		requireUser(t, s, "1", "Ada Byron", miss)
	})
}

func TestUsersThatAreNone(t *testing.T) {
	s := newSite(t, nil)
	s.requireDo(http.StatusNotFound, "GET", "/users/none", "")
	for _, body := range []string{"", "Ada", `{"name":""}`, `{"nam":"Ada"}`, `{"name":"` + strings.Repeat("a", 101) + `"}`} {
		s.requireDo(http.StatusBadRequest, "PUT", "/users/9", body)
	}
	s.requireDo(http.StatusRequestEntityTooLarge, "PUT", "/users/9", `{"name":"`+strings.Repeat("a", 5000)+`"}`)
	s.requireDo(http.StatusNotFound, "GET", "/users/9", "")
}

// A cache that is down makes reading slow, and no more. Saving says that it should be repeated.
func TestUsersWithoutACache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, fault := breakable(t)
		s := newSite(t, nil, broken)
		fault.Store(true)
		requireUser(t, s, "1", "Ada Lovelace", bypassed)
		problem := s.requireDo(http.StatusServiceUnavailable, "PUT", "/users/1", `{"name":"Ada Byron"}`)
		require.Equal(t, "unknown", problem["outcome"])
		fault.Store(false)
		s.requireDo(http.StatusOK, "PUT", "/users/1", `{"name":"Ada Byron"}`)
		requireUser(t, s, "1", "Ada Byron", hit)
	})
}
