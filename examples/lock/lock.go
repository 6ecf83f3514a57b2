// Package lock runs a job on one holder at a time, among all processes that share a
// store.
//
// A lock is an entry with a time to live that holds its owner's random token. The
// time to live frees the lock of a process that died. It also means that no lock of
// this kind can promise that two jobs never overlap: a job that outlives its ttl (a
// long pause of the process is enough) goes on while the next holder begins. So a job
// should extend its lock, and end when it can't, well before the ttl has passed. Where
// an overlap would do harm, let the resource itself refuse the late one: number the
// holders (by Incr), send the number with every write, and reject a write whose number
// is lower than the highest seen (a fencing token).
package lock

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// releaseTimeout bounds how long a release waits for the store.
const releaseTimeout = 5 * time.Second

// ErrLost is the error of a job that ended when its lock was no longer its own: it
// outlived its ttl, and may have overlapped with the next holder's job.
var ErrLost = errors.New("lock: the lock was lost before the job ended")

// Locker runs jobs under locks. It is made by [NewLocker], and may be used by many
// goroutines at once.
type Locker struct {
	store *adaptor.AtomicKVStore
	owner string
}

// NewLocker returns a Locker whose locks are in the namespace "locks" of kv. The error
// is kv's own.
func NewLocker(kv adaptor.AtomicKVAdaptor) (*Locker, error) {
	store, err := kv.Namespace("locks")
	if err != nil {
		return nil, err
	}
	return &Locker{store: store}, nil
}

// WithOwner returns a Locker of the same locks whose holders go by the name of owner, for
// others to see by [Locker.Holder]: a process or a replica. The name proves nothing: what a
// lock is released and extended by is the random token of one holder alone.
func (l *Locker) WithOwner(owner string) *Locker {
	return &Locker{l.store, owner}
}

// Run runs job if nobody holds the lock of the given name, and reports whether it ran
// it. It does not wait for a lock that is held: ran is false, and err nil.
//
// The lock is the job's for ttl (whole milliseconds, rounded up), or until ttl after
// its last [Lock.Extend]. It is released when the job has ended, in whichever way: an
// error, a panic, a ctx that is done. Waiting for the release takes five seconds at
// most; a lock that could not be released is free again when its ttl has passed.
//
// err holds what job returned, [ErrLost], and the error of the release, as far as
// there are such. If ran is false it is adaptor.ErrInvalidTTL for a ttl that is not
// positive, and adaptor.ErrStoreOperationFailed if the store failed or ctx has ended.
func (l *Locker) Run(ctx context.Context, name string, ttl time.Duration, job func(context.Context, *Lock) error) (ran bool, err error) {
	lock := &Lock{l.store, name, l.newToken(), ttl}
	acquired, err := l.store.SetNX(ctx, lock.name, lock.token, adaptor.WithTTL(ttl))
	switch {
	case adaptor.OutcomeUnknown(err):
		// The lock may be ours, without our knowing: nobody should have to wait for it.
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

// join is errors.Join that leaves err as it is if there is nothing to add.
func join(err, more error) error {
	if more == nil {
		return err
	}
	return errors.Join(err, more)
}

// newToken returns the owner's name, if there is one, and what nobody can guess.
func (l *Locker) newToken() string {
	if l.owner == "" {
		return rand.Text()
	}
	return l.owner + separator + rand.Text()
}

// separator ends the owner in a token; what follows never holds one.
const separator = "/"

// Holder tells who holds a lock.
type Holder struct {
	Owner string        // as given to WithOwner; may be empty
	Left  time.Duration // until the lock is free, unless it is extended or released
}

// Holder returns who holds the lock of the given name now, which may be another one a moment
// later. found is false, and err nil, if nobody does. The error is
// adaptor.ErrStoreOperationFailed if the store failed or ctx has ended.
func (l *Locker) Holder(ctx context.Context, name string) (holder Holder, found bool, err error) {
	token, found, err := adaptor.Get[string](ctx, l.store, name)
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

// Extend gives the lock its whole ttl again, from now, and reports whether it is still
// the job's: if not, it has expired, the next holder's lock is left alone, and the job
// should end. The error is adaptor.ErrStoreOperationFailed if the store failed or ctx
// has ended.
func (l *Lock) Extend(ctx context.Context) (bool, error) {
	return l.store.CompareAndSwap(ctx, l.name, l.token, l.token, adaptor.WithTTL(l.ttl))
}

// release frees the lock if it is still held, even if ctx has ended.
func (l *Lock) release(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	return l.store.CompareAndDelete(ctx, l.name, l.token)
}
