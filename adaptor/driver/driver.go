// Package driver defines the interfaces of a backend, which services use through
// [github.com/zelt-go/kv/adaptor].
//
// The front, package adaptor, does the common work once for every backend. It checks names, options and
// contexts, converts values to and from JSON, rounds times to live and wraps errors. A backend receives and
// returns bytes. It implements [Opener] and the six methods of [Store], or [AtomicOpener] and the four further
// methods of [AtomicStore]:
//
//	func New() adaptor.AtomicKVAdaptor { return adaptor.NewAtomic(&backend{}) }
//
// To watch, delay or refuse the operations of an existing backend, use [Intercept].
//
// # How to write a backend
//
//  1. Decide where a pair (path, key) is stored. A backend with one flat key space makes the prefix
//     [Key](path, "") when it opens a store, and puts the prefix before each key. A backend that has key spaces
//     of its own keeps path and key apart.
//
//  2. Write Get, Set, Del, Has, Expire and TTL. Nearly every mistake is about the deadline: it is absolute and
//     saturated, and all methods agree on it.
//
//  3. If the backend can read and write in one step, add Incr, SetNX, CompareAndSwap and CompareAndDelete.
//     Otherwise it is only an [Opener], and its users find this out when they compile.
//
//  4. Implement the optional interfaces that the backend can do better than the front; see the table below. A
//     wrapper implements all of them by the functions of this package, or its users lose them. [Intercept]
//     makes such a wrapper.
//
//  5. Classify the errors. If the stored data does not allow the operation, return [ErrInvalidValue]. Mark a
//     write without an answer by [Unknown]. Every other error means that the write was surely not applied. Give
//     each error a [Reason] that contains no secret.
//
//  6. Run the conformance suite with -race, as below.
//
// The test of a backend:
//
//	func TestConformance(t *testing.T) {
//		adaptortest.TestAtomicAdaptor(t, adaptortest.Harness[adaptor.AtomicKVAdaptor]{New: newMine})
//	}
//
// A backend with its own clock, such as a server, also sets Advance and Margin of the harness. The package
// example is a complete backend that consists of a mutex and a map.
//
// # Promises of the front
//
//   - A path has at least one segment, and no segment is empty. Segments and keys are byte strings: they may
//     contain NUL and bytes that are not UTF-8, and may be long. A key may be empty. A backend may keep a
//     segment. It copies a key (strings.Clone) before it keeps the key, because callers pass strings that share
//     memory with a request buffer.
//   - The context was not done when the operation began. It may be done when the backend is called.
//   - A ttl is [NoTTL], or [KeepTTL] if the method allows it, or a positive whole number of milliseconds up to
//     292 years.
//   - A value is one compact JSON text, or text of the front that begins with white space, such as a
//     placeholder; see [IsPlaceholder]. The backend owns it: the front neither reads nor changes it again.
//
// # Promises of a backend
//
//   - Two different pairs (path, key) never share an entry, regardless of the bytes in them. [Key] makes one
//     string of a pair for a backend with a flat key space.
//   - A value is bytes. The backend stores, compares and returns it unchanged, also if it begins with white
//     space.
//   - From its deadline on, an entry is absent for every method, whether or not the backend has removed it. The
//     deadline is the time of the write plus ttl, by one clock, saturated.
//   - The caller owns a returned value.
//   - Methods may be called concurrently. Each method of [AtomicStore] is one atomic step, in one order with
//     all other operations on the key.
//   - A method returns soon after its context is done.
//   - A failed write has changed nothing unless [Unknown] marks the error. Neither the backend nor its client
//     repeats a write.
//   - If stored data does not allow the operation, the method returns [ErrInvalidValue] and the data remains.
//     Examples are text that is not an integer, a sum that overflows, and an entry of another type in the
//     server.
//   - Users see no error text except the text of [Reason], because keys and values are often secrets and
//     clients quote them.
package driver

import (
	"context"
	"time"
)

// The two values of a ttl that are not a time.
const (
	// NoTTL makes an entry that never expires.
	NoTTL time.Duration = 0
	// KeepTTL keeps the deadline of the entry. A new entry never expires.
	KeepTTL time.Duration = -1
)

// Opener opens the stores of a backend.
type Opener interface {
	// Open returns the store of the namespace at path, which is not empty. The front calls it once per call of
	// Namespace, possibly before the backend is started. Open must be cheap: no connection, no round trip, and
	// nothing that remains when the store is garbage. It may keep path, and must not change it.
	Open(path []string) (Store, error)
}

// AtomicOpener opens the stores of a backend that has the atomic operations.
type AtomicOpener interface {
	// OpenAtomic returns the store of the namespace at path, as [Opener.Open] does.
	OpenAtomic(path []string) (AtomicStore, error)
}

// Store is one namespace of a backend.
type Store interface {
	// Get returns the value at key. The caller owns the slice.
	Get(ctx context.Context, key string) (value []byte, found bool, err error)

	// Set stores value at key and replaces the previous value and deadline. ttl may be KeepTTL. The backend
	// owns value.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error

	// Del removes key. It returns nil if the key is missing.
	Del(ctx context.Context, key string) error

	// Has reports whether there is an entry at key.
	Has(ctx context.Context, key string) (bool, error)

	// Expire sets the deadline of an existing entry to now + ttl, where ttl is positive. It reports whether
	// the entry exists, and creates nothing.
	Expire(ctx context.Context, key string, ttl time.Duration) (bool, error)

	// TTL returns the time left of the entry at key, or NoTTL if the entry never expires. It never returns
	// NoTTL for an entry with a deadline: a millisecond clock that reads 0 returns one millisecond. If the
	// time left is longer than the longest Duration, TTL returns the longest Duration.
	TTL(ctx context.Context, key string) (ttl time.Duration, found bool, err error)
}

// AtomicStore is one namespace of a backend that has the atomic operations.
type AtomicStore interface {
	Store

	// Incr adds by to the integer at key, exactly over the int64 range, and returns the sum. It also returns
	// the time left, as TTL does. A missing entry counts as 0 and is created with ttl. An existing entry keeps
	// its deadline. If the value is not an integer (see [Add]) or the sum overflows, Incr returns
	// ErrInvalidValue and changes nothing.
	Incr(ctx context.Context, key string, by int64, ttl time.Duration) (sum int64, left time.Duration, err error)

	// SetNX stores value with ttl if key is missing, and reports whether it did. It changes neither the value
	// nor the deadline of an existing entry. The backend owns value.
	SetNX(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error)

	// CompareAndSwap stores new at key, with its deadline as Set does, if the stored value equals old byte for
	// byte. It reports whether it did. ttl may be KeepTTL. The backend owns both slices.
	CompareAndSwap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error)

	// CompareAndDelete removes key if the stored value equals old byte for byte, and reports whether it did.
	// The backend owns old.
	CompareAndDelete(ctx context.Context, key string, old []byte) (bool, error)
}
