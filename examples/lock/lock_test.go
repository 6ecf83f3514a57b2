package lock_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/examples/internal/wrap"
	"github.com/zelt-go/kv/examples/lock"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

const ttl = 30 * time.Second

func newKV(t *testing.T) *memory.MemoryKV {
	t.Helper()
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	return kv
}

func newLocker(t *testing.T, kv adaptor.AtomicKVAdaptor) *lock.Locker {
	t.Helper()
	locker, err := lock.NewLocker(kv)
	require.NoError(t, err)
	return locker
}

func nothing(context.Context, *lock.Lock) error { return nil }

// requireFree requires that the lock "report" is free, or that it is held.
func requireFree(t *testing.T, locker *lock.Locker, want bool) {
	t.Helper()
	ran, err := locker.Run(t.Context(), "report", ttl, nothing)
	require.NoError(t, err)
	require.Equal(t, want, ran)
}

func TestOneHolderAtATime(t *testing.T) {
	locker := newLocker(t, newKV(t))
	var (
		wg            sync.WaitGroup
		holders, runs atomic.Int64
	)
	for range 50 {
		wg.Go(func() {
			for ran := false; !ran; {
				var err error
				ran, err = locker.Run(t.Context(), "report", ttl, func(context.Context, *lock.Lock) error {
					if holders.Add(1) != 1 {
						t.Error("two holders at a time")
					}
					time.Sleep(100 * time.Microsecond)
					holders.Add(-1)
					runs.Add(1)
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, int64(50), runs.Load())
}

func TestLocksWithOtherNamesAreIndependent(t *testing.T) {
	locker := newLocker(t, newKV(t))
	ran, err := locker.Run(t.Context(), "mail", ttl, func(context.Context, *lock.Lock) error {
		requireFree(t, locker, true)
		return nil
	})
	require.NoError(t, err)
	require.True(t, ran)
}

func TestLockIsReleasedAfterErrorPanicAndCancel(t *testing.T) {
	locker := newLocker(t, newKV(t))
	run := func(ctx context.Context, job func(context.Context, *lock.Lock) error) (bool, error) {
		return locker.Run(ctx, "report", ttl, func(ctx context.Context, l *lock.Lock) error {
			requireFree(t, locker, false)
			return job(ctx, l)
		})
	}

	ran, err := run(t.Context(), nothing)
	require.NoError(t, err)
	require.True(t, ran)
	requireFree(t, locker, true)

	failed := errors.New("the job failed")
	ran, err = run(t.Context(), func(context.Context, *lock.Lock) error { return failed })
	require.True(t, ran)
	require.Same(t, failed, err, "the unwrapped error of the job")
	requireFree(t, locker, true)

	require.PanicsWithValue(t, "boom", func() {
		_, _ = run(t.Context(), func(context.Context, *lock.Lock) error { panic("boom") })
	})
	requireFree(t, locker, true)

	ctx, cancel := context.WithCancel(t.Context())
	ran, err = run(ctx, func(ctx context.Context, l *lock.Lock) error {
		cancel()
		_, err := l.Extend(ctx)
		return err
	})
	require.True(t, ran)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	requireFree(t, locker, true)
}

func TestExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := newLocker(t, newKV(t))
		ran, err := locker.Run(t.Context(), "report", ttl, func(ctx context.Context, l *lock.Lock) error {
			for range 10 {
				time.Sleep(ttl - 1)
				requireFree(t, locker, false)
				held, err := l.Extend(ctx)
				require.NoError(t, err)
				require.True(t, held)
			}
			time.Sleep(ttl - 1)
			requireFree(t, locker, false)
			time.Sleep(time.Nanosecond)
			requireFree(t, locker, true)
			return nil
		})
		require.ErrorIs(t, err, lock.ErrLost)
		require.True(t, ran)
	})
}

func TestLateJobNeverTouchesTheNextHoldersLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newKV(t)
		locker, rival := newLocker(t, kv), newLocker(t, kv)
		store, err := kv.Namespace("locks")
		require.NoError(t, err)

		end := make(chan struct{})
		took := make(chan struct{})
		var rivalErr error
		var wg sync.WaitGroup
		ran, err := locker.Run(t.Context(), "report", ttl, func(ctx context.Context, l *lock.Lock) error {
			time.Sleep(ttl)
			wg.Go(func() {
				_, rivalErr = rival.Run(t.Context(), "report", time.Hour, func(context.Context, *lock.Lock) error {
					close(took)
					<-end
					return nil
				})
			})
			<-took
			before, _, err := store.GetRaw(ctx, "report")
			require.NoError(t, err)

			held, err := l.Extend(ctx)
			require.NoError(t, err)
			require.False(t, held, "the late job does not extend the rival's lock")

			after, _, err := store.GetRaw(ctx, "report")
			require.NoError(t, err)
			require.Equal(t, before, after)
			return nil
		})
		require.True(t, ran)
		require.ErrorIs(t, err, lock.ErrLost)

		left, found, err := store.TTL(t.Context(), "report")
		require.NoError(t, err)
		require.True(t, found, "the rival's lock was not released")
		require.Equal(t, time.Hour, left, "the deadline of the rival's lock has not moved")
		close(end)
		wg.Wait()
		require.NoError(t, rivalErr)
		requireFree(t, locker, true)
	})
}

func TestExtendAfterTheJobDoesNotRestoreTheLock(t *testing.T) {
	locker := newLocker(t, newKV(t))
	var kept *lock.Lock
	_, err := locker.Run(t.Context(), "report", ttl, func(_ context.Context, l *lock.Lock) error {
		kept = l
		return nil
	})
	require.NoError(t, err)
	held, err := kept.Extend(t.Context())
	require.NoError(t, err)
	require.False(t, held)
	requireFree(t, locker, true)
}

func TestHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := newLocker(t, newKV(t))
		requireHolder := func(want lock.Holder, wantFound bool) {
			t.Helper()
			holder, found, err := locker.Holder(t.Context(), "report")
			require.NoError(t, err)
			require.Equal(t, wantFound, found)
			require.Equal(t, want, holder)
		}
		requireHolder(lock.Holder{}, false)
		for _, owner := range []string{"", "replica 1", "a/b/"} {
			ran, err := locker.WithOwner(owner).Run(t.Context(), "report", ttl, func(ctx context.Context, l *lock.Lock) error {
				requireHolder(lock.Holder{Owner: owner, Left: ttl}, true)
				time.Sleep(time.Second)
				requireHolder(lock.Holder{Owner: owner, Left: ttl - time.Second}, true)
				_, err := l.Extend(ctx)
				requireHolder(lock.Holder{Owner: owner, Left: ttl}, true)
				return err
			})
			require.NoError(t, err)
			require.True(t, ran)
			requireHolder(lock.Holder{}, false)
		}
	})
}

// A lock that another program has stored is held. Its holder has no name.
func TestHolderOfAForeignLock(t *testing.T) {
	for _, value := range []any{7, nil, []string{"a"}, map[string]string{"owner": "a"}} {
		kv := newKV(t)
		store, err := kv.Namespace("locks")
		require.NoError(t, err)
		require.NoError(t, store.Set(t.Context(), "report", value))
		holder, found, err := newLocker(t, kv).Holder(t.Context(), "report")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, lock.Holder{}, holder)
		requireFree(t, newLocker(t, kv), false)
	}
}

// Only the token counts: a holder with the same owner name cannot extend the lock.
func TestHoldersWithOneOwnerNameAreDistinct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := newLocker(t, newKV(t)).WithOwner("replica")
		ran, err := locker.Run(t.Context(), "report", ttl, func(ctx context.Context, late *lock.Lock) error {
			time.Sleep(ttl)
			ran, err := locker.Run(ctx, "report", ttl, func(ctx context.Context, _ *lock.Lock) error {
				held, err := late.Extend(ctx)
				require.False(t, held)
				return err
			})
			require.True(t, ran)
			return err
		})
		require.ErrorIs(t, err, lock.ErrLost)
		require.True(t, ran)
	})
}

func TestBadCalls(t *testing.T) {
	locker := newLocker(t, newKV(t))
	never := func(context.Context, *lock.Lock) error {
		t.Error("the job must not run")
		return nil
	}
	ran, err := locker.Run(t.Context(), "report", 0, never)
	require.ErrorIs(t, err, adaptor.ErrInvalidTTL)
	require.False(t, ran)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ran, err = locker.Run(ctx, "report", ttl, never)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, ran)
	requireFree(t, locker, true)
	_, found, err := locker.Holder(ctx, "report")
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	require.False(t, found)

	broken, err := lock.NewLocker(adaptor.NewAtomic(nil))
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	require.Nil(t, broken)
}

// cut is a store that loses its connection after the server has executed SetNX.
type cut struct{ wrap.Store }

var errCut = errors.New("connection reset")

func (c cut) SetNX(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	_, err := c.Store.SetNX(ctx, key, value, ttl)
	return false, driver.Unknown(errors.Join(errCut, err))
}

func TestLockOfUnknownOutcomeIsReleased(t *testing.T) {
	kv := newKV(t)
	locker := newLocker(t, wrap.Adaptor(kv, func(s wrap.Store) driver.AtomicStore { return cut{s} }))
	run := func() {
		ran, err := locker.Run(t.Context(), "report", ttl, func(context.Context, *lock.Lock) error {
			t.Error("the job must not run")
			return nil
		})
		require.False(t, ran)
		require.True(t, adaptor.OutcomeUnknown(err))
		require.ErrorIs(t, err, errCut)
	}
	run()
	requireFree(t, newLocker(t, kv), true)

	// A lock of another holder stays.
	ran, err := newLocker(t, kv).Run(t.Context(), "report", ttl, func(context.Context, *lock.Lock) error {
		run()
		return nil
	})
	require.NoError(t, err, "not lost")
	require.True(t, ran)
}

// stuck is a store whose server does not answer a release.
type stuck struct{ wrap.Store }

func (s stuck) CompareAndDelete(ctx context.Context, _ string, _ []byte) (bool, error) {
	<-ctx.Done()
	return false, driver.Unknown(ctx.Err())
}

func TestReleaseWaitsFiveSecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := newLocker(t, wrap.Adaptor(newKV(t), func(s wrap.Store) driver.AtomicStore { return stuck{s} }))
		failed := errors.New("the job failed")
		begin := time.Now()
		ran, err := locker.Run(t.Context(), "report", ttl, func(context.Context, *lock.Lock) error { return failed })
		require.Equal(t, 5*time.Second, time.Since(begin))
		require.True(t, ran)
		require.ErrorIs(t, err, failed)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, adaptor.OutcomeUnknown(err))

		requireFree(t, locker, false)
		time.Sleep(ttl - 5*time.Second)
		ran, _ = locker.Run(t.Context(), "report", ttl, nothing)
		require.True(t, ran, "free again when the ttl has passed")
	})
}

func TestOnAnotherAdaptor(t *testing.T) {
	kv := newKV(t)
	tenant, err := kv.Namespace("tenant-1")
	require.NoError(t, err)

	var locker *lock.Locker
	app := fxtest.New(t, kvmodule.Module, kvmodule.ReplaceAdaptor(tenant), fx.Provide(lock.NewLocker), fx.Populate(&locker))
	app.RequireStart()
	defer app.RequireStop()
	store, err := tenant.Namespace("locks")
	require.NoError(t, err)
	ran, err := locker.Run(t.Context(), "report", ttl, func(ctx context.Context, _ *lock.Lock) error {
		held, err := store.Has(ctx, "report")
		require.True(t, held, "the tenant's lock")
		requireFree(t, newLocker(t, kv), true)
		return err
	})
	require.NoError(t, err)
	require.True(t, ran)
}
