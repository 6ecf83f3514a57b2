package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/examples/session"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

var ada = session.Session{UserID: "42"}

func newSessions(t *testing.T) *session.Sessions {
	t.Helper()
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	sessions, err := session.NewSessions(adaptor.WithoutAtomic(kv))
	require.NoError(t, err)
	return sessions
}

func create(t *testing.T, sessions *session.Sessions) (id string) {
	t.Helper()
	id, err := sessions.Create(t.Context(), ada)
	require.NoError(t, err)
	return id
}

func requireFound(t *testing.T, sessions *session.Sessions, id string, want bool) {
	t.Helper()
	data, found, err := sessions.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, want, found)
	if want {
		require.Equal(t, ada, data)
	}
}

func requireTouched(t *testing.T, sessions *session.Sessions, id string, want bool) {
	t.Helper()
	touched, err := sessions.Touch(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, want, touched)
}

func TestSessionLivesThirtyMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions := newSessions(t)
		id := create(t, sessions)
		time.Sleep(30*time.Minute - 1)
		requireFound(t, sessions, id, true)
		time.Sleep(time.Nanosecond)
		requireFound(t, sessions, id, false)
		requireTouched(t, sessions, id, false)
		requireFound(t, sessions, id, false)
	})
}

func TestTouchRestartsTheTimeToLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions := newSessions(t)
		id := create(t, sessions)
		for range 10 {
			time.Sleep(30*time.Minute - 1)
			requireTouched(t, sessions, id, true)
		}
		time.Sleep(30*time.Minute - 1)
		requireFound(t, sessions, id, true)
		time.Sleep(time.Nanosecond)
		requireFound(t, sessions, id, false)
	})
}

func TestWithLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions := newSessions(t).WithLifetime(time.Second)
		id := create(t, sessions)
		time.Sleep(time.Second - 1)
		requireTouched(t, sessions, id, true)
		time.Sleep(time.Second - 1)
		requireFound(t, sessions, id, true)
		time.Sleep(time.Nanosecond)
		requireFound(t, sessions, id, false)
		_, err := sessions.WithLifetime(-1).Create(t.Context(), ada)
		require.ErrorIs(t, err, adaptor.ErrInvalidTTL)
	})
}

func TestEnd(t *testing.T) {
	sessions := newSessions(t)
	id, other := create(t, sessions), create(t, sessions)
	for range 2 {
		require.NoError(t, sessions.End(t.Context(), id))
		requireFound(t, sessions, id, false)
		requireTouched(t, sessions, id, false)
	}
	requireFound(t, sessions, other, true)
}

func TestIDsAreRandomAndMissingOnesAreNotFound(t *testing.T) {
	sessions := newSessions(t)
	seen := map[string]bool{}
	for range 1000 {
		id := create(t, sessions)
		require.Regexp(t, `^[A-Z2-7]{26,}$`, id)
		require.False(t, seen[id])
		seen[id] = true
	}
	for _, id := range []string{"", "guess", "../x", "\x00\xff", "%2F"} {
		requireFound(t, sessions, id, false)
		requireTouched(t, sessions, id, false)
	}
}

func TestEndRemovesAValueThatIsNoSession(t *testing.T) {
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	store, err := kv.Namespace("sessions")
	require.NoError(t, err)
	require.NoError(t, store.Set(t.Context(), "id", "no session"))
	sessions, err := session.NewSessions(adaptor.WithoutAtomic(kv))
	require.NoError(t, err)
	_, found, err := sessions.Get(t.Context(), "id")
	require.ErrorIs(t, err, adaptor.ErrInvalidValue)
	require.False(t, found)
	require.NoError(t, sessions.End(t.Context(), "id"))
	requireFound(t, sessions, "id", false)
}

func TestErrors(t *testing.T) {
	sessions := newSessions(t)
	id, err := sessions.Create(t.Context(), session.Session{UserID: "\xff"})
	require.ErrorIs(t, err, adaptor.ErrInvalidValue)
	require.Empty(t, id)

	id = create(t, sessions)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = sessions.Create(ctx, ada)
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	_, _, err = sessions.Get(ctx, id)
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	require.NotContains(t, err.Error(), id)
	_, err = sessions.Touch(ctx, id)
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	require.ErrorIs(t, sessions.End(ctx, id), adaptor.ErrStoreOperationFailed)
	requireFound(t, sessions, id, true)

	broken, err := session.NewSessions(adaptor.New(nil))
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	require.Nil(t, broken)
}

func TestOnAnotherAdaptor(t *testing.T) {
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	tenant, err := kv.Namespace("tenant-1")
	require.NoError(t, err)

	var sessions *session.Sessions
	app := fxtest.New(t, kvmodule.Module, kvmodule.ReplaceAdaptor(tenant), fx.Provide(session.NewSessions), fx.Populate(&sessions))
	app.RequireStart()
	defer app.RequireStop()
	id := create(t, sessions)
	requireFound(t, sessions, id, true)

	store, err := tenant.Namespace("sessions")
	require.NoError(t, err)
	data, found, err := adaptor.Get[session.Session](t.Context(), store, id)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, ada, data)
}
