package adaptortest

import (
	"context"
	"slices"
	"strings"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Scanner = toyStore{}

func (s toyStore) Keys(ctx context.Context, below bool, yield func(path []string, key string) bool) error {
	prefix := driver.Key(s.path, "")
	s.mu.Lock()
	var all []string
	for physical, e := range s.entries {
		if !s.expired(e) || s.has("Keys takes an expired entry for a live one") {
			all = append(all, physical)
		}
	}
	s.mu.Unlock()
	slices.Sort(all)
	skipping := s.has("Keys skips a key after a Del in its loop")
	for i, physical := range all {
		if skipping && i > 0 && i%2 == 1 && s.entries[all[i-1]] == nil {
			continue
		}
		path, key, ok := driver.Under(prefix, physical)
		switch {
		case s.has("Keys takes siblings for its own") && strings.HasPrefix(physical, strings.TrimSuffix(prefix, ":")) && !ok:
			key, ok = physical, true
		case s.has("Keys takes children for its own") && len(path) > 0:
			path = nil
		case s.has("Keys cuts keys at a colon") && ok:
			key, _, _ = strings.Cut(key, ":")
		case s.has("Keys replaces bad UTF-8"):
			key = strings.ToValidUTF8(key, "\ufffd")
		case s.has("Tree has no path"):
			path = nil
			ok = ok && below
		case s.has("Tree leaves out grandchildren") && len(path) > 1:
			continue
		}
		if !ok || len(path) > 0 && !below {
			continue
		}
		switch {
		case s.has("Keys ends after 1000") && i >= 1000:
			return nil
		case s.has("Keys ignores that the context ends") && ctx.Err() != nil:
			return nil
		case s.has("Keys comes twice at times") && i%100 == 99 && !yield(path, key):
			return nil
		}
		if !yield(path, key) {
			return nil
		}
	}
	return nil
}
