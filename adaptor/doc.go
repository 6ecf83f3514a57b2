// Package adaptor gives services namespaced key-value stores with JSON values, times to live and
// atomic operations.
//
// A service takes a [KVAdaptor] in its constructor, or an [AtomicKVAdaptor] if it counts, locks or
// swaps. It opens its own namespace and works on the store:
//
//	func NewSessions(kv adaptor.KVAdaptor) (*Sessions, error) {
//		store, err := kv.Namespace("sessions")
//		return &Sessions{store}, err
//	}
//
// The adaptor is a memory.MemoryKV, a redis.RedisKV, another backend, or a store: a [KVStore] is
// itself an adaptor of its child namespaces.
//
// # Map
//
// One entry:
//
//   - [Get] reads a value, [KVStore.GetRaw] its JSON text. [KVStore.Has] reports whether one exists.
//   - [KVStore.Set] stores a value. [KVStore.Del] removes it.
//   - [KVStore.TTL] reads a deadline, [KVStore.Expire] sets it, and [KVStore.Persist] removes it.
//   - [GetExpire] reads a value and moves its deadline, as a session does.
//
// One entry, read and changed in one atomic step:
//
//   - [AtomicKVStore.Incr] counts. [AtomicKVStore.IncrTTL] counts in a window and says when it ends.
//   - [AtomicKVStore.SetNX] stores a value only if the key is missing, as a lock does.
//   - [AtomicKVStore.CompareAndSwap] and [AtomicKVStore.CompareAndDelete] replace and remove only a
//     known value.
//   - [GetDel] removes a value and returns it, so that exactly one caller takes it.
//   - [Swap] replaces a value and returns the earlier one.
//
// Many entries:
//
//   - [GetMany], [KVStore.SetMany] and [KVStore.DelMany] work on many keys in few round trips.
//   - [KVStore.Keys] iterates over a namespace, [KVStore.Tree] also over its children.
//   - [KVStore.Clear] and [KVStore.ClearTree] remove all these keys.
//
// One type per namespace, and caches:
//
//   - [Of] returns a [Typed], a handle with a value type and a default time to live. It has the
//     operations above, and kvmodule.Provide puts it into an fx app.
//   - [Typed.GetOrLoad] loads each missing key once.
//
// Building on a store:
//
//   - A store is an adaptor. Pass it to a service that asks for one, for example as a tenant's.
//   - [Intercept] traces, measures or refuses calls. [Ping] checks whether the backend answers.
//   - Package driver says how to write a backend or a wrapper. [New] and [NewAtomic] make an
//     adaptor of a backend, and [Driver] returns the backend of an adaptor.
//   - [CodeOf], [OutcomeUnknown] and [KeyErrors] look into errors.
//
// # Namespaces and keys
//
// Namespaces are isolated. No key reaches the data of another namespace, regardless of its
// bytes, and a parent does not see its children's keys. Namespace("a") with the key "b:c" is not
// Namespace("a").Namespace("b") with the key "c". Names and keys are byte strings. A key may be empty,
// a name may not. Namespace is cheap enough for a call per request and leaves nothing behind.
//
// # Values
//
// Values are JSON with the semantics of encoding/json, with two differences. The characters
// <, >, & and U+2028 stay unchanged. Text that is not UTF-8 is an error instead of being replaced.
// An operation returns INVALID_VALUE if JSON cannot represent the value, for example a channel,
// NaN, a cycle, or nesting beyond 10,000 levels. Values are copied both ways. A read of a missing key
// returns found == false and no error. The store keeps nil as null, and a read finds the null.
//
// # Time to live
//
// An operation rounds a time to live up to whole milliseconds. A duration that is not positive is
// INVALID_TTL. From its deadline on, an entry is absent for every operation.
//
//   - [WithTTL] sets the deadline.
//   - Without an option, Set, SetMany, Swap and CompareAndSwap remove the deadline.
//   - With [WithKeepTTL] these operations keep the deadline.
//   - Incr, IncrTTL and SetNX set the deadline only if they create the key. So a counter with
//     WithTTL counts in a fixed window.
//
// # Errors
//
// Every error of Namespace and of an operation is an [*Error] with one of four codes. The text names
// the operation, the namespace and the cause. It never contains a key or a value.
//
//   - INVALID_TTL, [ErrInvalidTTL]: the duration is not positive, or options contradict each other.
//   - EMPTY_NAMESPACE, [ErrEmptyNamespace]: Namespace("").
//   - INVALID_VALUE, [ErrInvalidValue]: JSON cannot represent the value, the stored value does not
//     decode into T, or Incr met a value that is not a plain int64 or a sum beyond int64.
//   - STORE_OPERATION_FAILED, [ErrStoreOperationFailed]: the context was done, the backend failed,
//     or the store is nil.
//
// A failed operation has changed nothing, unless [OutcomeUnknown] reports true: then the answer of the
// backend was lost, and the write may have happened. Set and Del may be repeated. After a SetNX or
// a CompareAndSwap, read the key. Count an Incr as done, or guard it with a SetNX of a request id.
//
// An operation checks its options first, then its context, then the value. A bad call changes
// nothing. All functions and methods may be called concurrently. A nil context is a programming
// error: the operation returns ErrStoreOperationFailed.
//
// # Loading
//
// [Typed.GetOrLoad] is for caches. All callers of one missing key in a process share one load. Change
// the source first, then Del or Set the key: this write wins over a running load, in every process,
// and the old value does not come back.
//
// # Zelt and this port
//
// Zelt is a TypeScript framework; this is a port of its key-value module. The differences:
//
//   - inject(MemoryKV) is a constructor that takes an [AtomicKVAdaptor], so that the adaptor can be
//     replaced.
//   - The store is a struct over a small driver interface. Validation, JSON, keys and errors exist
//     once for all backends, and a new method breaks no adaptor.
//   - ttlSec: 3600 is WithTTL(time.Hour).
//   - Namespaces are isolated, not prefixes.
//   - A lock is released by CompareAndDelete with the owner's token. A plain Del could release the
//     lock of the next owner.
//   - A missing key is found == false, because null is a value.
//   - The collector starts with Start, which the fx module calls.
package adaptor
