// Package adaptor is the contract between services and key-value backends.
//
// A service asks for a [KVAdaptor], or an [AtomicKVAdaptor] if it counts, locks or
// swaps, opens a namespace of its own in its constructor, and works on the store:
//
//	func NewSessions(kv adaptor.KVAdaptor) (*Sessions, error) {
//		store, err := kv.Namespace("sessions")
//		return &Sessions{store}, err
//	}
//
// Behind the interface is [github.com/zelt-go/kv/memory], another backend, or a
// store: a [KVStore] is itself an adaptor, whose namespaces are its children.
//
// A [Typed], made by [Of], is a store whose values have one type and a default time to
// live. Its GetOrLoad is for caches.
//
// # Keys
//
// Namespaces are isolated: no key reaches another namespace's data, whatever
// bytes it holds, nor does a parent see its children's keys. Names and keys are
// byte strings; a name is not empty, a key may be.
//
// # Values
//
// Values are JSON with the semantics of encoding/json, except that <, >, & and
// U+2028 stay as they are, and that text which is not UTF-8 is an error instead
// of being replaced. What JSON can't hold (a channel, NaN, a cycle, nesting
// beyond 10,000) is INVALID_VALUE. Values are copied both ways. A missing key is
// found == false, not an error; nil is stored as null, and found.
//
// # Time to live
//
// A time to live is rounded up to whole milliseconds. From its deadline on an
// entry is absent for every operation.
//
// # Errors
//
// Every error of Namespace and of an operation is an [*Error] with one of four
// codes. Its text never holds a key or a value. [OutcomeUnknown] tells the failed
// writes that may have happened from those that surely did not.
//
// Checks come in this order: options, context, value. A bad call changes nothing.
//
// All functions and methods may be called concurrently. A nil context is a
// programming error, and panics.
package adaptor
