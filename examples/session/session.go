// Package session keeps the sessions of users who are logged in.
package session

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// lifetime is how long a session lives after Create or the last Touch, unless
// [Sessions.WithLifetime] says otherwise.
const lifetime = 30 * time.Minute

// Session is what is known about a user who is logged in.
type Session struct {
	UserID string `json:"userId"`
}

// Sessions keeps sessions in the namespace "sessions". It is made by [NewSessions],
// and may be used by many goroutines at once.
//
// An id is all that it takes to be somebody: it belongs into a cookie, not into a
// log. The errors of this package don't show it.
type Sessions struct {
	store    *adaptor.KVStore
	lifetime time.Duration
}

// NewSessions returns Sessions on kv. The error is kv's own.
func NewSessions(kv adaptor.KVAdaptor) (*Sessions, error) {
	store, err := kv.Namespace("sessions")
	if err != nil {
		return nil, err
	}
	return &Sessions{store, lifetime}, nil
}

// WithLifetime returns Sessions on the same store where Create and Touch let a session live
// for lifetime instead of 30 minutes. With one that is not positive both are
// adaptor.ErrInvalidTTL.
func (s *Sessions) WithLifetime(lifetime time.Duration) *Sessions {
	return &Sessions{s.store, lifetime}
}

// Create stores data for 30 minutes and returns the id to find it by: 26 letters and
// digits that nobody can guess. The id is always a new one, never one that a client
// brought along. The error is adaptor.ErrInvalidValue if a text in data is not UTF-8,
// and adaptor.ErrStoreOperationFailed if the store failed or ctx has ended; what may
// have been stored all the same is never found, and expires.
func (s *Sessions) Create(ctx context.Context, data Session) (id string, err error) {
	// A plain Set will do: two ids of 130 random bits don't meet.
	id = rand.Text()
	if err := s.store.Set(ctx, id, data, adaptor.WithTTL(s.lifetime)); err != nil {
		return "", err
	}
	return id, nil
}

// Get returns the session of the given id, and leaves its time to live alone. found
// is false, and err nil, if there is none: never created, ended or expired. The error
// is adaptor.ErrInvalidValue if what is stored there is no Session, and
// adaptor.ErrStoreOperationFailed if the store failed or ctx has ended.
func (s *Sessions) Get(ctx context.Context, id string) (data Session, found bool, err error) {
	return adaptor.Get[Session](ctx, s.store, id)
}

// Touch lets the session live for 30 minutes from now, and reports whether there is
// one: it never revives a session that ended or expired. The error is
// adaptor.ErrStoreOperationFailed if the store failed or ctx has ended.
func (s *Sessions) Touch(ctx context.Context, id string) (bool, error) {
	return s.store.Expire(ctx, id, s.lifetime)
}

// End removes the session. That there is none is no error. The error is
// adaptor.ErrStoreOperationFailed if the store failed or ctx has ended.
func (s *Sessions) End(ctx context.Context, id string) error {
	return s.store.Del(ctx, id)
}
