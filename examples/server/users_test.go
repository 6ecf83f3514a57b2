package main

import (
	"context"
	"errors"
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
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/examples/internal/wrap"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

// requireUser reads a user and checks the Cache-Status and the time of the answer.
func requireUser(t *testing.T, s *site, id, name, status string) {
	t.Helper()
	begin := time.Now()
	answer := s.do("GET", "/users/"+id, "")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, status, answer.Header.Get("Cache-Status"))
	want := lookup
	if status == hit {
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

func TestInvalidUsersAreNotStored(t *testing.T) {
	s := newSite(t, nil)
	s.requireDo(http.StatusNotFound, "GET", "/users/none", "")
	for _, body := range []string{"", "Ada", `{"name":""}`, `{"nam":"Ada"}`, `{"name":"Ada"} {"name":"Ada"}`, `{"name":"Ada"}]`, `{"name":"Ada"} x`, `null`, "{\"name\":\"\xff\"}", `{"name":"\udfff"}`, `{"name":"` + strings.Repeat("a", 101) + `"}`} {
		s.requireDo(http.StatusBadRequest, "PUT", "/users/9", body)
	}
	s.requireDo(http.StatusRequestEntityTooLarge, "PUT", "/users/9", `{"name":"`+strings.Repeat("a", 5000)+`"}`)
	s.requireDo(http.StatusRequestEntityTooLarge, "PUT", "/users/9", `{"name":"Ada"}`+strings.Repeat(" ", 5000))
	s.requireDo(http.StatusNotFound, "GET", "/users/9", "")
	s.requireDo(http.StatusOK, "PUT", "/users/9", ` {"name":"Ada"} `+"\n")
}

// An id that the store cannot hold as a value reaches neither the database nor the store.
func TestInvalidUserIDsAreNotStored(t *testing.T) {
	for _, id := range []string{"%ff%fe", "a%ff", "%ed%a0%80", "%ef%bf%bd", strings.Repeat("a", 101)} {
		var database *Database
		s := newSite(t, nil, fx.Populate(&database))
		s.requireDo(http.StatusBadRequest, "PUT", "/users/"+id, `{"name":"Ada"}`)
		s.requireDo(http.StatusBadRequest, "GET", "/users/"+id, "")
		require.Len(t, database.users, 3, id)
	}
}

// A cached value that is not this user is replaced by the next read.
func TestForeignCachedUserIsReplaced(t *testing.T) {
	for _, value := range []any{"text", 7, nil, []int{1}, map[string]int{"id": 1}, map[string]string{"other": "form"}, map[string]string{"id": "2", "name": "Grace Hopper"}} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, []string{"--cache-ttl=1m"}, fx.Invoke(func(kv adaptor.AtomicKVAdaptor) error {
				store, err := kv.Namespace("cache")
				require.NoError(t, err)
				return store.Set(t.Context(), "user:1", value)
			}))
			requireUser(t, s, "1", "Ada Lovelace", miss)
			requireUser(t, s, "1", "Ada Lovelace", hit)
			time.Sleep(time.Minute)
			requireUser(t, s, "1", "Ada Lovelace", miss)
		})
	}
}

// Concurrent requests for a user that is not cached share one read of the database.
func TestConcurrentReadsOfAUserShareOneRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"--rate-limit=0"})
		begin := time.Now()
		var (
			mu       sync.Mutex
			wg       sync.WaitGroup
			statuses = map[string]int{}
		)
		for range 50 {
			wg.Go(func() {
				answer := serve(s, newRequest(s, "GET", "/users/1"))
				mu.Lock()
				defer mu.Unlock()
				statuses[answer.Header.Get("Cache-Status")]++
			})
		}
		wg.Wait()
		require.Equal(t, lookup, time.Since(begin))
		require.Equal(t, map[string]int{"kv; fwd=miss; stored": 1, "kv; fwd=miss; collapsed": 49}, statuses)
		text, err := io.ReadAll(s.do("GET", "/metrics", "").Body)
		require.NoError(t, err)
		require.Contains(t, string(text), "\ndatabase_reads_total 1\n")
		requireUser(t, s, "1", "Ada Lovelace", hit)
	})
}

// refusing is a store that is full.
type refusing struct{ wrap.Store }

var errFull = errors.New("planted: full")

func (refusing) Set(context.Context, string, []byte, time.Duration) error { return errFull }

func (refusing) SetNX(context.Context, string, []byte, time.Duration) (bool, error) {
	return false, errFull
}

// A cache that is full is read, but the status does not claim that it has stored the user.
func TestUserThatTheCacheRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, err := memory.New(memory.Config{})
		require.NoError(t, err)
		full := wrap.Adaptor(kv, func(s wrap.Store) driver.AtomicStore { return refusing{s} })
		s := newSite(t, []string{"--rate-limit=0"}, kvmodule.ReplaceAdaptor(full))
		requireUser(t, s, "1", "Ada Lovelace", "kv; fwd=miss")
		requireUser(t, s, "1", "Ada Lovelace", "kv; fwd=miss")
	})
}

// Without a working cache, reads are slow. A write answers that its outcome is unknown.
func TestUsersDuringAnOutage(t *testing.T) {
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
