// Package mutant plants bugs. It runs tests on a copy of a source file with a bug, so that a test
// can show that it finds the bug.
package mutant

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Test runs `go test` with args in the folder of the calling test. In the build, new replaces the
// first occurrence of old in file; the file itself stays unchanged. Test returns the output of `go
// test`, and whether `go test` failed. If file does not contain old, the code has changed and the
// bug no longer fits: Test then fails t.
func Test(t *testing.T, file, old, new string, args ...string) (output string, failed bool) {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(source), old) {
		t.Fatalf("%s has no %q: the bug can't be planted any more", file, old)
	}
	original, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	planted, overlay := filepath.Join(dir, "planted.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{original: planted}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		planted: []byte(strings.Replace(string(source), old, new, 1)),
		overlay: replace,
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", append([]string{"test", "-overlay", overlay}, args...)...).CombinedOutput()
	if strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]") {
		t.Fatalf("the planted bug does not compile:\n%s", out)
	}
	return string(out), err != nil
}
