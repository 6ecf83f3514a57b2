// # Optional interfaces
//
// A store may implement these interfaces beside [Store] or [AtomicStore] if the backend can do more than
// the front can with the basic methods.
//
//	interface   without it, the front                               implemented by
//	Batch       calls Get, Set or Del for each key                  memory, redis
//	Clearer     lists the keys and deletes them in batches          memory, redis
//	Counter     calls Incr and drops the time left                  redis
//	GetExpirer  reads, then compares and swaps, until that works    memory, redis
//	Limiter     reads, then compares and swaps, until that works    memory, redis
//	Persister   returns an error that is errors.ErrUnsupported      memory, redis
//	Pinger      calls Has once                                      memory, redis
//	Scanner     returns an error that is errors.ErrUnsupported      memory, redis
//	Taker       reads, then compares and swaps, until that works    memory, redis
//
// An optional method may return an error that is [errors.ErrUnsupported]. The front then works as if the
// store did not implement the interface, as in [io/fs]. Such a method has done nothing, and has left its
// arguments unchanged. A Batch returns this error for every key.
//
// The functions [GetMany], [SetMany], [DelMany], [Count], [GetDel], [Swap], [GetExpire], [Limit], [Persist], [Keys], [Clear] and
// [Ping] contain these fallbacks. The front calls them, and every wrapper should call them for the wrapped
// store.
package driver

import (
	"context"
	"time"
)

// A Store may implement Batch to work on many keys in fewer round trips. Without it, the front calls Get,
// Set or Del for each key.
//
// A batch is not atomic. Each key is an operation with its own result. If a key occurs twice, its later
// occurrence is executed last. There is at least one key. The front owns the slices, and the backend must
// not use them after the return. The backend owns each value. If the context ends, each key that was not
// tried fails with the context's error, unmarked.
type Batch interface {
	// GetMany does Get for each key and returns the results in the order of keys.
	GetMany(ctx context.Context, keys []string) []Got

	// SetMany does Set for each key with the value of the same index. It returns the errors in the order
	// of keys, or nil if no key failed.
	SetMany(ctx context.Context, keys []string, values [][]byte, ttl time.Duration) []error

	// DelMany does Del for each key and returns the errors as SetMany does.
	DelMany(ctx context.Context, keys []string) []error
}

// Got contains the results of [Store] Get.
type Got struct {
	Value []byte
	Found bool
	Err   error
}

// An AtomicStore may implement Counter if Incr costs more because it returns the time left. Without it,
// the front calls Incr and drops the time left.
type Counter interface {
	// Count does Incr and returns only the sum.
	Count(ctx context.Context, key string, by int64, ttl time.Duration) (sum int64, err error)
}

// An AtomicStore may implement Taker to read and remove, or read and replace, a value in one step. Without
// it, the front reads the value, compares and swaps, and repeats both if another caller was faster: the
// result is as exact, but takes more round trips.
type Taker interface {
	// GetDel removes key and returns the removed value as Get does.
	GetDel(ctx context.Context, key string) (value []byte, found bool, err error)

	// Swap stores value at key as Set does and returns the previous value as Get does. ttl may be
	// KeepTTL. The backend owns value, the caller owns old.
	Swap(ctx context.Context, key string, value []byte, ttl time.Duration) (old []byte, found bool, err error)
}

// An AtomicStore may implement GetExpirer to read a value and set its deadline in one step. Without it, the
// front reads the value and swaps it for itself with the new deadline, and repeats both if another caller was
// faster: the result is as exact, but takes more round trips.
type GetExpirer interface {
	// GetExpire returns the value at key as Get does, and sets its deadline to now + ttl as Expire does. A
	// placeholder keeps its deadline: if [IsPlaceholder] reports true, GetExpire is only Get. GetExpire
	// creates nothing.
	GetExpire(ctx context.Context, key string, ttl time.Duration) (value []byte, found bool, err error)
}

// A Store may implement Persister to remove a deadline. Without it, Persist returns an error that is
// [errors.ErrUnsupported]: the basic methods cannot do it without a race.
type Persister interface {
	// Persist makes the entry at key never expire and reports whether the entry exists. It creates
	// nothing.
	Persist(ctx context.Context, key string) (bool, error)
}

// A Store may implement Scanner to list its keys. Without it, Keys, Tree and Clear return an error that is
// [errors.ErrUnsupported].
type Scanner interface {
	// Keys calls yield for each key of the namespace in any order, until yield returns false. If below is
	// true, it includes the keys of all namespaces below. path leads from the namespace to the key, and is
	// nil for a key of the namespace itself. yield may keep its arguments.
	//
	// A key that exists during the whole call is yielded exactly once. A key that is stored or deleted
	// during the call is yielded once or not at all. If the backend can no longer guarantee this, for
	// example because it lost a connection, Keys returns an error.
	//
	// No lock is held while yield runs: yield may take long and may use the store. Apart from yield, the
	// work between two steps is bounded, regardless of the number of keys.
	Keys(ctx context.Context, below bool, yield func(path []string, key string) bool) error
}

// A Store with a Scanner may implement Clearer to remove all its keys in fewer steps. Without it, the front
// lists the keys and deletes them in batches.
type Clearer interface {
	// Clear removes all keys of the namespace and, if below is true, of all namespaces below. Keys that
	// are written during the call may remain. The work of one step is bounded. If a key was removed, or
	// may have been removed, before an error, [Unknown] marks the error.
	Clear(ctx context.Context, below bool) error
}

// A Store may implement Pinger to check in the cheapest way whether the backend answers. Without it, the
// front calls Has once.
type Pinger interface {
	// Ping returns nil if the backend can answer an operation now.
	Ping(ctx context.Context) error
}
