package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/internal/redistest"
)

// patience is how long a test waits for an event that should happen soon.
const patience = 20 * time.Second

var (
	binaryDir string
	binary    = sync.OnceValues(func() (string, error) {
		var err error
		if binaryDir, err = os.MkdirTemp("", "server"); err != nil {
			return "", err
		}
		path := filepath.Join(binaryDir, "server")
		args := []string{"build", "-o", path}
		if raceEnabled {
			args = append(args, "-race")
		}
		if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w\n%s", err, out)
		}
		return path, nil
	})
)

// process is a running server. It ends with the test, and also if the process of the test is killed.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	guard *exec.Cmd
	url   string

	mu      sync.Mutex
	log     []record
	other   []string // lines that are not part of the log
	drained chan struct{}
}

// record is a line of the log.
type record struct {
	Time time.Time `json:"time"`
	Msg  string    `json:"msg"`
	URL  string    `json:"url"`
	Job  string    `json:"job"`
}

// launch starts the server with an environment and does not wait.
func launch(t *testing.T, env ...string) *process {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	p := &process{t: t, cmd: exec.Command(path), drained: make(chan struct{})}
	p.cmd.Env = append([]string{"ADDR=127.0.0.1:0", "LOG_FORMAT=json", "GORACE=halt_on_error=1"}, env...)
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	// The guard kills the process after the end of its input. It starts first and ignores the signals that
	// would end it before the process.
	p.guard = exec.Command("/bin/sh", "-c", `trap '' HUP INT QUIT TERM; read pid; read _; kill -9 "$pid"`)
	alive, err := p.guard.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, p.guard.Start())
	require.NoError(t, p.cmd.Start())
	_, err = fmt.Fprintln(alive, p.cmd.Process.Pid)
	require.NoError(t, err)
	go func() {
		defer close(p.drained)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var r record
			err := json.Unmarshal(lines.Bytes(), &r)
			p.mu.Lock()
			if err == nil {
				p.log = append(p.log, r)
			} else {
				p.other = append(p.other, lines.Text())
			}
			p.mu.Unlock()
		}
	}()
	t.Cleanup(func() { p.kill() })
	return p
}

// start starts the server and waits until it serves.
func start(t *testing.T, env ...string) *process {
	t.Helper()
	p := launch(t, env...)
	p.waitFor("serving")
	for _, r := range p.records() {
		if r.Msg == "serving" {
			p.url = r.URL
		}
	}
	return p
}

func (p *process) records() []record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]record(nil), p.log...)
}

// errors returns the printed lines that are not part of the log. It waits for the end of the server.
func (p *process) errors() string {
	<-p.drained
	return strings.Join(p.other, "\n")
}

// waitFor waits for a message in the log.
func (p *process) waitFor(msg string) {
	p.t.Helper()
	logged := func() bool {
		return slices.ContainsFunc(p.records(), func(r record) bool { return r.Msg == msg })
	}
	for deadline := time.Now().Add(patience); !logged(); time.Sleep(time.Millisecond) {
		select {
		case <-p.drained:
			if logged() {
				return
			}
			p.t.Fatalf("the server ended without %q: %s\n%+v", msg, p.errors(), p.records())
		default:
			if time.Now().After(deadline) {
				p.t.Fatalf("the server does not log %q\n%+v", msg, p.records())
			}
		}
	}
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(sig))
}

// wait waits for the end of the server and returns its exit code, or -1 if a signal killed it.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.drained:
	case <-time.After(2 * patience):
		_ = p.cmd.Process.Kill()
		p.t.Errorf("the server does not end\n%+v", p.records())
	}
	_ = p.guard.Process.Kill() // before another process can get the pid
	_ = p.guard.Wait()
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// kill ends the server like kill -9.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		p.wait()
	}
}

// reply is a complete answer.
type reply struct {
	status int
	header http.Header
	body   string
	closed bool // the server closed the connection
}

// newClient returns a client with its own connections. They end with the test.
func newClient(t testing.TB) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// send sends a request. It returns errCut if the answer begins and does not end.
func send(c *http.Client, method, url, body string) (reply, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if method == "POST" {
		r.GetBody = nil // the client must not repeat the request
	}
	answer, err := c.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		err = errors.Join(errCut, err)
	}
	return reply{answer.StatusCode, answer.Header, string(text), answer.Close}, err
}

var errCut = errors.New("the answer was cut")

// everywhere runs a test on memory and on a Redis, with the environment of each.
func everywhere(t *testing.T, test func(t *testing.T, env ...string)) {
	t.Run("memory", func(t *testing.T) { test(t) })
	t.Run("redis", func(t *testing.T) { test(t, "KV_URL="+redistest.Start(t).URL()) })
}

// The server works without any configuration, and stops on SIGTERM.
func TestServerWithoutConfiguration(t *testing.T) {
	everywhere(t, func(t *testing.T, env ...string) {
		begin := time.Now()
		p := start(t, env...)
		t.Logf("serving after %v", time.Since(begin).Round(time.Millisecond))
		c := newClient(t)
		for _, test := range []struct {
			method, path, body string
			status             int
			says               string
		}{
			{"GET", "/", "", 200, "<title>Zelt KV example server"},
			{"GET", "/healthz", "", 200, `{"status":"ok"}`},
			{"GET", "/users/1", "", 200, `{"id":"1","name":"Ada Lovelace"}`},
			{"PUT", "/users/7", `{"name":"Ken"}`, 200, `{"id":"7","name":"Ken"}`},
			{"POST", "/login", `{"user":"ada"}`, 200, `{"user":"ada"}`},
			{"GET", "/me", "", 401, "not logged in"},
			{"POST", "/logout", "", 204, ""},
			{"POST", "/jobs/report?takes=10ms", "", 200, `"job":"report"`},
			{"POST", "/hits/home", "", 200, `{"hits":1}`},
			{"GET", "/metrics", "", 200, `http_requests_total{code="200",route="POST /hits/{page}"} 1`},
			{"GET", "/metrics", "", 200, `ratelimit_requests_total{decision="allowed"} 7`},
			{"GET", "/none", "", 404, "no such route"},
			{"GET", "/hits/home", "", 405, "this route has other methods: POST"},
		} {
			got, err := send(c, test.method, p.url+test.path, test.body)
			require.NoError(t, err)
			require.Equal(t, test.status, got.status, "%s %s: %s", test.method, test.path, got.body)
			require.Contains(t, got.body, test.says, "%s %s", test.method, test.path)
		}
		p.signal(syscall.SIGTERM)
		require.Equal(t, exitOK, p.wait())
		require.Empty(t, p.errors())
	})
}

// A mistake in the configuration stops the start with one line that names it.
func TestMistakesAreOneLine(t *testing.T) {
	taken := start(t)
	for _, test := range []struct {
		env  string
		code int
		says string
	}{
		{"RATE_WINDOW=ten", exitUsage, "--rate-window: expected duration"},
		{"RATE_WINDOW=0s", exitUsage, "--rate-window must be positive, got 0s"},
		{"RATE_LIMIT=-1", exitUsage, "--rate-limit must not be negative"},
		{"RATE_BY=moon", exitUsage, `--rate-by must be one of "address","session"`},
		{"LOG_LEVEL=loud", exitUsage, "--log-level must be one of"},
		{"JOBS=a,a", exitUsage, `--jobs has the name "a" twice`},
		{"DRAIN=1m", exitUsage, "less than --grace"},
		{"KV_URL=http://user:hunter2@host", exitUsage, "has another scheme"},
		{"KV_URL=redis://user:hunter2@127.0.0.1:1", exitFailed, "start with 127.0.0.1:1: connection refused"},
		{"ADDR=" + strings.TrimPrefix(taken.url, "http://"), exitFailed, "address already in use (--addr or ADDR says"},
	} {
		p := launch(t, test.env)
		require.Equal(t, test.code, p.wait(), test.env)
		require.Contains(t, p.errors(), test.says)
		require.NotContains(t, p.errors(), "\n", "one line")
		require.NotContains(t, p.errors(), "hunter2")
	}
}

func TestHelpListsTheVariables(t *testing.T) {
	path, err := binary()
	require.NoError(t, err)
	out, err := exec.Command(path, "-h").Output()
	require.NoError(t, err)
	for _, name := range []string{"ADDR", "KV_URL", "RATE_LIMIT", "RATE_WINDOW", "RATE_FAIL", "SESSION_TTL", "JOB_TTL", "PAGES", "GRACE", "LOG_LEVEL"} {
		require.Contains(t, string(out), "$"+name)
	}
}
