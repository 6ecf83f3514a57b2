// Rehearse packs the public modules of HEAD as a release, and installs them as a user does: it serves
// them from a module proxy of files, and builds, tests and runs services in empty folders. It also
// combines the packed adaptor/redis with a newer root. Each step that fails is named in the error.
//
//	rehearse [-keep] REPOSITORY
//
// It needs git, redis-server and a Unix system. Modules that are not in the user's module cache come
// from the GOPROXY of the environment.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	keep := flag.Bool("keep", false, "keep the temporary folder, and print its path")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: rehearse [-keep] REPOSITORY")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *keep); err != nil {
		fmt.Fprintf(os.Stderr, "\nrehearse: %v\n", err)
		os.Exit(1)
	}
}

func run(repository string, keep bool) error {
	repository, err := filepath.Abs(repository)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rehearse")
	if err != nil {
		return err
	}
	if keep {
		fmt.Println("rehearse: everything is in", dir)
	} else {
		defer os.RemoveAll(dir)
	}

	var head *release
	var env *environment
	if err := step("HEAD", "pack", func() (err error) {
		if head, err = readRelease(repository); err != nil {
			return err
		}
		if env, err = newEnvironment(dir); err != nil {
			return err
		}
		if err := env.proxy.add(head, root, head.version); err != nil {
			return err
		}
		return env.proxy.add(head, nested, head.version)
	}); err != nil {
		return err
	}
	if err := rehearseMemory(env, head); err != nil {
		return err
	}
	return rehearseRedis(env, head)
}

// step runs f, prints its name and its duration, and puts its name before its error.
func step(who, what string, f func() error) error {
	start := time.Now()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %s: %w", who, what, err)
	}
	fmt.Printf("rehearse: %s: %s (%.1fs)\n", who, what, time.Since(start).Seconds())
	return nil
}
