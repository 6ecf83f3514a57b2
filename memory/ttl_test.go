package memory_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

// From its deadline on, an entry is absent for every operation, exact to the nanosecond, and
// whether swept or not.
func TestEntryIsAbsentFromItsDeadline(t *testing.T) {
	const ttl = 1500 * time.Millisecond
	write := map[string]func(s *adaptor.AtomicKVStore) error{
		"Set": func(s *adaptor.AtomicKVStore) error { return s.Set(ctx, "k", 7, adaptor.WithTTL(ttl)) },
		"SetNX": func(s *adaptor.AtomicKVStore) error {
			_, err := s.SetNX(ctx, "k", 7, adaptor.WithTTL(ttl))
			return err
		},
		"Incr": func(s *adaptor.AtomicKVStore) error {
			_, err := s.Incr(ctx, "k", 7, adaptor.WithTTL(ttl))
			return err
		},
		"Expire": func(s *adaptor.AtomicKVStore) error {
			_, err := s.Expire(ctx, "k", ttl)
			return errors.Join(s.Set(ctx, "k", 7), err, second(s.Expire(ctx, "k", ttl)))
		},
		"CompareAndSwap": func(s *adaptor.AtomicKVStore) error {
			return errors.Join(s.Set(ctx, "k", 1), second(s.CompareAndSwap(ctx, "k", 1, 7, adaptor.WithTTL(ttl))))
		},
	}
	type check func(t *testing.T, s *adaptor.AtomicKVStore, live bool)
	checks := map[string]check{
		"GetRaw": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			assert.Equal(t, map[bool]string{true: "7", false: "absent"}[live], raw(t, s, "k"))
		},
		"Has": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			found, err := s.Has(ctx, "k")
			require.NoError(t, err)
			assert.Equal(t, live, found)
		},
		"Expire": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			found, err := s.Expire(ctx, "k", time.Hour)
			require.NoError(t, err)
			assert.Equal(t, live, found)
			assert.Equal(t, live, raw(t, s, "k") == "7", "Expire must not revive")
		},
		"TTL": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			left, found, err := s.TTL(ctx, "k")
			require.NoError(t, err)
			assert.Equal(t, live, found)
			if live {
				assert.Equal(t, time.Millisecond, left, "1 ns left reads as 1 ms")
			}
		},
		"Incr": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			n, left, err := s.IncrTTL(ctx, "k", 1)
			require.NoError(t, err)
			if live {
				assert.Equal(t, int64(8), n)
				assert.Equal(t, time.Millisecond, left)
			} else {
				assert.Equal(t, int64(1), n)
				assert.Zero(t, left)
			}
		},
		"SetNX": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			stored, err := s.SetNX(ctx, "k", "new")
			require.NoError(t, err)
			assert.Equal(t, !live, stored)
		},
		"CompareAndSwap": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			swapped, err := s.CompareAndSwap(ctx, "k", 7, 8)
			require.NoError(t, err)
			assert.Equal(t, live, swapped)
		},
		"CompareAndDelete": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			deleted, err := s.CompareAndDelete(ctx, "k", 7)
			require.NoError(t, err)
			assert.Equal(t, live, deleted)
		},
		"Set with KeepTTL": func(t *testing.T, s *adaptor.AtomicKVStore, live bool) {
			require.NoError(t, s.Set(ctx, "k", 9, adaptor.WithKeepTTL()))
			left := ttlOf(t, s, "k")
			assert.Equal(t, live, left > 0, "an expired deadline is nothing to keep")
		},
	}
	for written, w := range write {
		for name, check := range checks {
			for _, live := range []bool{true, false} {
				bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
					require.NoError(t, w(s))
					assert.Equal(t, ttl, ttlOf(t, s, "k"))
					time.Sleep(ttl - 1)
					if !live {
						time.Sleep(time.Nanosecond)
					}
					check(t, s, live)
					if t.Failed() {
						t.Fatalf("written by %s, checked by %s, live %v", written, name, live)
					}
				})
			}
		}
	}
}

func TestTTLIsRoundedUpToMilliseconds(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{
		1:                           time.Millisecond,
		time.Millisecond:            time.Millisecond,
		time.Millisecond + 1:        2 * time.Millisecond,
		1500 * time.Microsecond:     2 * time.Millisecond,
		time.Hour - 1:               time.Hour,
		math.MaxInt64:               math.MaxInt64 / time.Millisecond * time.Millisecond,
		math.MaxInt64 - time.Second: (math.MaxInt64/time.Millisecond - 999) * time.Millisecond,
	} {
		bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
			require.NoError(t, s.Set(ctx, "set", 1, adaptor.WithTTL(given)))
			assert.Equal(t, want, ttlOf(t, s, "set"))
			require.NoError(t, s.Set(ctx, "expire", 1))
			ok(t)(s.Expire(ctx, "expire", given))
			assert.Equal(t, want, ttlOf(t, s, "expire"))
			_, left, err := s.IncrTTL(ctx, "incr", 1, adaptor.WithTTL(given))
			require.NoError(t, err)
			assert.Equal(t, want, left)
		})
	}
}

func TestLongestTTLDoesNotOverflow(t *testing.T) {
	bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
		time.Sleep(24 * 365 * time.Hour) // so that now + ttl is beyond int64
		require.NoError(t, s.Set(ctx, "k", 1, adaptor.WithTTL(math.MaxInt64)))
		time.Sleep(24 * 365 * 100 * time.Hour)
		assert.Equal(t, "1", raw(t, s, "k"))
		assert.Equal(t, time.Duration(math.MaxInt64), ttlOf(t, s, "k"), "further away than a Duration holds")
		_, left, err := s.IncrTTL(ctx, "n", 1, adaptor.WithTTL(math.MaxInt64))
		require.NoError(t, err)
		assert.Equal(t, left, ttlOf(t, s, "n"))
	})
}

func TestSetReplacesTheTTL(t *testing.T) {
	bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
		require.NoError(t, s.Set(ctx, "k", 1, adaptor.WithTTL(time.Minute)))
		time.Sleep(time.Second)
		require.NoError(t, s.Set(ctx, "k", 2, adaptor.WithKeepTTL()))
		assert.Equal(t, 59*time.Second, ttlOf(t, s, "k"))
		require.NoError(t, s.Set(ctx, "k", 3, adaptor.WithTTL(time.Hour)))
		assert.Equal(t, time.Hour, ttlOf(t, s, "k"))
		require.NoError(t, s.Set(ctx, "k", 4))
		assert.Zero(t, ttlOf(t, s, "k"))
		require.NoError(t, s.Set(ctx, "k", 5, adaptor.WithKeepTTL(), adaptor.Option{}))
		assert.Zero(t, ttlOf(t, s, "k"), "had none, keeps none")
		require.NoError(t, s.Set(ctx, "new", 1, adaptor.WithKeepTTL()))
		assert.Zero(t, ttlOf(t, s, "new"))
	})
}

func TestCompareAndSwapReplacesTheTTL(t *testing.T) {
	bubble(t, func(t *testing.T, s *adaptor.AtomicKVStore) {
		require.NoError(t, s.Set(ctx, "k", 1, adaptor.WithTTL(time.Minute)))
		time.Sleep(time.Second)
		no(t)(s.CompareAndSwap(ctx, "k", 0, 2, adaptor.WithTTL(time.Hour)))
		assert.Equal(t, 59*time.Second, ttlOf(t, s, "k"), "lost: nothing changes")
		ok(t)(s.CompareAndSwap(ctx, "k", 1, 2, adaptor.WithKeepTTL()))
		assert.Equal(t, 59*time.Second, ttlOf(t, s, "k"))
		ok(t)(s.CompareAndSwap(ctx, "k", 2, 2, adaptor.WithTTL(time.Hour)))
		assert.Equal(t, time.Hour, ttlOf(t, s, "k"))
		ok(t)(s.CompareAndSwap(ctx, "k", 2, 3))
		assert.Zero(t, ttlOf(t, s, "k"))
	})
}

func TestExpireAndTTLOfAMissingKey(t *testing.T) {
	s := newStore(t)
	no(t)(s.Expire(ctx, "k", time.Minute))
	_, found, err := s.TTL(ctx, "k")
	require.NoError(t, err)
	assert.False(t, found)
	no(t)(s.Has(ctx, "k"))
}
