// Package docs checks the documents of the project against its files.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../.."

// Each Go snippet of the README appears, line by line, in an example that runs.
func TestSnippetsRun(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, snippets)

	var examples []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); name == "example_test.go" || strings.HasPrefix(path, filepath.Join(root, "examples")) && strings.HasSuffix(name, ".go") {
			text, err := os.ReadFile(path)
			examples = append(examples, string(text))
			return err
		}
		return nil
	})
	require.NoError(t, err)

	for _, snippet := range snippets {
		found := false
		for _, text := range examples {
			found = found || strings.Contains(text, snippet[1])
		}
		assert.True(t, found, "in the README but in no example:\n%s", snippet[1])
	}
}

// Each link to a file of the project has a target.
func TestLinksHaveTargets(t *testing.T) {
	for _, name := range []string{"README.md", "CONTRIBUTING.md"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		for _, link := range regexp.MustCompile(`\]\(([\w./:-]+)\)`).FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(link[1], "://") {
				_, err := os.Stat(filepath.Join(root, link[1]))
				assert.NoError(t, err, name)
			}
		}
	}
}
