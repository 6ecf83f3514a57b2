package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	for _, name := range []string{"ADDR", "KV_URL", "RATE_LIMIT"} {
		_ = os.Unsetenv(name)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("os/signal.signal_recv"), goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(binaryDir)
		os.Exit(code)
	}))
}

// site is an app without a network. Tests call its handler, so that they can run in a synctest bubble.
type site struct {
	t       *testing.T
	handler http.Handler
	app     *fxtest.App
	log     *bytes.Buffer
	cookies map[string]string
	from    string // the client's address
}

// newSite makes an app with flags. options can replace its adaptor.
func newSite(t *testing.T, args []string, options ...fx.Option) *site {
	t.Helper()
	config, err := parse(append([]string{"--addr=127.0.0.1:0", "--name=replica-1", "--drain=0s"}, args...), io.Discard)
	require.NoError(t, err)
	s := &site{t: t, log: &bytes.Buffer{}, cookies: map[string]string{}, from: "192.0.2.1:1234"}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	s.app = fxtest.New(t, module(config, log), fx.Populate(&s.handler), fx.Options(options...))
	return s
}

// do sends a request with the cookies that the site has set, like a browser.
func (s *site) do(method, path, body string) *http.Response {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	r.RemoteAddr = s.from
	for name, value := range s.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		s.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(s.cookies, c.Name)
		}
	}
	return w.Result()
}

// requireDo sends a request, requires the status of the answer and returns its JSON.
func (s *site) requireDo(status int, method, path, body string) map[string]any {
	s.t.Helper()
	answer := s.do(method, path, body)
	text, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, status, answer.StatusCode, string(text))
	var value map[string]any
	if len(text) > 0 {
		require.NoError(s.t, json.Unmarshal(text, &value))
	}
	return value
}
