// Package deptest checks the import rules of the project. Each rule has a reason.
package deptest

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/zelt-go/kv"

// rules lists packages, and the packages that they must not import directly or indirectly.
var rules = []struct {
	packages  string
	forbidden func(importPath string) bool
	reason    string
}{
	{module + "/memory/...", isFx, "MemoryKV works without fx: kvmodule contains the wiring"},
	{module + "/adaptor", isFx, "the author of a service or a backend must be free not to use fx"},
	{module + "/adaptor/driver/...", isFx, "the author of a service or a backend must be free not to use fx"},
	{module + "/adaptor/adaptortest/...", isFx, "the author of a service or a backend must be free not to use fx"},
	{module + "/adaptor/redis", isFx, "RedisKV works without fx: redismodule contains the wiring"},
	{module + "/kvmodule/limit", isFx, "a service must be free not to use fx: fx.Provide accepts the constructor as it is"},
	{module + "/adaptor/...", within(module + "/examples"), "examples are for reading and copying, not for imports"},
	{module + "/memory/...", within(module + "/examples"), "examples are for reading and copying, not for imports"},
	{module + "/kvmodule/...", within(module + "/examples"), "examples are for reading and copying, not for imports"},
	{module + "/internal/...", within(module + "/examples"), "examples are for reading and copying, not for imports"},
	{module + "/kvmodule", within(module + "/adaptor/redis"), "an app that uses memory must not carry a Redis client"},
	{module + "/adaptor/driver", notStandard(module + "/adaptor/driver"), "a backend needs only the standard library"},
	{module + "/internal/codec", within(module + "/adaptor"), "the codec depends on values and not on stores"},
}

func TestImportRules(t *testing.T) {
	for _, rule := range rules {
		dependencies := list(t, "-deps", rule.packages)
		assert.Contains(t, strings.Join(dependencies, "\n"), strings.TrimSuffix(rule.packages, "/..."), "the rule matches no package")
		for _, path := range dependencies {
			assert.False(t, rule.forbidden(path), "%s depends on %s, but: %s", rule.packages, path, rule.reason)
		}
	}
}

// The conformance suite adds no dependency: it directly imports only the standard library, adaptor and
// driver.
func TestSuiteImports(t *testing.T) {
	imports := list(t, "-f", `{{join .Imports "\n"}}`, module+"/adaptor/adaptortest")
	forbidden := notStandard(module+"/adaptor", module+"/adaptor/driver")
	for _, path := range imports {
		assert.False(t, forbidden(path), "adaptortest imports %s, but the suite must not add a dependency to its users", path)
	}
}

// The services on top could have been written by a third party: they import the standard library and public packages
// of this module.
func TestServicesImportPublicPackages(t *testing.T) {
	for _, path := range list(t, "-f", `{{join .Imports "\n"}}`, module+"/kvmodule/limit") {
		public := within(module)(path) && !strings.Contains(path, "/internal/")
		assert.False(t, notStandard()(path) && !public, "kvmodule/limit imports %s", path)
	}
}

// An app may combine a newer root with an older adaptor/redis. The nested module therefore imports only
// public packages of the root: an internal package may change in any version.
func TestNestedModuleImportsPublicPackagesOfTheRoot(t *testing.T) {
	// The tests run in this repository only, so they may use these internal packages. The root keeps
	// the folders: "go mod tidy" of a user loads the tests of adaptor/redis, and fails if a package
	// that the tests import is missing.
	inTests := []string{module + "/internal/limittest", module + "/internal/model", module + "/internal/redistest"}
	const nested = module + "/adaptor/redis"
	private := func(path string) bool { return within(module + "/internal")(path) }

	shipped := list(t, "-f", `{{join .Imports "\n"}}`, nested+"/...")
	require.Contains(t, shipped, module+"/adaptor/driver", "the rule is about nothing")
	for _, path := range shipped {
		assert.False(t, private(path), "adaptor/redis imports %s, which a newer root may change: make it public, or move it into adaptor/redis", path)
	}
	tests := list(t, "-f", `{{join .TestImports "\n"}}{{"\n"}}{{join .XTestImports "\n"}}`, nested+"/...")
	for _, path := range tests {
		assert.False(t, private(path) && !slices.Contains(inTests, path), "a test of adaptor/redis imports %s, and go mod tidy of its users fails if a newer root has no such package", path)
	}
	for _, path := range inTests {
		assert.DirExists(t, "../.."+strings.TrimPrefix(path, module), "go mod tidy of users of an older adaptor/redis fails without it")
	}
}

func TestImportRulesCanFail(t *testing.T) {
	assert.True(t, isFx("go.uber.org/fx"))
	assert.True(t, isFx("go.uber.org/dig"))
	assert.True(t, within("a/b")("a/b/c"))
	assert.False(t, within("a/b")("a/bc"))
	assert.True(t, notStandard("x.org/a")("x.org/b"))
	assert.False(t, notStandard("x.org/a")("x.org/a"))
	assert.False(t, notStandard("x.org/a")("encoding/json"))
	assert.True(t, slices.ContainsFunc(list(t, "-deps", module+"/kvmodule"), isFx), "kvmodule does use fx")
}

func isFx(path string) bool {
	return within("go.uber.org/fx")(path) || within("go.uber.org/dig")(path)
}

func within(parent string) func(string) bool {
	return func(path string) bool { return path == parent || strings.HasPrefix(path, parent+"/") }
}

// notStandard reports whether a path is neither in the standard library nor allowed.
func notStandard(allowed ...string) func(string) bool {
	return func(path string) bool {
		first, _, _ := strings.Cut(path, "/")
		return strings.Contains(first, ".") && !slices.Contains(allowed, path)
	}
}

func list(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}
