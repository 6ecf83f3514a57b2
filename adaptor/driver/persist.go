package driver

import "context"

// Persister is what a [Store] may have to take a deadline away. Without it Persist is an
// error: there is no way to do it that loses no race.
type Persister interface {
	// Persist makes the entry at key one that never expires, and reports whether there is an
	// entry, with a deadline before or without. It creates nothing.
	Persist(ctx context.Context, key string) (bool, error)
}
