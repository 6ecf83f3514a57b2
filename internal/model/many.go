package model

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/zelt-go/kv/adaptor"
)

// The methods that work on many keys. None is one atomic step. For each key, [Operation.At] gives
// the equivalent operation, which takes effect at some moment between call and return.
//
// Clear on a Redis Cluster may delete a key twice if a lost connection makes it start again. A
// write between the two deletions then looks wrong.
const (
	GetMany Kind = Kinds + iota
	SetMany
	DelMany
	Keys
	Tree
	Clear
	ClearTree
	AllKinds // the number of methods
)

// At returns the operation on one key that is equivalent to o on the key of index i. A key that
// Keys lists is a key that Has finds.
func (o Operation) At(i int) Operation {
	o.Kind = [...]Kind{Get, Set, Del, Has, Has, Del, Del}[o.Kind-GetMany]
	o.Key = i
	return o
}

// Below reports whether o includes the namespaces below the store.
func (o Operation) Below() bool { return o.Kind == Tree || o.Kind == ClearTree }

// DoMany calls an operation on many keys of a real store, and returns a result for each key. The
// keys must include every key in the store and, if o includes them, in the namespaces below.
func (o Operation) DoMany(ctx context.Context, s *adaptor.AtomicKVStore, paths []adaptor.KeyPath) []Result {
	results := make([]Result, len(paths))
	keys := make([]string, len(paths))
	for i, p := range paths {
		keys[i] = p.Key
	}
	var err error
	switch o.Kind {
	case GetMany:
		var got []adaptor.Result[[]byte]
		got, err = s.GetMany(ctx, keys)
		for i, r := range got {
			results[i] = Result{Done: r.Found, Text: string(r.Value)}
		}
	case SetMany:
		entries := make([]adaptor.Entry, len(keys))
		for i, key := range keys {
			entries[i] = adaptor.Entry{Key: key, Value: json.RawMessage(o.Value)}
		}
		err = s.SetMany(ctx, entries, o.options()...)
	case DelMany:
		err = s.DelMany(ctx, keys)
	case Keys:
		for key, failed := range s.Keys(ctx) {
			if err = failed; err == nil {
				markListed(results, paths, adaptor.KeyPath{Key: key})
			}
		}
	case Tree:
		for path, failed := range s.Tree(ctx) {
			if err = failed; err == nil {
				markListed(results, paths, path)
			}
		}
	case Clear:
		err = s.Clear(ctx)
	case ClearTree:
		err = s.ClearTree(ctx)
	}
	var perKey adaptor.KeyErrors
	errors.As(err, &perKey)
	for i := range results {
		failed := err
		if perKey != nil {
			failed = perKey[i]
		}
		results[i].Code, results[i].Unknown = adaptor.CodeOf(failed), adaptor.OutcomeUnknown(failed)
	}
	return results
}

// markListed marks the result of a listed key. A key that must not be listed, or is listed twice,
// gets a result that no Operation has.
func markListed(results []Result, paths []adaptor.KeyPath, path adaptor.KeyPath) {
	i := slices.IndexFunc(paths, func(p adaptor.KeyPath) bool { return p.Key == path.Key && slices.Equal(p.Path, path.Path) })
	switch {
	case i < 0:
		results[0].Text = "listed, but not stored: " + path.Key
	case results[i].Done:
		results[i].Text = "listed twice"
	default:
		results[i].Done = true
	}
}
