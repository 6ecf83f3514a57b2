// Package cache keeps users for an hour: the first service of the documentation.
package cache

import (
	"context"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// userTTL is how long a user stays in the cache, unless [CacheService.WithTTL] says otherwise.
const userTTL = time.Hour

// User is what the cache holds.
type User struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// CacheService keeps users in the namespace "cache". It is made by
// [NewCacheService], and may be used by many goroutines at once.
type CacheService struct {
	store *adaptor.KVStore
	ttl   time.Duration
}

// NewCacheService returns a CacheService on kv. The error is kv's own.
func NewCacheService(kv adaptor.KVAdaptor) (*CacheService, error) {
	store, err := kv.Namespace("cache")
	if err != nil {
		return nil, err
	}
	return &CacheService{store, userTTL}, nil
}

// WithTTL returns a CacheService on the same users that keeps the ones it stores for ttl
// instead of an hour. With a ttl that is not positive each SetUser is adaptor.ErrInvalidTTL.
func (c *CacheService) WithTTL(ttl time.Duration) *CacheService {
	return &CacheService{c.store, ttl}
}

// GetUser returns the user that SetUser stored under id. found is false, and err
// nil, if there is none, or if it was stored an hour ago. The error is
// adaptor.ErrInvalidValue if what is stored there is no User, and
// adaptor.ErrStoreOperationFailed if the store failed or ctx has ended.
func (c *CacheService) GetUser(ctx context.Context, id string) (user User, found bool, err error) {
	return adaptor.Get[User](ctx, c.store, userKey(id))
}

// SetUser stores user under id for an hour, and replaces the user that was there.
// The error is adaptor.ErrInvalidValue if a text in user is not UTF-8, and
// adaptor.ErrStoreOperationFailed if the store failed or ctx has ended.
func (c *CacheService) SetUser(ctx context.Context, id string, user User) error {
	return c.store.Set(ctx, userKey(id), user, adaptor.WithTTL(c.ttl))
}

func userKey(id string) string { return "user:" + id }
