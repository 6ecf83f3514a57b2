package limit_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/kvmodule/limit"
)

func byHeader(r *http.Request) string { return r.Header.Get("Client") }

// serve sends a request through the middleware.
func serve(l *limit.Limiter, client string) (answer *httptest.ResponseRecorder, reached bool) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Client", client)
	l.Middleware(byHeader, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached = true
		w.WriteHeader(http.StatusNoContent)
	})).ServeHTTP(w, r)
	return w, reached
}

// policyList is the grammar of a list of String items with integer parameters, RFC 9651.
var policyList = regexp.MustCompile(`^"([ !#-\[\]-~]|\\["\\])*"(;[a-z]=\d{1,15})+(, "([ !#-\[\]-~]|\\["\\])*"(;[a-z]=\d{1,15})+)*$`)

func checkFields(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	for _, field := range []string{"RateLimit", "RateLimit-Policy"} {
		require.Len(t, w.Header().Values(field), 1, field)
		assert.Regexp(t, policyList, w.Header().Get(field), field)
	}
}

func TestMiddlewareAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newCounting(t)
		l := newLimiter(t, kv, limit.Config{Rates: []limit.Rate{{Events: 2, Per: 3 * time.Second}, {Events: 1, Per: time.Minute, Burst: 5}}})
		for _, step := range []struct {
			client    string
			sleep     time.Duration
			status    int
			rateLimit string
			retry     string
		}{
			{"a", 0, 204, `"api-1";r=1;t=2`, ""},
			{"a", 0, 204, `"api-1";r=0;t=3`, ""},
			{"a", 0, 429, `"api-1";r=0;t=3`, "2"},
			{"a", 1499 * time.Millisecond, 429, `"api-1";r=0;t=3`, "1"},
			{"a", 1 * time.Millisecond, 204, `"api-1";r=0;t=3`, ""},
			{"b", 0, 204, `"api-1";r=1;t=2`, ""},
			{"", 0, 400, `"api-1";r=0`, ""},
		} {
			time.Sleep(step.sleep)
			calls := kv.calls.Load()
			w, reached := serve(l, step.client)
			checkFields(t, w)
			assert.Equal(t, step.status, w.Code)
			assert.Equal(t, step.status == 204, reached)
			assert.Equal(t, step.rateLimit, w.Header().Get("RateLimit"))
			assert.Equal(t, step.retry, w.Header().Get("Retry-After"))
			assert.Equal(t, `"api-1";q=2;w=3, "api-2";q=5;w=300`, w.Header().Get("RateLimit-Policy"))
			if step.status != 204 {
				checkProblem(t, w)
			}
			assert.Equal(t, step.client != "", kv.calls.Load() > calls, "an empty key does not reach the store")
		}
	})
}

func checkProblem(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	var body struct {
		Type, Title, Detail string
		Status              int
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
	assert.Equal(t, w.Code, body.Status)
	assert.NotEmpty(t, body.Title)
	assert.NotContains(t, w.Body.String(), "secret")
}

func TestMiddlewareInAnOutage(t *testing.T) {
	for mode, status := range map[limit.Outage]int{limit.Fail: 503, limit.Open: 204, limit.Closed: 429, limit.Local: 204} {
		kv := newCounting(t)
		kv.fail(down)
		w, reached := serve(newLimiter(t, kv, limit.Config{Rates: []limit.Rate{limit.PerMinute(3)}, OnOutage: mode}), "secret")
		assert.Equal(t, status, w.Code)
		assert.Equal(t, status == 204, reached)
		checkFields(t, w)
		if status != 204 {
			checkProblem(t, w)
			assert.Equal(t, "1", w.Header().Get("Retry-After"))
		}
	}
	kv := newCounting(t)
	s, err := kv.AtomicOpener.OpenAtomic([]string{"limit", "api"})
	require.NoError(t, err)
	require.NoError(t, s.Set(ctx, "secret", []byte(`"secret"`), driver.NoTTL))
	w, reached := serve(newLimiter(t, kv, limit.Config{Rates: []limit.Rate{limit.PerMinute(3)}, OnOutage: limit.Open}), "secret")
	assert.Equal(t, 500, w.Code)
	assert.False(t, reached)
	checkFields(t, w)
	checkProblem(t, w)
}

// The fields are valid, and their names differ, for any Name and any rate.
func TestMiddlewareFieldsOfAnyName(t *testing.T) {
	for _, name := range []string{"api", "a b", `"`, `\`, "\x00\r\n", "\xff", "é", "%", "a-1", strings.Repeat("x", 1000)} {
		for _, rates := range [][]limit.Rate{
			{limit.PerSecond(5)},
			{limit.PerSecond(5), limit.PerSecond(5), limit.PerHour(5)},
			{{Events: 1, Per: 1, Burst: 1}, {Events: 1 << 42, Per: 1, Burst: 1 << 62}},
		} {
			l, err := limit.New(newMemory(t), limit.Config{Name: name, Rates: rates})
			require.NoError(t, err)
			w, _ := serve(l, "a")
			checkFields(t, w)
			assert.Equal(t, 204, w.Code)
			names := map[string]bool{}
			for _, item := range strings.Split(w.Header().Get("RateLimit-Policy"), ", ") {
				names[strings.Split(item, ";")[0]] = true
			}
			assert.Len(t, names, len(rates))
		}
	}
}

func TestMiddlewareWithoutKeyOrHandler(t *testing.T) {
	l, err := limit.New(newMemory(t), limit.Config{Name: "x", Rates: []limit.Rate{limit.PerSecond(5)}})
	require.NoError(t, err)
	for _, h := range []http.Handler{l.Middleware(nil, http.NotFoundHandler()), l.Middleware(byHeader, nil), (*limit.Limiter)(nil).Middleware(byHeader, http.NotFoundHandler())} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		assert.Equal(t, 500, w.Code)
	}
}

func TestByAddress(t *testing.T) {
	private := []string{"10.0.0.0/8", "fd00::/8", "::1/128"}
	for _, c := range []struct {
		why       string
		trusted   []string
		peer      string
		forwarded []string
		want      string
	}{
		{"the peer", nil, "203.0.113.7:1234", nil, "203.0.113.7"},
		{"without a port", nil, "203.0.113.7", nil, "203.0.113.7"},
		{"no trusted proxy", nil, "10.0.0.1:1", []string{"198.51.100.1"}, "10.0.0.1"},
		{"a peer that is not trusted", private, "203.0.113.7:1", []string{"198.51.100.1"}, "203.0.113.7"},
		{"one proxy", private, "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"no field", private, "10.0.0.1:1", nil, "10.0.0.1"},
		{"an empty field", private, "10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"the last one that is not trusted", private, "10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"a client that lies", private, "10.0.0.1:1", []string{"8.8.8.8, 198.51.100.1"}, "198.51.100.1"},
		{"several lines are one list", private, "10.0.0.1:1", []string{"8.8.8.8", "198.51.100.1,10.0.0.3", "10.0.0.2"}, "198.51.100.1"},
		{"all are trusted: the first", private, "10.0.0.1:1", []string{"10.0.0.4, 10.0.0.3", "10.0.0.2"}, "10.0.0.4"},
		{"ports", private, "10.0.0.1:1", []string{"198.51.100.1:55, 10.0.0.2:9"}, "198.51.100.1"},
		{"IPv6 with a port", private, "[::1]:80", []string{"[2001:db8:1:2:3::4]:5, [fd00::1]:7"}, "2001:db8:1:2::/64"},
		{"IPv6 in brackets", private, "[::1]:80", []string{"[2001:db8:1:2:3::4]"}, "2001:db8:1:2::/64"},
		{"IPv6 counts by /64", nil, "[2001:db8:1:2:ffff::9]:80", nil, "2001:db8:1:2::/64"},
		{"without a zone", nil, "[fe80::1%eth0]:80", nil, "fe80::/64"},
		{"IPv4 in IPv6", nil, "[::ffff:203.0.113.7]:80", nil, "203.0.113.7"},
		{"NAT64", nil, "[64:ff9b::cb00:7107]:80", nil, "203.0.113.7"},
		{"beside NAT64", nil, "[64:ff9b:1::cb00:7107]:80", nil, "64:ff9b:1::/64"},
		{"a trusted peer as IPv4 in IPv6", private, "[::ffff:10.0.0.1]:80", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a trusted prefix as IPv4 in IPv6", []string{"::ffff:10.0.0.0/104"}, "10.0.0.1:80", []string{"198.51.100.1"}, "198.51.100.1"},
		{"an entry that is no address", private, "10.0.0.1:1", []string{"8.8.8.8, unknown"}, "10.0.0.1"},
		{"an entry that is no address, further on", private, "10.0.0.1:1", []string{"8.8.8.8, _hidden, 10.0.0.2"}, "10.0.0.2"},
		{"an empty entry", private, "10.0.0.1:1", []string{"8.8.8.8,, 10.0.0.2"}, "10.0.0.2"},
		{"spaces and tabs", private, "10.0.0.1:1", []string{" \t198.51.100.1\t , 10.0.0.2 "}, "198.51.100.1"},
		{"a Unix socket", private, "@", []string{"198.51.100.1"}, ""},
		{"no peer", private, "", []string{"198.51.100.1"}, ""},
		{"a name", private, "localhost:80", nil, ""},
		{"a trusted proxy by IPv6 with a zone", []string{"fe80::/10"}, "[fe80::1%eth0]:80", []string{"198.51.100.1"}, "198.51.100.1"},
	} {
		t.Run(c.why, func(t *testing.T) {
			var trusted []netip.Prefix
			for _, p := range c.trusted {
				trusted = append(trusted, netip.MustParsePrefix(p))
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = c.peer
			for _, line := range c.forwarded {
				r.Header.Add("X-Forwarded-For", line)
			}
			for _, other := range []string{"X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP"} {
				r.Header.Set(other, "9.9.9.9")
			}
			key := limit.ByAddress(trusted...)
			assert.Equal(t, c.want, key(r))
			clear(trusted)
			assert.Equal(t, c.want, key(r), "the prefixes are copied")
		})
	}
}
