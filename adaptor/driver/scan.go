package driver

import (
	"context"
	"strings"
)

// Scanner is what a [Store] may have to list its keys. Without it Keys, Tree and Clear are errors.
type Scanner interface {
	// Keys calls yield with each key of the namespace, and, if below, with those of the namespaces
	// below it, in any order, until yield reports false. path is where a key is, seen from the
	// namespace: nil for its own keys. What yield is given may be kept.
	//
	// A key that is there from the beginning to the end comes exactly once; one that comes or goes
	// meanwhile comes once, or not. Where a backend can't tell any more that this is so (a
	// server was replaced, a connection lost), it returns an error.
	//
	// While yield runs, no lock is held: it may take long, and use the store. What else Keys does at
	// a time is bounded, however many keys there are.
	Keys(ctx context.Context, below bool, yield func(path []string, key string) bool) error
}

// Clearer is what a [Store] with a Scanner may have to remove all its keys for less than one by one.
type Clearer interface {
	// Clear removes all keys of the namespace, and, if below, of the namespaces below it. Keys that
	// are written meanwhile may stay. What it does at a time is bounded. An error after something
	// was, or may have been, removed is marked by [Unknown].
	Clear(ctx context.Context, below bool) error
}

// Under is the other way round of [Key], for a backend with one flat key space: which path below a
// namespace, and which key, physical is made of. prefix is Key(path, "") of the namespace. It
// reports false for a physical key that is neither in the namespace nor below it, or that Key
// does not make.
func Under(prefix, physical string) (path []string, key string, ok bool) {
	if strings.HasPrefix(physical, prefix) {
		return nil, physical[len(prefix):], true
	}
	rest, below := strings.CutPrefix(physical, prefix[:len(prefix)-1]+"/")
	names, key, ends := strings.Cut(rest, ":")
	if !below || !ends {
		return nil, "", false
	}
	for name := range strings.SplitSeq(names, "/") {
		segment := unescaper.Replace(name)
		if name == "" || escaper.Replace(segment) != name {
			return nil, "", false
		}
		path = append(path, strings.Clone(segment))
	}
	return path, key, true
}

var unescaper = strings.NewReplacer("%25", "%", "%2F", "/", "%3A", ":", "%7B", "{", "%7D", "}")
