//go:build unix

package redistest

import (
	"os/exec"
	"slices"
	"syscall"
)

// newCommand returns the command that starts the server, not yet started. A shell around the server
// kills it when the command's standard input closes, which also happens if the test is killed.
//
// The shell ignores the signals that would end it before the server. For example, the kernel sends SIGHUP
// to the shell around a frozen server when the test dies. The process group is separate, so that Ctrl-C
// reaches only the test.
func (s *Server) newCommand(args []string) (*exec.Cmd, error) {
	script := `trap '' HUP INT QUIT TERM; "$@" >>log 2>&1 & read _; kill -9 $! 2>/dev/null; wait`
	server := append(endWithParent(), Find(s.program))
	cmd := exec.Command("/bin/sh", slices.Concat([]string{"-c", script, "sh"}, server, args)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, nil
}

// Freeze stops the server's process from running, until Thaw. To all other processes the server then
// behaves as if the network was cut.
func (s *Server) Freeze() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
}

// Thaw ends Freeze.
func (s *Server) Thaw() {
	s.t.Helper()
	s.signal(syscall.SIGCONT)
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(s.pid, sig); err != nil {
		s.t.Fatalf("%s: signal %v: %v", s.program, sig, err)
	}
}
