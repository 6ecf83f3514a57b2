// Package redistest starts real Redis and Valkey servers for tests.
//
//   - To start one server, use [Start], [StartProgram] or [StartTLS].
//   - To start a Cluster or a primary with Sentinels, use [StartCluster] or [StartSentinel].
//   - To disturb the network of a server, use [StartProxy].
//   - To cut off a server of a topology, use [StartClusterInNetwork] or [StartSentinelInNetwork] and
//     then [Server.Cut].
//
// All servers and proxies end with the test.
package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The names of the programs.
const (
	Redis  = "redis-server"
	Valkey = "valkey-server"
)

// patience limits the time for a start and for a reply of a server.
const patience = 20 * time.Second

// A Server is a server process on a free port of the loopback, with its own directory. It ends with
// the test. It also ends when the process of the test ends for any reason.
type Server struct {
	Addr string // host:port

	t       testing.TB
	socket  *socket // nil if the server is in no network
	program string
	args    []string
	port    string
	dir     string
	cmd     *exec.Cmd
	pid     int            // of the server, which is a child of cmd
	alive   io.WriteCloser // closing it makes the shell around the server kill the server
}

// Find returns the path of a program, or "" if it is not installed.
func Find(program string) string {
	path, err := exec.LookPath(program)
	if err != nil {
		return ""
	}
	return path
}

// Start starts redis-server with additional arguments, such as "--appendonly", "yes". By default, the
// server writes no data to disk. The test fails if redis-server is not installed.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if Find(Redis) == "" {
		t.Fatalf("%s is not installed, and these tests need a real server: apt-get install redis-server redis-tools, or brew install redis", Redis)
	}
	return StartProgram(t, Redis, args...)
}

// StartProgram does the same as Start for the given program, which is Redis or Valkey.
func StartProgram(t testing.TB, program string, args ...string) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "redistest") // the path of t.TempDir is too long for a Unix socket
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, program: program, dir: dir}
	s.args = append([]string{"--save", "", "--unixsocket", s.Socket()}, args...)
	t.Cleanup(func() {
		s.Kill()
		_ = os.RemoveAll(dir)
	})
	for range 5 { // another process may use the port before the server does
		s.port = freePort(t)
		s.Addr = "127.0.0.1:" + s.port
		if err = s.start(); err == nil {
			return s
		}
	}
	t.Fatalf("%s does not start: %v\n%s", program, err, s.Log())
	return nil
}

func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func (s *Server) start() error {
	args := append(slices.Clone(s.args), "--port", s.port, "--bind", "127.0.0.1", "--dir", s.dir)
	cmd, err := s.newCommand(args)
	if err != nil {
		return err
	}
	s.cmd = cmd
	s.cmd.Dir = s.dir
	if s.alive, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		reply, err := s.try("PING")
		if err == nil && (reply == "PONG" || strings.HasPrefix(reply, "NOAUTH")) {
			info, _ := s.try("INFO", "server")
			if _, after, found := strings.Cut(info, "process_id:"); found {
				s.pid, _ = strconv.Atoi(strings.Fields(after)[0])
			}
			return nil
		}
		if strings.Contains(s.Log(), "Address already in use") || time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("no answer: %q, %v", reply, err)
		}
	}
}

// Kill kills the server immediately, like kill -9.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.alive.Close()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Restart starts the server again, where it was, with what it has on disk.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatalf("%s does not start again: %v\n%s", s.program, err, s.Log())
	}
}

// URL returns a URL for redis.Config that leads to the server.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Socket returns the path of the server's Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "s") }

// Log returns the output of the server.
func (s *Server) Log() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(text)
}

// Do sends a command on its own connection and returns the reply as text. An error reply is returned as
// its text, a nil reply as "(nil)", and an array as its elements separated by spaces. The test fails if
// the server does not reply.
func (s *Server) Do(args ...string) string {
	s.t.Helper()
	reply, err := s.try(args...)
	if err != nil && s.cmd != nil { // a Sentinel closes all connections of a server whose role changes
		reply, err = s.try(args...)
	}
	if err != nil {
		s.t.Fatalf("%s %q: %v\n%s", s.program, args, err, s.Log())
	}
	return reply
}

func (s *Server) try(args ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.Addr, patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	request := fmt.Sprintf("*%d\r\n", len(args))
	for _, a := range args {
		request += fmt.Sprintf("$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		return "", err
	}
	return readReply(bufio.NewReader(conn))
}

// readReply reads a reply in RESP2, see https://redis.io/docs/latest/develop/reference/protocol-spec/.
func readReply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil || len(line) < 3 {
		return "", errors.Join(err, io.ErrUnexpectedEOF)
	}
	kind, rest := line[0], line[1:len(line)-2]
	n, _ := strconv.Atoi(rest)
	switch {
	case kind != '$' && kind != '*':
		return rest, nil
	case n < 0:
		return "(nil)", nil
	case kind == '$':
		text := make([]byte, n+2)
		_, err := io.ReadFull(r, text)
		return string(text[:n]), err
	}
	elements := make([]string, n)
	for i := range elements {
		if elements[i], err = readReply(r); err != nil {
			return "", err
		}
	}
	return strings.Join(elements, " "), nil
}

// Clients returns the number of connections to the server, without the connections of Do.
func (s *Server) Clients() int {
	s.t.Helper()
	n := 0
	for line := range strings.Lines(s.Do("CLIENT", "LIST", "TYPE", "normal")) {
		if !strings.Contains(line, " cmd=client|list ") && !strings.Contains(line, " cmd=client ") {
			n++
		}
	}
	return n
}
