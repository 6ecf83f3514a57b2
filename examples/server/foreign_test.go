package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/internal/redistest"
)

// On Redis, another program may store any bytes and any type under a key of the server. No such value is
// an outage, and no such value stays in the way of a client.
func TestForeignValuesOnRedis(t *testing.T) {
	redis := redistest.Start(t)
	p := start(t, "KV_URL="+redis.URL(), "RATE_FAIL=closed", "RATE_BY=session", "RATE_LIMIT=1000")
	for _, plant := range [][]string{
		{"SET", "no JSON"}, {"SET", "\xff\xfe"}, {"SET", ""}, {"SET", ` {"spaces": 1}`}, {"RPUSH", "a", "b"}, {"HSET", "id", "1"}, {"SADD", "a"},
	} {
		name := strings.Join(plant, " ")
		c := newClient(t)
		request := func(method, path, body string, header ...string) reply {
			t.Helper()
			r, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
			require.NoError(t, err)
			if len(header) > 0 {
				r.Header.Set("Cookie", header[0])
			}
			answer, err := c.Do(r)
			require.NoError(t, err)
			defer answer.Body.Close()
			return reply{status: answer.StatusCode, header: answer.Header}
		}
		for _, key := range []string{"sessions:ended", "sessions:replaced", "cache:user:1", "hits:home", "locks:report", "ratelimit:req:address:127.0.0.1"} {
			redis.Do("DEL", key)
			redis.Do(append([]string{plant[0], key}, plant[1:]...)...)
		}
		require.Equal(t, http.StatusOK, request("POST", "/hits/home", "").status, name)
		require.Equal(t, http.StatusUnauthorized, request("GET", "/me", "", "session=ended").status, name)
		require.Equal(t, http.StatusNoContent, request("POST", "/logout", "", "session=ended").status, name)
		require.Equal(t, http.StatusOK, request("POST", "/login", `{"user":"ada"}`, "session=replaced").status, name)
		require.Equal(t, "0", redis.Do("EXISTS", "sessions:ended", "sessions:replaced"), name)
		require.Equal(t, miss, request("GET", "/users/1", "").header.Get("Cache-Status"), name)
		require.Equal(t, hit, request("GET", "/users/1", "").header.Get("Cache-Status"), name)
		require.Equal(t, http.StatusConflict, request("POST", "/jobs/report", "").status, name)
		require.Equal(t, http.StatusOK, request("GET", "/healthz", "").status, name)
		for _, key := range []string{"hits:home", "ratelimit:req:address:127.0.0.1"} {
			require.NotEqual(t, "-1", redis.Do("PTTL", key), "%s: %s has a deadline", name, key)
		}
	}
	p.signal(syscall.SIGTERM)
	require.Equal(t, exitOK, p.wait())
	for _, r := range p.records() {
		require.NotEqual(t, "the store of the rate limit does not answer", r.Msg)
	}
}
