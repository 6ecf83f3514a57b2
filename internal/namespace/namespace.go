// Package namespace tells kvmodule which namespace of which backend a store is. Users of package
// adaptor cannot see this.
package namespace

import "slices"

// Namespace is a namespace of a backend, below every wrapper. Backend is comparable.
type Namespace struct {
	Backend any
	Path    []string
}

// Of returns the namespace of an *adaptor.AtomicKVStore. Package adaptor sets it.
var Of func(store any) Namespace

// Contains reports whether other is n or is below n.
func (n Namespace) Contains(other Namespace) bool {
	return len(n.Path) <= len(other.Path) && slices.Equal(n.Path, other.Path[:len(n.Path)]) &&
		n.Backend == other.Backend
}
