package adaptor

import (
	"crypto/rand"
	"strings"
)

// A note lies at a key that has no value, and says why: GetOrLoad is loading one, or has
// found that there is none. It lies where the value would, so that whatever is written
// there, by whomever, also takes the note away: that is how a load finds out that its
// result is obsolete. It is a JSON string after a space, with which no text begins
// that the front stores as a value.
const (
	placeholderPrefix = ` "kv:`
	placeholderNone   = placeholderPrefix + `none"`
)

// newLease returns a note that a load has begun: no two are equal.
func newLease() string { return placeholderPrefix + "load " + rand.Text() + `"` }

const sharedEnd = ` shared"`

// shared returns the note of a load that is not the only one to rely on it any more: who put it
// there does not remove it, though the load fails.
func shared(note string) string {
	return strings.TrimSuffix(leaseOf(note), `"`) + sharedEnd
}

// leaseOf returns the note as it was before it was shared.
func leaseOf(note string) string {
	if lease, is := strings.CutSuffix(note, sharedEnd); is {
		return lease + `"`
	}
	return note
}

func isPlaceholder(text []byte) bool {
	return len(text) > len(placeholderPrefix) && text[0] == ' ' && string(text[:len(placeholderPrefix)]) == placeholderPrefix
}

// settled reports whether what was read at a key answers GetOrLoad: a value, or the note
// that there is none.
func settled(text []byte, found bool) bool {
	return found && (!isPlaceholder(text) || string(text) == placeholderNone)
}
