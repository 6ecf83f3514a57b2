package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// patience is the longest time that one command, or one start of a service, may take.
const patience = 5 * time.Minute

// An environment is what the folders of all users share.
type environment struct {
	dir   string
	proxy proxy
	vars  []string // of a Go command
	flags string   // the environment's own GOFLAGS, and what keeps the folder cheap and removable
}

// newEnvironment prepares dir. The module cache is new, so no module of an earlier rehearsal is in it,
// and the user's own module cache serves as a proxy for everything else, so almost nothing is
// downloaded again.
func newEnvironment(dir string) (*environment, error) {
	out, err := exec.Command("go", "env", "-json", "GOPROXY", "GOFLAGS", "GOMODCACHE", "GONOSUMDB").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	var own struct{ GOPROXY, GOFLAGS, GOMODCACHE, GONOSUMDB string }
	if err := json.Unmarshal(out, &own); err != nil {
		return nil, err
	}
	e := &environment{dir: dir, proxy: proxy(filepath.Join(dir, "proxy"))}
	download := filepath.Join(own.GOMODCACHE, "cache", "download")
	cache := filepath.Join(dir, "modcache")
	sums := os.DirFS(filepath.Join(download, "sumdb"))
	if err := os.CopyFS(filepath.Join(cache, "cache", "download", "sumdb"), sums); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// Paths such as github.com/zelt-go are in no proxy. "direct" would ask a Git server for them.
	proxies := []string{"file://" + string(e.proxy), "file://" + download}
	for p := range strings.SplitSeq(strings.ReplaceAll(own.GOPROXY, "|", ","), ",") {
		if p != "direct" && p != "off" && p != "" {
			proxies = append(proxies, p)
		}
	}
	// Without -trimpath the new folder names would make each build start from nothing.
	e.flags = strings.TrimSpace(own.GOFLAGS + " -trimpath -modcacherw")
	e.vars = append(os.Environ(),
		"GOWORK=off",
		"GOMODCACHE="+cache,
		"GOPROXY="+strings.Join(proxies, ","),
		"GOPRIVATE=",
		"GONOPROXY=none",
		"GONOSUMDB="+strings.TrimPrefix(own.GONOSUMDB+","+root.path, ","), // the packed modules are in no checksum database
		"GOTOOLCHAIN=local",
	)
	return e, nil
}

// A folder is the folder of one user.
type folder struct {
	env  *environment
	name string
	path string
	vars []string
}

// folder makes an empty folder. The flags are added to GOFLAGS.
func (e *environment) folder(name string, flags ...string) (*folder, error) {
	f := &folder{env: e, name: name, path: filepath.Join(e.dir, strings.ReplaceAll(name, " ", "-"))}
	f.vars = append(slices.Clone(e.vars), "GOFLAGS="+strings.Join(append([]string{e.flags}, flags...), " "))
	return f, os.Mkdir(f.path, 0o777)
}

// write puts files into the folder: name, text, name, text.
func (f *folder) write(files ...string) error {
	for pair := range slices.Chunk(files, 2) {
		if err := os.WriteFile(filepath.Join(f.path, pair[0]), []byte(pair[1]), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// command returns a command of the user, such as "go vet ./...", not yet started.
func (f *folder) command(args []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = f.path, f.vars
	return cmd
}

// steps runs each command as a step. The error holds the output of the command that failed.
func (f *folder) steps(commands ...string) error {
	for _, line := range commands {
		if err := step(f.name, line, func() error {
			_, err := f.output(line)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) output(line string) (string, error) {
	out, err := f.command(strings.Fields(line)).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, strings.TrimSpace(string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}
