package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A process is a running program and its children.
type process struct {
	cmd  *exec.Cmd
	log  string // the file of its output
	done chan error
}

// start starts cmd in a process group of its own. Its output goes to a file.
func start(cmd *exec.Cmd, log string) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	return p, nil
}

// output returns what the process has printed.
func (p *process) output() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

// await waits until the output contains text, and returns the rest of that line.
func (p *process) await(text string) (string, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, after, found := strings.Cut(p.output(), text); found {
			if line, _, whole := strings.Cut(after, "\n"); whole {
				return line, nil
			}
		}
		select {
		case err := <-p.done:
			p.done <- err
			return "", fmt.Errorf("ended before it printed %q: %v\n%s", text, err, strings.TrimSpace(p.output()))
		default:
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("printed no %q in %v:\n%s", text, patience, strings.TrimSpace(p.output()))
		}
	}
}

// interrupt does what Ctrl-C does to "go run", and returns an error if the program that it runs then
// fails. An interrupted "go run" itself always ends with exit code 1; it prints the program's exit
// status if that is not 0.
func (p *process) interrupt() error {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT)
	select {
	case err := <-p.done:
		p.done <- err
		text := strings.TrimSpace(p.output())
		last := text[strings.LastIndex(text, "\n")+1:]
		if strings.HasPrefix(last, "exit status ") || strings.HasPrefix(last, "signal: ") {
			return fmt.Errorf("the program fails after Ctrl-C: %s\n%s", last, text)
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("still runs %v after Ctrl-C:\n%s", patience, strings.TrimSpace(p.output()))
	}
}

// kill ends the process and its children, and waits for the process.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.done <- <-p.done
}

// startRedis starts redis-server on a free port of the loopback, and returns its URL.
func startRedis(dir string) (p *process, url string, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, "", fmt.Errorf("%w: install it first (Debian: apt-get install redis-server)", err)
	}
	for range 5 { // another process may take the port first
		var port string
		if port, err = freePort(); err != nil {
			return nil, "", err
		}
		cmd := exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir)
		if p, err = start(cmd, filepath.Join(dir, "redis.log")); err != nil {
			return nil, "", err
		}
		if _, err = p.await("Ready to accept connections"); err == nil {
			return p, "redis://127.0.0.1:" + port, nil
		}
		p.kill()
	}
	return nil, "", err
}
