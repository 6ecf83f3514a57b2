// Package session keeps the sessions of logged-in users.
package session

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// lifetime is the default time to live of a session after Create or the last Touch. See
// [Sessions.WithLifetime].
const lifetime = 30 * time.Minute

// Session is the data of a logged-in user.
type Session struct {
	UserID string `json:"userId"`
}

// Sessions keeps sessions in the namespace "sessions". [NewSessions] makes Sessions.
// Goroutines may use them concurrently.
//
// The id of a session is a secret: it is enough to act as the user. Put an id into a cookie
// and never into a log. The errors of this package do not contain ids.
type Sessions struct {
	store    *adaptor.KVStore
	lifetime time.Duration
}

// NewSessions returns Sessions on kv. It returns the error of kv.Namespace, if any.
func NewSessions(kv adaptor.KVAdaptor) (*Sessions, error) {
	store, err := kv.Namespace("sessions")
	if err != nil {
		return nil, err
	}
	return &Sessions{store, lifetime}, nil
}

// WithLifetime returns Sessions on the same store. There, Create and Touch set the time to
// live to lifetime instead of 30 minutes. Both return adaptor.ErrInvalidTTL if lifetime is
// not positive.
func (s *Sessions) WithLifetime(lifetime time.Duration) *Sessions {
	return &Sessions{s.store, lifetime}
}

// Create stores data for 30 minutes and returns the id of the session: 26 random letters
// and digits. The id is always a new one, never one that a client sent.
//
// Create returns adaptor.ErrInvalidValue if a text in data is not UTF-8, and
// adaptor.ErrStoreOperationFailed if the store failed or ctx has ended. After an error the
// store may hold a session with an unknown id until it expires.
func (s *Sessions) Create(ctx context.Context, data Session) (id string, err error) {
	// Set is enough: two ids of 130 random bits are never equal.
	id = rand.Text()
	if err := s.store.Set(ctx, id, data, adaptor.WithTTL(s.lifetime)); err != nil {
		return "", err
	}
	return id, nil
}

// Get returns the session of the given id and does not change its time to live. found is
// false and err is nil if the session was never created, has ended or has expired.
//
// Get returns adaptor.ErrInvalidValue if the stored value is not a Session. Such a value is
// from another program or version: treat its client as not logged in, and call End. Get
// returns adaptor.ErrStoreOperationFailed if the store failed or ctx has ended.
func (s *Sessions) Get(ctx context.Context, id string) (data Session, found bool, err error) {
	return adaptor.Get[Session](ctx, s.store, id)
}

// Touch sets the time to live of the session to 30 minutes and reports whether the session
// exists. Touch never restores a session that has ended or expired. It returns
// adaptor.ErrStoreOperationFailed if the store failed or ctx has ended.
func (s *Sessions) Touch(ctx context.Context, id string) (bool, error) {
	return s.store.Expire(ctx, id, s.lifetime)
}

// End removes the session, also a stored value that is not a Session. A missing session is
// not an error. End returns adaptor.ErrStoreOperationFailed if the store failed or ctx has
// ended.
func (s *Sessions) End(ctx context.Context, id string) error {
	return s.store.Del(ctx, id)
}
