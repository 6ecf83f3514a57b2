// Package cache keeps users for an hour. It is the first service of the documentation.
package cache

import (
	"context"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// userTTL is the default time to live of a user. See [CacheService.WithTTL].
const userTTL = time.Hour

// User is the type of the cached values.
type User struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// CacheService keeps users in the namespace "cache". [NewCacheService] makes a
// CacheService. Goroutines may use it concurrently.
type CacheService struct {
	store *adaptor.KVStore
	ttl   time.Duration
}

// NewCacheService returns a CacheService on kv. It returns the error of kv.Namespace, if
// any.
func NewCacheService(kv adaptor.KVAdaptor) (*CacheService, error) {
	store, err := kv.Namespace("cache")
	if err != nil {
		return nil, err
	}
	return &CacheService{store, userTTL}, nil
}

// WithTTL returns a CacheService on the same users whose SetUser stores a user for ttl
// instead of an hour. If ttl is not positive, each SetUser returns adaptor.ErrInvalidTTL.
func (c *CacheService) WithTTL(ttl time.Duration) *CacheService {
	return &CacheService{c.store, ttl}
}

// GetUser returns the user that SetUser stored under id. found is false and err is nil if
// there is no user, or if an hour has passed. GetUser returns adaptor.ErrInvalidValue if
// the stored value is not a User: SetUser replaces it. GetUser returns
// adaptor.ErrStoreOperationFailed if the store failed or ctx has ended.
func (c *CacheService) GetUser(ctx context.Context, id string) (user User, found bool, err error) {
	return adaptor.Get[User](ctx, c.store, userKey(id))
}

// SetUser stores user under id for an hour and replaces the stored user. SetUser returns
// adaptor.ErrInvalidValue if a text in user is not UTF-8, and
// adaptor.ErrStoreOperationFailed if the store failed or ctx has ended.
func (c *CacheService) SetUser(ctx context.Context, id string, user User) error {
	return c.store.Set(ctx, userKey(id), user, adaptor.WithTTL(c.ttl))
}

func userKey(id string) string { return "user:" + id }
