package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// A public is a module that users install.
type public struct {
	path   string
	subdir string // of the repository; "" is its root
}

var (
	root   = public{"github.com/zelt-go/kv", ""}
	nested = public{"github.com/zelt-go/kv/adaptor/redis", "adaptor/redis"}
)

// siblings are the folders of the modules that require a public one.
var siblings = []string{"adaptor/redis", "adaptor/redis/internal/bench", "examples", "internal/bench"}

// A release is HEAD of a repository, with the version that it is to get.
type release struct {
	repository string
	version    string
	readme     string
}

// readRelease returns HEAD as the newest version in its CHANGELOG.md. It returns an error if a module
// requires another version of a public one.
func readRelease(repository string) (*release, error) {
	r := &release{repository: repository}
	changelog, err := r.file("CHANGELOG.md")
	if err != nil {
		return nil, err
	}
	newest := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\]`).FindSubmatch(changelog)
	if newest == nil {
		return nil, errors.New(`CHANGELOG.md has no version: add a line such as "## [0.1.0] - 2026-11-30"`)
	}
	r.version = "v" + string(newest[1])
	readme, err := r.file("README.md")
	if err != nil {
		return nil, err
	}
	r.readme = string(readme)
	for _, dir := range siblings {
		if err := r.checkRequirements(dir + "/go.mod"); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *release) checkRequirements(name string) error {
	text, err := r.file(name)
	if err != nil {
		return err
	}
	mod, err := modfile.Parse(name, text, nil)
	if err != nil {
		return err
	}
	for _, require := range mod.Require {
		for _, m := range []public{root, nested} {
			if require.Mod.Path == m.path && require.Mod.Version != r.version {
				return fmt.Errorf("%s requires %s %s, and CHANGELOG.md releases %s: users get the required version, because Go ignores the replace lines of a dependency; write %s", name, m.path, require.Mod.Version, r.version, r.version)
			}
		}
	}
	return nil
}

// file returns a committed file.
func (r *release) file(name string) ([]byte, error) {
	cmd := exec.Command("git", "-C", r.repository, "show", "HEAD:"+name)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git show HEAD:%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return text, nil
}

// newer returns the next patch version of the release.
func (r *release) newer() string {
	var patch int
	minor := semver.MajorMinor(r.version)
	_, _ = fmt.Sscanf(strings.TrimPrefix(r.version, minor+"."), "%d", &patch)
	return fmt.Sprintf("%s.%d", minor, patch+1)
}

func (m public) at(version string) module.Version {
	return module.Version{Path: m.path, Version: version}
}
