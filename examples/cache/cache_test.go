package cache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/examples/cache"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

var ada = cache.User{ID: "42", Name: "Ada"}

func newService(t *testing.T) (*cache.CacheService, *memory.MemoryKV) {
	t.Helper()
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	service, err := cache.NewCacheService(adaptor.WithoutAtomic(kv))
	require.NoError(t, err)
	return service, kv
}

func requireUser(t *testing.T, service *cache.CacheService, id string, want cache.User, wantFound bool) {
	t.Helper()
	user, found, err := service.GetUser(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, wantFound, found)
	require.Equal(t, want, user)
}

func TestUserStaysForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service, _ := newService(t)
		requireUser(t, service, "42", cache.User{}, false)

		require.NoError(t, service.SetUser(t.Context(), "42", ada))
		time.Sleep(time.Hour - 1)
		requireUser(t, service, "42", ada, true)
		requireUser(t, service, "43", cache.User{}, false)
		time.Sleep(time.Nanosecond)
		requireUser(t, service, "42", cache.User{}, false)
	})
}

func TestSetUserRestartsTheHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service, _ := newService(t)
		require.NoError(t, service.SetUser(t.Context(), "42", ada))
		time.Sleep(time.Hour - 1)
		byron := cache.User{ID: "42", Name: "Ada Byron"}
		require.NoError(t, service.SetUser(t.Context(), "42", byron))
		time.Sleep(time.Hour - 1)
		requireUser(t, service, "42", byron, true)
	})
}

func TestWithTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service, _ := newService(t)
		short := service.WithTTL(time.Second)
		require.NoError(t, short.SetUser(t.Context(), "42", ada))
		time.Sleep(time.Second - 1)
		requireUser(t, service, "42", ada, true)
		time.Sleep(time.Nanosecond)
		requireUser(t, service, "42", cache.User{}, false)
		require.ErrorIs(t, service.WithTTL(0).SetUser(t.Context(), "42", ada), adaptor.ErrInvalidTTL)
	})
}

func TestErrors(t *testing.T) {
	service, kv := newService(t)
	require.ErrorIs(t, service.SetUser(t.Context(), "42", cache.User{Name: "\xff"}), adaptor.ErrInvalidValue)

	store, err := kv.Namespace("cache")
	require.NoError(t, err)
	require.NoError(t, store.Set(t.Context(), "user:7", "no user"))
	_, found, err := service.GetUser(t.Context(), "7")
	require.ErrorIs(t, err, adaptor.ErrInvalidValue)
	require.False(t, found)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, service.SetUser(ctx, "42", ada), adaptor.ErrStoreOperationFailed)
	_, _, err = service.GetUser(ctx, "42")
	require.ErrorIs(t, err, context.Canceled)

	broken, err := cache.NewCacheService(adaptor.New(nil))
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	require.Nil(t, broken)
}

// A store is an adaptor: the service also works inside a tenant's namespace.
func TestOnAnotherAdaptor(t *testing.T) {
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	tenant, err := kv.Namespace("tenant-1")
	require.NoError(t, err)

	var service *cache.CacheService
	app := fxtest.New(t, kvmodule.Module, kvmodule.ReplaceAdaptor(tenant), fx.Provide(cache.NewCacheService), fx.Populate(&service))
	app.RequireStart()
	defer app.RequireStop()
	require.NoError(t, service.SetUser(t.Context(), "42", ada))
	requireUser(t, service, "42", ada, true)

	for adaptorName, kv := range map[string]adaptor.AtomicKVAdaptor{"tenant": tenant, "root": kv} {
		store, err := kv.Namespace("cache")
		require.NoError(t, err)
		text, found, err := store.GetRaw(t.Context(), "user:42")
		require.NoError(t, err)
		require.Equal(t, adaptorName == "tenant", found)
		if found {
			require.JSONEq(t, `{"id":"42","name":"Ada"}`, string(text))
		}
	}
}
