package main

import (
	"context"
	"net/http"

	"github.com/zelt-go/kv/examples/cache"
)

// Users reads users from the database through the cache.
//
// What is saved is written to both. A read that missed and is slow may overtake a write, and
// leave the user as it was before in the cache; the cache's time to live ends that.
type Users struct {
	cache    *cache.CacheService
	database *Database
	activity *Activity
}

// NewUsers returns Users.
func NewUsers(cache *cache.CacheService, database *Database, activity *Activity) *Users {
	return &Users{cache, database, activity}
}

// The ways to a user, as RFC 9211 writes them in the header Cache-Status.
const (
	hit      = "kv; hit"
	miss     = "kv; fwd=miss; stored"
	bypassed = "kv; fwd=bypass; detail=STORE_OPERATION_FAILED"
)

// Find returns a user, and which way it came. A cache that is down makes it slow, and no more.
func (u *Users) Find(ctx context.Context, id string) (user cache.User, way string, err error) {
	user, found, cacheErr := u.cache.GetUser(ctx, id)
	if cacheErr == nil && found {
		u.activity.CacheHits.Add(1)
		return user, hit, nil
	}
	user, found, err = u.database.Find(ctx, id)
	switch {
	case err != nil:
		return user, "", err
	case !found:
		return user, "", &Problem{Status: http.StatusNotFound, Title: "no such user"}
	case cacheErr == nil:
		cacheErr = u.cache.SetUser(ctx, id, user)
	}
	if cacheErr != nil {
		u.activity.CacheBypassed.Add(1)
		return user, bypassed, nil
	}
	u.activity.CacheMisses.Add(1)
	return user, miss, nil
}

// Save stores a user. After an error it may be stored, and the cache may hold the one before:
// saving again mends that.
func (u *Users) Save(ctx context.Context, user cache.User) error {
	u.database.Save(user)
	return u.cache.SetUser(ctx, user.ID, user)
}

func (u *Users) get(w http.ResponseWriter, r *http.Request) error {
	user, way, err := u.Find(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Status", way)
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
	if user.Name == "" || len(user.Name) > 100 || len(user.ID) > 100 {
		return badRequest("a user has a name, of 100 bytes at most, and so is an id")
	}
	if err := u.Save(r.Context(), user); err != nil {
		return err
	}
	return writeJSON(w, user)
}
