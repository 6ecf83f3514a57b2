// Package lock runs a job on one holder at a time, among all processes that share a
// store.
//
// A lock is an entry with a time to live. Its value is the random token of its holder.
// The time to live frees the lock of a process that died.
//
// Because of the time to live, no lock of this kind can promise that two jobs never
// overlap. A job that takes longer than its ttl continues while the next holder begins.
// A long pause of the process is enough. A job should therefore extend its lock, and
// end if it cannot, well before the ttl has passed.
//
// If an overlap does harm, let the resource itself refuse the late job by a fencing token.
// Number the holders by Incr and send the number with every write. The resource rejects a
// write whose number is lower than the highest known number.
package lock

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// releaseTimeout limits how long a release waits for the store.
const releaseTimeout = 5 * time.Second

// ErrLost is the error of a job that ended after its lock was lost. The job took longer
// than its ttl and may have overlapped with the job of the next holder.
var ErrLost = errors.New("lock: the lock was lost before the job ended")

// Locker runs jobs under locks. [NewLocker] makes a Locker. Goroutines may use it
// concurrently.
type Locker struct {
	store *adaptor.AtomicKVStore
	owner string
}

// NewLocker returns a Locker whose locks are in the namespace "locks" of kv. It returns
// the error of kv.Namespace, if any.
func NewLocker(kv adaptor.AtomicKVAdaptor) (*Locker, error) {
	store, err := kv.Namespace("locks")
	if err != nil {
		return nil, err
	}
	return &Locker{store: store}, nil
}

// WithOwner returns a Locker of the same locks whose holders have the name owner, such as
// the name of a replica. [Locker.Holder] shows the name. The name proves nothing: only the
// random token of a holder extends and releases its lock.
func (l *Locker) WithOwner(owner string) *Locker {
	return &Locker{l.store, owner}
}

// Run runs job if the lock of the given name is free, and reports whether it ran the job.
// Run does not wait for a lock that is held: ran is false and err is nil.
//
// The job holds the lock for ttl (whole milliseconds, rounded up), or until ttl after its
// last [Lock.Extend]. Run releases the lock when the job has ended by a return, an error,
// a panic or the end of ctx. The release takes at most five seconds. A lock that could not
// be released is free when its ttl has passed.
//
// After a job, err joins the error of the job, [ErrLost] and the error of the release, as
// far as they exist. If ran is false, err is adaptor.ErrInvalidTTL for a ttl that is not
// positive, and adaptor.ErrStoreOperationFailed if the store failed or ctx has ended.
func (l *Locker) Run(ctx context.Context, name string, ttl time.Duration, job func(context.Context, *Lock) error) (ran bool, err error) {
	lock := &Lock{l.store, name, l.newToken(), ttl}
	acquired, err := l.store.SetNX(ctx, lock.name, lock.token, adaptor.WithTTL(ttl))
	switch {
	case adaptor.OutcomeUnknown(err):
		// The store may hold our lock. Other callers should not have to wait for its end.
		_, releaseErr := lock.release(ctx)
		return false, join(err, releaseErr)
	case err != nil, !acquired:
		return false, err
	}
	defer func() {
		released, releaseErr := lock.release(ctx)
		if releaseErr == nil && !released {
			releaseErr = ErrLost
		}
		err = join(err, releaseErr)
	}()
	return true, job(ctx, lock)
}

// join is errors.Join, but returns err unchanged if more is nil.
func join(err, more error) error {
	if more == nil {
		return err
	}
	return errors.Join(err, more)
}

// newToken returns the owner's name, if any, and random text.
func (l *Locker) newToken() string {
	if l.owner == "" {
		return rand.Text()
	}
	return l.owner + separator + rand.Text()
}

// separator ends the owner in a token. The random text never contains it.
const separator = "/"

// Holder describes the holder of a lock.
type Holder struct {
	Owner string        // the name given to WithOwner; may be empty
	Left  time.Duration // until the lock is free, unless it is extended or released; 0: until its release
}

// Holder returns the present holder of the lock of the given name. found is false and err
// is nil if the lock is free. A value that another program stored holds the lock under an
// empty Owner. Holder returns adaptor.ErrStoreOperationFailed if the store failed or ctx
// has ended.
func (l *Locker) Holder(ctx context.Context, name string) (holder Holder, found bool, err error) {
	token, found, err := adaptor.Get[string](ctx, l.store, name)
	if errors.Is(err, adaptor.ErrInvalidValue) {
		found, err = true, nil
	}
	if err != nil || !found {
		return Holder{}, false, err
	}
	left, found, err := l.store.TTL(ctx, name)
	if err != nil || !found {
		return Holder{}, false, err
	}
	owner := ""
	if i := strings.LastIndex(token, separator); i >= 0 {
		owner = token[:i]
	}
	return Holder{owner, left}, true, nil
}

// Lock is the lock that a running job holds.
type Lock struct {
	store *adaptor.AtomicKVStore
	name  string
	token string
	ttl   time.Duration
}

// Extend sets the time to live of the lock to its whole ttl and reports whether the job
// still holds the lock. If not, the lock has expired, Extend changes nothing, and the job
// should end. Extend returns adaptor.ErrStoreOperationFailed if the store failed or ctx
// has ended.
func (l *Lock) Extend(ctx context.Context) (bool, error) {
	return l.store.CompareAndSwap(ctx, l.name, l.token, l.token, adaptor.WithTTL(l.ttl))
}

// release frees the lock if the job still holds it, even if ctx has ended.
func (l *Lock) release(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	return l.store.CompareAndDelete(ctx, l.name, l.token)
}
