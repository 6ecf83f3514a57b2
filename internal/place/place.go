// Package place tells the fx modules where a store lies, which its users can't see.
package place

import "slices"

// Place is a namespace of a backend, whose value can be compared.
type Place struct {
	Backend any
	Path    []string
}

// Of returns the place of an *adaptor.AtomicKVStore. Package adaptor sets it.
var Of func(store any) Place

// Contains reports whether other is p, or lies inside it.
func (p Place) Contains(other Place) bool {
	return len(p.Path) <= len(other.Path) && slices.Equal(p.Path, other.Path[:len(p.Path)]) &&
		p.Backend == other.Backend
}
