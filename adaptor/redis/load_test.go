package redis_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/redistest"
)

// Each process loads a missing key at most once, and all callers receive a loaded value.
func TestOneLoadPerProcess(t *testing.T) {
	onEach(t, func(t *testing.T, s *redistest.Server) {
		const processes = 2
		var handles [processes]adaptor.Typed[int]
		var loads [processes]atomic.Int64
		for i := range handles {
			handles[i] = adaptor.Of[int](open(t, start(t, redis.Config{URL: s.URL()}), "loads"), adaptor.DefaultTTL(time.Hour))
		}
		for round := range 20 {
			key := fmt.Sprint(round)
			var wg sync.WaitGroup
			for i := range 500 {
				wg.Go(func() {
					value, found, err := handles[i%processes].GetOrLoad(ctx, key, func(context.Context) (adaptor.Loaded[int], error) {
						loads[i%processes].Add(1)
						time.Sleep(5 * time.Millisecond)
						return adaptor.Loaded[int]{Value: round}, nil
					})
					assert.NoError(t, err)
					assert.True(t, found)
					assert.Equal(t, round, value)
				})
			}
			wg.Wait()
			for i := range loads {
				assert.LessOrEqual(t, loads[i].Swap(0), int64(1))
			}
		}
	})
}

// While two processes load a key, the source changes and the key is deleted. The old value is never
// stored, and no later call returns it.
func TestDelDuringALoadWins(t *testing.T) {
	onEach(t, func(t *testing.T, s *redistest.Server) {
		stores := []*adaptor.AtomicKVStore{
			open(t, start(t, redis.Config{URL: s.URL()}), "loads"),
			open(t, start(t, redis.Config{URL: s.URL()}), "loads"),
		}
		stored := 0
		for round := range 300 {
			key := fmt.Sprint(round)
			var source, deleted atomic.Int64
			doze := func() { time.Sleep(rand.N(500 * time.Microsecond)) }
			ask := func(s *adaptor.AtomicKVStore) {
				least := deleted.Load()
				value, _, err := adaptor.Of[int64](s).GetOrLoad(ctx, key, func(context.Context) (adaptor.Loaded[int64], error) {
					version := source.Load()
					doze()
					return adaptor.Loaded[int64]{Value: version}, nil
				})
				assert.NoError(t, err)
				assert.GreaterOrEqual(t, value, least, "a call returned a value that was deleted before the call")
			}
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() {
					for range 3 {
						doze()
						ask(stores[i%2])
					}
				})
			}
			wg.Go(func() {
				for i := range 3 {
					doze()
					version := source.Add(1)
					assert.NoError(t, stores[i%2].Del(ctx, key))
					deleted.Store(version)
				}
			})
			wg.Wait()
			value, found, err := adaptor.Get[int64](ctx, stores[0], key)
			require.NoError(t, err)
			if found {
				stored++
				require.EqualValues(t, 3, value, "the store holds a deleted value")
			}
		}
		assert.Greater(t, stored, 20, "otherwise the test proves little")
	})
}

// If the server refuses to store the value, GetOrLoad returns the loaded value. If the server does not
// reply, GetOrLoad returns an error and does not load.
func TestGetOrLoadWhileTheServerRefusesOrIsSilent(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	h := adaptor.Of[int](open(t, start(t, redis.Config{URL: p.URL(), Timeout: 100 * time.Millisecond}), "loads"))
	loads := 0
	get := func(key string) (int, error) {
		value, _, err := h.GetOrLoad(ctx, key, func(context.Context) (adaptor.Loaded[int], error) {
			loads++
			return adaptor.Loaded[int]{Value: 7}, nil
		})
		return value, err
	}
	s.Do("CONFIG", "SET", "maxmemory", "1")
	for range 2 {
		value, err := get("full")
		require.NoError(t, err)
		assert.Equal(t, 7, value)
	}
	assert.Equal(t, 2, loads, "the server stored no value, so each call loads")
	s.Do("CONFIG", "SET", "maxmemory", "0")
	value, err := get("full")
	require.NoError(t, err)
	assert.Equal(t, 7, value)
	assert.Equal(t, "7", s.Do("GET", "loads:full"))

	p.Set(redistest.Swallow)
	_, err = get("silent")
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	assert.Equal(t, 3, loads, "a caller that cannot read does not load")
}
