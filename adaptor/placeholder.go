package adaptor

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A placeholder is the text at a key that has no value. It says why: GetOrLoad is loading a value,
// or has found that there is none. Because it is stored at the key, every write of every
// program replaces it, and the load notices that its result is obsolete. A placeholder is a JSON
// string behind a space; the front stores no value that begins with a space.
const placeholderNone = driver.PlaceholderPrefix + `none"`

// newPlaceholder returns the placeholder of a load that begins. No two are equal.
func newPlaceholder() string { return driver.PlaceholderPrefix + "load " + rand.Text() + `"` }

const sharedEnd = ` shared"`

// shared returns the placeholder in the form that two loads share. The load that stored the
// placeholder does not remove this form, even if that load fails.
func shared(placeholder string) string {
	return strings.TrimSuffix(unshared(placeholder), `"`) + sharedEnd
}

// unshared returns the placeholder in its first form, before it was shared.
func unshared(placeholder string) string {
	if first, is := strings.CutSuffix(placeholder, sharedEnd); is {
		return first + `"`
	}
	return placeholder
}

func isPlaceholder(text []byte) bool { return driver.IsPlaceholder(text) }

// settled reports whether a text answers GetOrLoad: it is a value, or the placeholder that says
// that there is none.
func settled(text []byte, found bool) bool {
	return found && (!isPlaceholder(text) || string(text) == placeholderNone)
}

// peek returns the text at key, also if it is a placeholder.
func (s *AtomicKVStore) peek(ctx context.Context, op, key string) (text []byte, found bool, err error) {
	if !s.ready(ctx) {
		return nil, false, s.notReady(ctx, op, key)
	}
	if text, found, err = s.store.Get(ctx, key); err != nil {
		return nil, false, s.fail(op, key, err)
	}
	return text, found, nil
}
