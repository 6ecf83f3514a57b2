// Package driver is what a backend implements so that services can use it
// through [github.com/zelt-go/kv/adaptor].
//
// The front (package adaptor) does once, for every backend, what must be the
// same everywhere: it checks names, options and contexts, turns values into
// JSON and back, rounds times to live, and wraps errors. A backend gets bytes
// and gives bytes back. It implements [Opener] and the six methods of [Store];
// with the four methods more of [AtomicStore] it is an [AtomicOpener], and
// complete:
//
//	func New() adaptor.AtomicKVAdaptor { return adaptor.NewAtomic(&backend{}) }
//
// # How to write one
//
//  1. Decide where a pair (path, key) lives. One flat key space: make the prefix of
//     [Key](path, "") when a store is opened, and put it before each key. A backend
//     with spaces of its own keeps path and key apart, and joins nothing.
//
//  2. Write Get, Set, Del, Has, Expire and TTL. Nearly every mistake is about the
//     deadline: it is absolute, saturated, and all methods agree on it.
//
//  3. If the backend can do a read and a write in one step, add Incr, SetNX,
//     CompareAndSwap and CompareAndDelete. If it can't, it is an [Opener] only: users
//     then find out when they compile.
//
//  4. What the backend does better than the front can with these methods, it offers by an optional
//     interface on the same type: [Counter], [Taker], [GetExpirer], [Persister], [Batch],
//     [Scanner], [Clearer]. Each says what the front does without it. A wrapper around a store
//     hides them unless it has them too.
//
//  5. Sort the errors: what the data does not allow is [ErrInvalidValue]; a write
//     without an answer is [Unknown]; all else surely did not happen. Give each a
//     [Reason] that a stranger may read.
//
//  6. Run the suite, under -race, as below.
//
// In a test of its own:
//
//	func TestConformance(t *testing.T) {
//		adaptortest.TestAtomicAdaptor(t, adaptortest.Harness[adaptor.AtomicKVAdaptor]{New: newMine})
//	}
//
// A backend with a clock of its own, a server, gives the harness Advance and Margin
// too. The package example is a complete backend, of a mutex and a map.
//
// # What the front promises
//
//   - Every path has at least one segment and no empty segment. Segments and
//     keys are byte strings: they may be empty (a key), hold NUL or bytes that
//     are not UTF-8, and be long. They are as safe to keep as any Go string
//     for a segment; a key must be copied (strings.Clone) before it is kept,
//     since callers do pass strings that share memory with a request buffer.
//   - A context was not done when the operation began. (It may be by now: a value was
//     made into JSON meanwhile.)
//   - A ttl is [NoTTL], [KeepTTL] where a method says so, or a positive whole
//     number of milliseconds, up to 292 years.
//   - A value is one compact JSON text, or a placeholder of the front's own: a space, and then
//     a JSON string. It belongs to the backend from then on: the front neither reads nor
//     changes it again.
//
// # What a backend promises
//
//   - Two pairs (path, key) that differ never meet, whatever bytes they hold.
//     [Key] makes one string of a pair for a backend with a flat key space.
//   - An entry is absent for every method from its deadline on (deadline = the
//     time of the write + ttl, by one clock, saturated where it would overflow),
//     whether it has been removed yet or not.
//   - A value that is returned belongs to the caller.
//   - A method may be called by many goroutines at once; the methods of
//     [AtomicStore] are one atomic step each, in order with all others on that key.
//   - A method returns soon after its context is done.
//   - A failed write has changed nothing, unless the error is marked by [Unknown].
//     No write is ever repeated by the backend or its client.
//   - Stored data that the method can't work on (not an integer, a sum that
//     overflows, another type in the server) is [ErrInvalidValue], and stays.
//   - No error text is shown to users except what [Reason] was given, since keys
//     and values are often secrets and clients like to quote them.
package driver

import (
	"context"
	"time"
)

// How a write leaves the deadline of its key, where it does not set one: the
// two values of a ttl that are not a time.
const (
	// NoTTL makes an entry that never expires.
	NoTTL time.Duration = 0
	// KeepTTL leaves the deadline as it is: an entry that is new, or had none, has none.
	KeepTTL time.Duration = -1
)

// Opener opens the stores of a backend.
type Opener interface {
	// Open returns the store of the namespace at path, which is not empty. It is
	// called once per call of Namespace, before the backend is started as well,
	// and must be cheap: no connection, no round trip, and nothing that stays
	// when the store is garbage. It may keep path, and must not change it.
	Open(path []string) (Store, error)
}

// AtomicOpener opens the stores of a backend that has the atomic operations.
type AtomicOpener interface {
	// OpenAtomic is to AtomicStore what [Opener.Open] is to Store.
	OpenAtomic(path []string) (AtomicStore, error)
}

// Store is one namespace of a backend.
type Store interface {
	// Get returns the value at key. The caller owns the slice.
	Get(ctx context.Context, key string) (value []byte, found bool, err error)

	// Set stores value at key, replacing value and deadline of what was there.
	// ttl may be KeepTTL. The backend owns value.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error

	// Del removes key; that it is missing is no error.
	Del(ctx context.Context, key string) error

	// Has reports whether there is an entry at key.
	Has(ctx context.Context, key string) (bool, error)

	// Expire sets the deadline of an existing entry to now + ttl, which is
	// positive, and reports whether there is an entry. It creates nothing.
	Expire(ctx context.Context, key string, ttl time.Duration) (bool, error)

	// TTL returns the time that the entry at key has left; NoTTL if it never
	// expires, and never NoTTL if it does: a clock of milliseconds that reads
	// 0 on a live entry is reported as one millisecond. What a Duration can't
	// hold is the longest Duration.
	TTL(ctx context.Context, key string) (ttl time.Duration, found bool, err error)
}

// AtomicStore is one namespace of a backend that has the atomic operations.
type AtomicStore interface {
	Store

	// Incr adds by to the integer at key, exact over int64, and returns the sum
	// and the time that the entry has left, as TTL does. A missing entry counts
	// as 0 and is created with ttl; an existing one keeps its deadline. A value
	// that is no integer, and a sum that is none of int64, are ErrInvalidValue,
	// and change nothing: [Add] says which texts are integers.
	Incr(ctx context.Context, key string, by int64, ttl time.Duration) (sum int64, left time.Duration, err error)

	// SetNX stores value with ttl if key is missing, and reports whether it did.
	// It leaves an existing entry alone, its deadline too.
	SetNX(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error)

	// CompareAndSwap replaces the value at key, and its deadline as Set does, if
	// the value is byte for byte old, and reports whether it did. ttl may be
	// KeepTTL. The backend owns both slices.
	CompareAndSwap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error)

	// CompareAndDelete removes key if its value is byte for byte old, and
	// reports whether it did. The backend owns old.
	CompareAndDelete(ctx context.Context, key string, old []byte) (bool, error)
}
