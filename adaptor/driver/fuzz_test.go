package driver_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/zelt-go/kv/adaptor/driver"
)

// FuzzKey checks that a physical key can be parsed, so that no two pairs share a physical key.
func FuzzKey(f *testing.F) {
	f.Add("a\x01b", "c")
	f.Add("a/b", ":c")
	f.Add("%2F\x01%", "{x}")
	f.Add("\xff\x01\x00\x01é", "")
	f.Fuzz(func(t *testing.T, names, key string) {
		path := strings.Split(names, "\x01") // any names without this byte
		if slices.Contains(path, "") {
			t.Skip("the front refuses an empty name")
		}
		physical := driver.Key(path, key)
		prefix, rest, found := strings.Cut(physical, ":")
		if !found || rest != key {
			t.Fatalf("Key(%q, %q) = %q: the key is %q", path, key, physical, rest)
		}
		if strings.ContainsAny(prefix, "{}") {
			t.Fatalf("Key(%q, %q) = %q: a hash tag in the path", path, key, physical)
		}
		back := strings.Split(prefix, "/")
		for i := range back {
			back[i] = unescape(back[i])
		}
		if !slices.Equal(back, path) {
			t.Fatalf("Key(%q, %q) = %q: the path is %q", path, key, physical, back)
		}
	})
}

// unescape replaces each %XX once, from left to right.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		i += 2
		b.WriteString(map[string]string{"25": "%", "2F": "/", "3A": ":", "7B": "{", "7D": "}"}[s[i-1:i+1]])
	}
	return b.String()
}
