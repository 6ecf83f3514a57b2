package driver

import (
	"context"
	"time"
)

// Batch is what a [Store] may have to work on many keys for less than so many times one. Without
// it the front calls Get, Set and Del for one key after the other.
//
// Each key is an operation of its own, with an error of its own: a batch is not atomic. Where a key
// comes twice, the later one comes last. There is at least one key. The slices stay the front's, and
// must not be used after the return; values belong to the backend, one by one. When the
// context is done, the keys that have not been tried fail with its error, unmarked.
type Batch interface {
	// GetMany does Get on each key, and returns what came of it, in the order of keys.
	GetMany(ctx context.Context, keys []string) []Got

	// SetMany does Set on each key with the value at its place, and returns the errors in the order of
	// keys, or nil if there is none.
	SetMany(ctx context.Context, keys []string, values [][]byte, ttl time.Duration) []error

	// DelMany does Del on each key, and returns the errors as SetMany does.
	DelMany(ctx context.Context, keys []string) []error
}

// Got is what [Store] Get returns.
type Got struct {
	Value []byte
	Found bool
	Err   error
}
