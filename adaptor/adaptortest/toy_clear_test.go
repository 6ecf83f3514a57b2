package adaptortest

import (
	"context"
	"strings"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Clearer = toyStore{}

func (s toyStore) Clear(ctx context.Context, below bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	prefix := driver.Key(s.path, "")
	removed := 0
	for physical := range s.entries {
		path, key, ok := driver.Under(prefix, physical)
		switch {
		case s.has("Clear removes everything"):
			ok, path = true, nil
		case s.has("Clear takes siblings for its own") && strings.HasPrefix(physical, strings.TrimSuffix(prefix, ":")):
			ok = true
		case s.has("Clear takes children for its own"):
			path = nil
		case s.has("ClearTree leaves children") && len(path) > 0,
			s.has("Clear leaves the empty key") && key == "",
			s.has("Clear leaves keys that are not UTF-8") && key == "\xff",
			s.has("Clear ends after 1000") && removed == 1000:
			continue
		}
		if ok && (below || len(path) == 0) {
			delete(s.entries, physical)
			removed++
		}
	}
	return nil
}
