package main

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/examples/cache"
)

// Users reads users from the database through a cache. Concurrent reads of a user that is not cached
// share one read of the database.
//
// The cache has the namespace and the keys of [cache.CacheService]. Users needs more than that small
// service: a handle whose GetOrLoad shares reads, and whose writes win over reads that have begun.
type Users struct {
	store    *adaptor.AtomicKVStore
	ttl      time.Duration
	database *Database
	activity *Activity
}

// NewUsers returns Users whose cache is the namespace "cache" of kv.
func NewUsers(kv adaptor.AtomicKVAdaptor, database *Database, activity *Activity, config Config) (*Users, error) {
	store, err := kv.Namespace("cache")
	return &Users{store, config.CacheTTL, database, activity}, err
}

// Values of the header Cache-Status, as in RFC 9211.
const (
	hit       = "kv; hit"
	miss      = "kv; fwd=miss; stored"
	unstored  = "kv; fwd=miss" // a write during the read has won, or the cache refused the user
	collapsed = "kv; fwd=miss; collapsed"
	bypassed  = "kv; fwd=bypass; detail=STORE_OPERATION_FAILED"
)

// Find returns a user and the Cache-Status of the read. Without a working cache, Find reads the
// database. A cached value that is not this user is removed and read again.
func (u *Users) Find(ctx context.Context, id string) (user cache.User, status string, err error) {
	users := u.handle()
	user, found, err := users.Get(ctx, userKey(id))
	if err == nil && found && user.ID == id {
		u.activity.CacheHits.Add(1)
		return user, hit, nil
	}
	if err == nil && found || errors.Is(err, adaptor.ErrInvalidValue) {
		err = users.Del(ctx, userKey(id))
	}
	if err == nil {
		user, found, status, err = u.load(ctx, id)
	}
	switch {
	case errors.Is(err, adaptor.ErrStoreOperationFailed) && ctx.Err() == nil:
		u.activity.CacheBypassed.Add(1)
		status = bypassed
		user, found, err = u.database.Find(ctx, id)
	case err == nil:
		u.activity.CacheMisses.Add(1)
	}
	if err == nil && !found {
		err = &ProblemError{Status: http.StatusNotFound, Title: "no such user"}
	}
	return user, status, err
}

// load reads a user from the database, or waits for another caller's read. It does not remember that a
// user does not exist: requests for random ids would fill the store.
func (u *Users) load(ctx context.Context, id string) (user cache.User, found bool, status string, err error) {
	var (
		own     atomic.Pointer[cache.User] // what this call has read, if it was the one to read
		refused atomic.Bool                // by the cache
	)
	users := u.handle(adaptor.OnUnstored(func(context.Context, error) { refused.Store(true) }))
	user, found, err = users.GetOrLoad(ctx, userKey(id), func(ctx context.Context) (adaptor.Loaded[cache.User], error) {
		user, found, err := u.database.Find(ctx, id)
		own.Store(&user)
		return adaptor.Loaded[cache.User]{Value: user, None: !found}, err
	})
	switch read := own.Load(); {
	case read == nil:
		status = collapsed
	case *read != user || refused.Load():
		status = unstored
	default:
		status = miss
	}
	return user, found, status, err
}

// handle returns a handle on the cache.
func (u *Users) handle(opts ...adaptor.TypedOption) adaptor.Typed[cache.User] {
	return adaptor.Of[cache.User](u.store, append(opts, adaptor.DefaultTTL(u.ttl))...)
}

func userKey(id string) string { return "user:" + id }

// Save stores a user in the database and in the cache. A read that has begun before does not replace the
// cached user. After an error, the database has the user and the cache may have the previous one: the
// caller should save again.
func (u *Users) Save(ctx context.Context, user cache.User) error {
	u.database.Save(user)
	return u.handle().Set(ctx, userKey(user.ID), user)
}

func (u *Users) get(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if !isText(id) {
		return errUserID
	}
	user, status, err := u.Find(r.Context(), id)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Status", status)
	return writeJSON(w, user)
}

func (u *Users) put(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name string `json:"name"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	user := cache.User{ID: r.PathValue("id"), Name: body.Name}
	switch {
	case !isText(user.ID):
		return errUserID
	case !isText(user.Name):
		return badRequest("the name of a user is UTF-8 text of 1 to 100 bytes")
	}
	if err := u.Save(r.Context(), user); err != nil {
		return err
	}
	return writeJSON(w, user)
}

var errUserID = badRequest("the id of a user is UTF-8 text of 1 to 100 bytes")
