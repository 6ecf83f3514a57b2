// Package adaptor defines the contract between services and key-value backends.
//
// A service takes a [KVAdaptor], or an [AtomicKVAdaptor] if it counts, locks or swaps. In its
// constructor it opens its own namespace, and then works on the store:
//
//	func NewSessions(kv adaptor.KVAdaptor) (*Sessions, error) {
//		store, err := kv.Namespace("sessions")
//		return &Sessions{store}, err
//	}
//
// The adaptor is a [github.com/zelt-go/kv/memory.MemoryKV], an adaptor of another backend, or a
// store: a [KVStore] is itself an adaptor, and its namespaces are its children.
//
// # Map
//
//	to                                          use
//	store, read and delete                      KVStore.Set, Get, KVStore.Del, KVStore.Has
//	expire entries                              WithTTL, KVStore.Expire, KVStore.TTL, KVStore.Persist, GetExpire
//	count, or limit a rate                      AtomicKVStore.Incr, AtomicKVStore.IncrTTL
//	lock                                        AtomicKVStore.SetNX, CompareAndSwap, CompareAndDelete
//	take a value exactly once                   GetDel, Swap
//	work on many keys                           GetMany, KVStore.SetMany, KVStore.DelMany
//	list or remove all keys                     KVStore.Keys, KVStore.Tree, KVStore.Clear
//	cache the results of a load                 Of, Typed.GetOrLoad
//	look at errors                              CodeOf, OutcomeUnknown, KeyErrors
//	trace, measure or fail operations           Intercept
//	check that the backend answers              Ping
//	write a backend, or a wrapper               package driver, New, NewAtomic, Driver
//
// # Keys
//
// Namespaces are isolated: no key reaches the data of another namespace, whatever bytes the key
// contains. A parent does not see the keys of its children. Names and keys are byte strings. A name
// is not empty, but a key may be.
//
// # Values
//
// Values are JSON with the semantics of encoding/json. Unlike encoding/json, the codec does not
// escape <, >, & and U+2028, and text that is not UTF-8 is an error instead of being replaced.
// Operations return ErrInvalidValue if JSON cannot represent a value, for example a channel, NaN, a
// cycle, or nesting beyond 10,000.
//
// Values are copied in both directions. A missing key is found == false and not an error. The store
// keeps nil as null, and a read finds it.
//
// # Time to live
//
// A time to live is rounded up to whole milliseconds. From its deadline on, an entry is absent for
// every operation.
//
// # Errors
//
// Every error of Namespace and of an operation is an [*Error] with one of four codes. Its text
// never contains a key or a value. [OutcomeUnknown] distinguishes a failed write that may have
// happened from one that surely did not.
//
// Operations check their options, then the context, then the value. A bad call changes nothing.
//
// All functions and methods may be called concurrently. A nil context is a programming error: the
// operation returns ErrStoreOperationFailed.
package adaptor
