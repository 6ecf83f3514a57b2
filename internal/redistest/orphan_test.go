//go:build unix

package redistest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/internal/redistest"
)

// childServers gives, by name, what a killed test binary was doing.
var childServers = map[string]func(t *testing.T){
	"one server":    func(t *testing.T) { redistest.Start(t) },
	"frozen server": func(t *testing.T) { redistest.Start(t).Freeze() },
	"Sentinels":     func(t *testing.T) { redistest.StartSentinel(t) },
	"Cluster":       func(t *testing.T) { redistest.StartCluster(t) },
	"restarted server": func(t *testing.T) {
		s := redistest.Start(t)
		s.Kill()
		s.Restart()
	},
}

// TestChild is the test binary that the other tests of this file kill.
func TestChild(t *testing.T) {
	servers := childServers[os.Getenv("REDISTEST_CHILD")]
	if servers == nil {
		t.Skip("it runs only as a child of another test")
	}
	servers(t)
	f, err := os.OpenFile(os.Getenv("REDISTEST_FIFO"), os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = fmt.Fprintln(f, "ready")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	time.Sleep(time.Hour)
}

// A child is a test binary with servers. Each server holds the FIFO open for writing until it ends.
type child struct {
	t         *testing.T
	cmd       *exec.Cmd
	fifo      *os.File
	lines     *bufio.Reader
	ownWriter *os.File // keeps the FIFO open before the first server has started
	pids      []int    // of the servers
	parents   []int    // of the shells around the servers
}

// startChild starts a child. Its servers take startTime to start.
func startChild(t *testing.T, name string, startTime time.Duration) *child {
	t.Helper()
	real := redistest.Find(redistest.Redis)
	require.NotEmpty(t, real, "redis-server is not installed")
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	script := fmt.Sprintf("#!/bin/sh\nexec 9>%q\necho $$ $PPID >&9\nsleep %f\nexec %q \"$@\"\n", fifo, startTime.Seconds(), real)
	require.NoError(t, os.WriteFile(filepath.Join(dir, redistest.Redis), []byte(script), 0o700))
	c := &child{t: t, cmd: exec.Command(os.Args[0], "-test.run=^TestChild$")}
	var err error
	c.fifo, err = os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	require.NoError(t, c.fifo.SetReadDeadline(time.Now().Add(time.Minute)))
	c.lines = bufio.NewReader(c.fifo)
	c.ownWriter, err = os.OpenFile(fifo, os.O_WRONLY, 0)
	require.NoError(t, err)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // see "a stopped shell"
	c.cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "REDISTEST_CHILD="+name, "REDISTEST_FIFO="+fifo, "TMPDIR="+dir)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		_ = c.ownWriter.Close()
		if t.Failed() {
			for _, pid := range append(c.pids, c.parents...) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		_ = c.fifo.Close()
	})
	return c
}

// next reads a line, which is "ready" or the PIDs of a server and its parent. It returns false at the end
// of the last server.
func (c *child) next() (line string, ok bool) {
	c.t.Helper()
	line, err := c.lines.ReadString('\n')
	if line == "" {
		require.ErrorContains(c.t, err, "EOF", "servers are still running")
		return "", false
	}
	if words := strings.Fields(line); len(words) == 2 {
		pid, err := strconv.Atoi(words[0])
		require.NoError(c.t, err)
		parent, err := strconv.Atoi(words[1])
		require.NoError(c.t, err)
		c.pids, c.parents = append(c.pids, pid), append(c.parents, parent)
	}
	return strings.TrimSpace(line), true
}

// awaitReady waits until the child has its servers.
func (c *child) awaitReady() {
	c.t.Helper()
	for line := ""; line != "ready"; {
		var ok bool
		line, ok = c.next()
		require.True(c.t, ok)
	}
	require.NotEmpty(c.t, c.pids)
}

// kill kills the child like kill -9.
func (c *child) kill() {
	c.t.Helper()
	require.NoError(c.t, c.cmd.Process.Kill())
	require.ErrorContains(c.t, c.cmd.Wait(), "signal: killed")
}

// awaitEnd waits until no server is left.
func (c *child) awaitEnd() {
	c.t.Helper()
	require.NoError(c.t, c.ownWriter.Close())
	require.NoError(c.t, c.fifo.SetReadDeadline(time.Now().Add(20*time.Second)))
	for {
		if _, ok := c.next(); !ok {
			return
		}
	}
}

// If a test binary is killed, all its servers end.
func TestServersEndWithAKilledTest(t *testing.T) {
	for name := range childServers {
		t.Run(name, func(t *testing.T) {
			c := startChild(t, name, 0)
			c.awaitReady()
			c.kill()
			c.awaitEnd()
		})
	}
	t.Run("during the start of a server", func(t *testing.T) {
		c := startChild(t, "one server", 200*time.Millisecond)
		_, ok := c.next()
		require.True(t, ok)
		c.kill()
		c.awaitEnd()
	})
	// If the last parent of a process group in its session dies and a process of the group is stopped, the
	// kernel sends SIGHUP and SIGCONT to the group. A stopped shell receives SIGHUP before it can notice the
	// end of its input. The shell around a frozen server may receive both in any order.
	t.Run("a stopped shell", func(t *testing.T) {
		c := startChild(t, "one server", 0)
		c.awaitReady()
		require.NoError(t, syscall.Kill(c.parents[0], syscall.SIGSTOP))
		c.kill()
		c.awaitEnd()
	})
	t.Run("signals to the shells", func(t *testing.T) {
		c := startChild(t, "one server", 0)
		c.awaitReady()
		for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM} {
			require.NoError(t, syscall.Kill(c.parents[0], s))
		}
		c.kill()
		c.awaitEnd()
	})
	t.Run("a killed shell", func(t *testing.T) {
		if _, err := exec.LookPath("setpriv"); runtime.GOOS != "linux" || err != nil {
			t.Skip("it needs Linux and setpriv")
		}
		c := startChild(t, "frozen server", 0)
		c.awaitReady()
		require.NoError(t, syscall.Kill(c.parents[0], syscall.SIGKILL))
		c.awaitEnd()
		assert.NoError(t, c.cmd.Process.Signal(syscall.Signal(0)), "the test binary is running")
	})
}
