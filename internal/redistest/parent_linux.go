package redistest

import (
	"os/exec"
	"slices"
	"sync"
)

// endWithParent returns the first words of a command whose last words start a server. The server then also
// ends if the shell around it is killed. endWithParent returns nil if the program setpriv is missing or
// too old.
func endWithParent() []string { return slices.Clone(setpriv()) }

var setpriv = sync.OnceValue(func() []string {
	command := []string{Find("setpriv"), "--pdeathsig", "KILL"}
	if command[0] == "" || exec.Command(command[0], "--pdeathsig", "KILL", "true").Run() != nil {
		return nil
	}
	return command
})
