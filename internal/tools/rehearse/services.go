package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

//go:embed testdata/memory/visits_test.go
var memoryTest string

//go:embed testdata/redis/main.go
var redisMain string

//go:embed testdata/redis/main_test.go
var redisTest string

// The section of README.md with the first program, and the commands that install and run it.
var (
	firstSection = regexp.MustCompile(`(?s)\n## A first service\n(.*?)\n## `)
	firstProgram = regexp.MustCompile("(?s)```go\n(.*?)```")
	firstCommand = regexp.MustCompile(`(?m)^    (go .*)$`)
)

// readFirst returns the first program of README.md, and the commands beside it. The last command runs
// the program.
func readFirst(readme string) (program string, install []string, run string, err error) {
	section := firstSection.FindStringSubmatch(readme)
	if section == nil {
		return "", nil, "", errors.New(`README.md has no section "## A first service"`)
	}
	block := firstProgram.FindStringSubmatch(section[1])
	if block == nil || !strings.HasPrefix(block[1], "package main\n") {
		return "", nil, "", errors.New(`the first Go block of "A first service" in README.md is not a program`)
	}
	for _, command := range firstCommand.FindAllStringSubmatch(section[1], -1) {
		command, _, _ := strings.Cut(command[1], "#")
		install = append(install, strings.TrimSpace(command))
	}
	last := len(install) - 1
	if last < 3 || !strings.HasPrefix(install[last], "go run ") {
		return "", nil, "", fmt.Errorf("\"A first service\" in README.md has the commands %q; it needs go mod init, go get, go mod tidy and, last, go run", install)
	}
	return block[1], install[:last], install[last], nil
}

// rehearseMemory follows README.md in an empty folder. Then a second user, with GOFLAGS=-mod=mod, does the
// same and adds a test.
func rehearseMemory(env *environment, head *release) error {
	var program, run string
	var install []string
	if err := step("README.md", "read the first program and its commands", func() (err error) {
		program, install, run, err = readFirst(head.readme)
		return err
	}); err != nil {
		return err
	}
	reader, err := env.folder("reader of README.md")
	if err != nil {
		return err
	}
	if err := reader.write("main.go", program); err != nil {
		return err
	}
	if err := reader.steps(install...); err != nil {
		return err
	}
	if err := reader.runs(run, visits); err != nil {
		return err
	}
	user, err := env.folder("memory service", "-mod=mod")
	if err != nil {
		return err
	}
	if err := user.write("main.go", program, "visits_test.go", memoryTest); err != nil {
		return err
	}
	if err := user.steps(install...); err != nil {
		return err
	}
	if err := user.steps("go vet ./...", "go test ./..."); err != nil {
		return err
	}
	return user.runs(run, visits)
}

// visits checks the first program of README.md.
func visits(p *process) error {
	n, err := p.await("visit ")
	if err == nil && n != "1" {
		err = fmt.Errorf("printed %q, and README.md promises %q", "visit "+n, "visit 1")
	}
	return err
}

// rehearseRedis builds and runs a service on a real server, with the release and then with a newer root.
func rehearseRedis(env *environment, head *release) error {
	var server *process
	var url string
	if err := step("redis-server", "start", func() (err error) {
		server, url, err = startRedis(env.dir)
		return err
	}); err != nil {
		return err
	}
	defer server.kill()

	user, err := env.folder("Redis service", "-mod=mod")
	if err != nil {
		return err
	}
	user.vars = append(user.vars, "REDIS_URL="+url, "ADDR=127.0.0.1:0")
	if err := user.write("main.go", redisMain, "main_test.go", redisTest); err != nil {
		return err
	}
	if err := user.steps("go mod init example.com/hits", "go get "+nested.path+"/redismodule@latest", "go mod tidy", "go vet ./...", "go test ./..."); err != nil {
		return err
	}
	if err := user.has(head.version, head.version); err != nil {
		return err
	}
	if err := user.runs("go run .", hit(1)); err != nil {
		return err
	}

	newer := head.newer()
	user.name += " with a newer root"
	if err := step("HEAD", "pack the root as "+newer, func() error { return env.proxy.add(head, root, newer) }); err != nil {
		return err
	}
	if err := user.steps("go get "+root.path+"@"+newer, "go mod tidy"); err != nil {
		return err
	}
	if err := user.has(newer, head.version); err != nil {
		return err
	}
	if err := user.steps("go vet ./...", "go test ./..."); err != nil {
		return err
	}
	return user.runs("go run .", hit(2)) // the counter is still in the server
}

// has checks which versions of the public modules the user builds with.
func (f *folder) has(rootVersion, nestedVersion string) error {
	const command = "go list -m -f {{.Path}}@{{.Version}}"
	return step(f.name, fmt.Sprintf("has the root %s and adaptor/redis %s", rootVersion, nestedVersion), func() error {
		got, err := f.output(fmt.Sprintf("%s %s %s", command, root.path, nested.path))
		if want := fmt.Sprint(root.at(rootVersion), "\n", nested.at(nestedVersion)); err == nil && got != want {
			err = fmt.Errorf("it has\n%s\nand should have\n%s", got, want)
		}
		return err
	})
}

// runs runs a program as a step, checks it, and stops it with Ctrl-C.
func (f *folder) runs(line string, check func(*process) error) error {
	return step(f.name, line, func() error {
		p, err := start(f.command(strings.Fields(line)), filepath.Join(f.env.dir, "run.log"))
		if err != nil {
			return err
		}
		defer p.kill()
		if err := check(p); err != nil {
			return err
		}
		return p.interrupt()
	})
}

// hit returns a check of the Redis service: one request, whose answer is the count n.
func hit(n int) func(*process) error {
	return func(p *process) error {
		url, err := p.await("listening on ")
		if err != nil {
			return err
		}
		client := http.Client{Timeout: patience}
		response, err := client.Get(url + "/hits/home")
		if err != nil {
			return fmt.Errorf("%w\n%s", err, p.output())
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		if got, want := strings.TrimSpace(string(body)), strconv.Itoa(n); response.StatusCode != http.StatusOK || got != want {
			return fmt.Errorf("GET /hits/home answered %s %q, want %q\n%s", response.Status, got, want, p.output())
		}
		return nil
	}
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}
