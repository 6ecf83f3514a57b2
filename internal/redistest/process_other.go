//go:build !unix

package redistest

import (
	"errors"
	"os/exec"
)

// errNoUnix is the error of each operation that needs a Unix shell or Unix signals.
var errNoUnix = errors.New("redistest starts servers only on Unix systems: run this test on Linux, macOS or BSD")

// newCommand returns errNoUnix.
func (s *Server) newCommand([]string) (*exec.Cmd, error) { return nil, errNoUnix }

// Freeze fails the test.
func (s *Server) Freeze() {
	s.t.Helper()
	s.t.Fatal(errNoUnix)
}

// Thaw fails the test.
func (s *Server) Thaw() {
	s.t.Helper()
	s.t.Fatal(errNoUnix)
}
