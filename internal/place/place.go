// Package place tells the fx modules where a store lies, which its users can't see.
package place

import (
	"reflect"
	"slices"
)

// Place is a namespace of a backend.
type Place struct {
	Backend any
	Path    []string
}

// Of returns the place of an *adaptor.AtomicKVStore. Package adaptor sets it.
var Of func(store any) Place

// Contains reports whether other is p, or lies inside it.
func (p Place) Contains(other Place) bool {
	return len(p.Path) <= len(other.Path) && slices.Equal(p.Path, other.Path[:len(p.Path)]) &&
		Identity(p.Backend) == Identity(other.Backend)
}

// Identity is backend as a key of a map. One whose type can't be a key stands for all
// of its type.
func Identity(backend any) any {
	if v := reflect.ValueOf(backend); v.IsValid() && !v.Comparable() {
		return v.Type()
	}
	return backend
}
