package driver

import "reflect"

// An AtomicOpener may implement Wrapper if its stores are stores of another opener. Callers that share work,
// such as loads, then recognize two openers over the same data, and errors and Calls contain the whole path.
//
// An opener that keeps data of its own, such as a cache, implements Wrapper too if every write through it
// reaches the inner store.
type Wrapper interface {
	// Inner returns the wrapped opener, and the path in the wrapped opener of the namespace at path. path may
	// be empty: then Inner returns the path below which all namespaces are. Inner must not change path.
	Inner(path []string) (AtomicOpener, []string)
}

// mostWrappers limits Innermost if a Wrapper returns itself.
const mostWrappers = 1000

// Innermost follows [Wrapper] from opener, an [Opener] or [AtomicOpener], to the backend. It returns the
// backend's opener and the path there.
// Two namespaces contain the same data if their openers are equal and their paths are equal. Innermost never
// returns an opener that cannot be compared unless opener itself cannot be compared.
func Innermost(opener any, path []string) (any, []string) {
	current, at := opener, path
	for range mostWrappers {
		w, ok := current.(Wrapper)
		if !ok {
			break
		}
		inner, below := w.Inner(at)
		if inner == nil {
			break
		}
		current, at = inner, below
		if reflect.ValueOf(current).Comparable() {
			opener, path = current, at
		}
	}
	return opener, path
}
