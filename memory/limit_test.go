package memory_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/model"
	"github.com/zelt-go/kv/memory"
)

// limitStore opens a namespace below the adaptor.
func limitStore(t testing.TB, kv *memory.MemoryKV, path ...string) driver.AtomicStore {
	t.Helper()
	s, err := adaptor.Driver(kv).OpenAtomic(path)
	require.NoError(t, err)
	require.Implements(t, (*driver.Limiter)(nil), s)
	return s
}

// Random histories decide as rational arithmetic does, to the nanosecond, in one step and by the fallback, and the
// entry expires when its bursts are whole.
func TestLimitEqualsTheExactModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const scale = time.Second
	for i := range uint64(1000) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, i))
			rates := model.RandomRates(r, scale)
			l, err := driver.NewLimits(rates)
			require.NoError(t, err)
			m := model.NewLimit(rates)
			kv, err := memory.New(memory.Config{})
			require.NoError(t, err)
			s := limitStore(t, kv, "limit", "a/b")
			unit := time.Nanosecond
			if i%2 == 1 {
				s, unit = struct{ driver.AtomicStore }{s}, time.Millisecond // without the optional interface
			}
			begin, last := time.Now(), driver.Limited{}
			for range 40 {
				time.Sleep(model.RandomPause(r, scale, last))
				c := model.RandomCall(r, l)
				got, err := driver.Limit(ctx, s, "k", l, c)
				require.NoError(t, err)
				want := m.Decide(int64(time.Since(begin)), c, 1)
				require.Equal(t, want, got, "history %d, %+v, %+v", i, rates, c)
				left, found, err := s.TTL(ctx, "k")
				require.NoError(t, err)
				require.True(t, found || want.ResetIn == 0)
				require.Less(t, max(left-want.ResetIn, want.ResetIn-left), unit, "the entry expires when the bursts are whole")
				text, _, err := s.Get(ctx, "k") // also seals the text, which the next decision must replace
				require.NoError(t, err)
				require.True(t, !found || json.Valid(text), "%s", text)
				last = got
			}
		})
	}
}

func TestLimitKeepsOtherValues(t *testing.T) {
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	s := limitStore(t, kv, "limit", "x")
	l, err := driver.NewLimits([]driver.LimitRate{{Events: 5, Per: time.Second, Burst: 5}})
	require.NoError(t, err)
	for _, text := range []string{`5`, `"5"`, `null`, `"rl.` + l.ID(0) + `"`} {
		require.NoError(t, s.Set(ctx, "k", []byte(text), driver.NoTTL))
		for _, c := range []driver.LimitCall{{Need: 1}, {Need: 1, Take: 1}, {Need: 1, Give: 1}, {Need: 1, Reset: true}} {
			_, err := driver.Limit(ctx, s, "k", l, c)
			assert.ErrorIs(t, err, driver.ErrInvalidValue)
			got, _, err := s.Get(ctx, "k")
			require.NoError(t, err)
			assert.Equal(t, text, string(got))
		}
	}
}

// A key of 64 KiB, a store without room, and texts beyond MaxValueBytes.
func TestLimitOfLongKeysAndFullStores(t *testing.T) {
	l, err := driver.NewLimits([]driver.LimitRate{{Events: 5, Per: time.Hour, Burst: 5}})
	require.NoError(t, err)
	kv, err := memory.New(memory.Config{MaxBytes: 1 << 20})
	require.NoError(t, err)
	s := limitStore(t, kv, "limit", "x")
	take := driver.LimitCall{Need: 1, Take: 1}
	for _, key := range []string{strings.Repeat("k", 64<<10), ""} {
		for i := range int64(7) {
			res, err := driver.Limit(ctx, s, key, l, take)
			require.NoError(t, err)
			assert.Equal(t, i < 5, res.Allowed)
		}
	}
	for i := range 100_000 {
		if _, err = driver.Limit(ctx, s, fmt.Sprint("key-", i), l, take); err != nil {
			break
		}
	}
	assert.ErrorIs(t, err, memory.ErrFull)
	res, err := driver.Limit(ctx, s, "key-0", l, take)
	assert.True(t, err == nil && res.Remaining == 3, "a client that is known needs no more memory: %v", err)
	kv, err = memory.New(memory.Config{MaxValueBytes: 10})
	require.NoError(t, err)
	_, err = driver.Limit(ctx, limitStore(t, kv, "limit", "x"), "k", l, take)
	assert.ErrorIs(t, err, driver.ErrInvalidValue)
}

func TestLimitDoesNotAllocate(t *testing.T) {
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	s := limitStore(t, kv, "limit", "x")
	for _, rates := range [][]driver.LimitRate{
		{{Events: 1e6, Per: time.Second, Burst: 1e6}},
		{{Events: 3e6, Per: time.Second, Burst: 1e6}, {Events: 1e7, Per: time.Hour, Burst: 1e6}},
	} {
		l, err := driver.NewLimits(rates)
		require.NoError(t, err)
		key := fmt.Sprint("client-", len(rates))
		assert.Zero(t, testing.AllocsPerRun(10_000, func() {
			if _, err := driver.Limit(ctx, s, key, l, driver.LimitCall{Need: 1, Take: 1}); err != nil {
				t.Fatal(err)
			}
		}), "%d rates", len(rates))
	}
}

// A client costs little more than a counter with a deadline.
func TestLimitBytesPerClient(t *testing.T) {
	const clients = 100_000
	heap := func(fill func(s driver.AtomicStore, key string) error) float64 {
		kv, err := memory.New(memory.Config{})
		require.NoError(t, err)
		s := limitStore(t, kv, "limit", "api")
		for i := range clients {
			require.NoError(t, fill(s, fmt.Sprintf("203.0.113.7-%05d", i)))
		}
		bytes := float64(kv.Stats().Bytes) / clients
		runtime.KeepAlive(kv)
		return bytes
	}
	counter := heap(func(s driver.AtomicStore, key string) error { _, _, err := s.Incr(ctx, key, 1, time.Hour); return err })
	for _, rates := range [][]driver.LimitRate{
		{{Events: 10, Per: time.Minute, Burst: 10}},
		{{Events: 7, Per: time.Minute, Burst: 7}},
	} {
		l, err := driver.NewLimits(rates)
		require.NoError(t, err)
		client := heap(func(s driver.AtomicStore, key string) error {
			_, err := driver.Limit(ctx, s, key, l, driver.LimitCall{Need: 1, Take: 1})
			return err
		})
		t.Logf("counter %.1f B, client with %d rates %.1f B: %.2f", counter, len(rates), client, client/counter)
		assert.LessOrEqual(t, client/counter, 1.5)
	}
}

func BenchmarkLimit(b *testing.B) {
	l, err := driver.NewLimits([]driver.LimitRate{{Events: 1e6, Per: time.Second, Burst: 1e6}})
	require.NoError(b, err)
	for _, keys := range []int{1, 100_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			kv, err := memory.New(memory.Config{})
			require.NoError(b, err)
			s := limitStore(b, kv, "limit", "x")
			names := make([]string, keys)
			for i := range names {
				names[i] = fmt.Sprintf("203.0.113.7-%05d", i)
			}
			for i := 0; b.Loop(); i++ {
				_, _ = driver.Limit(ctx, s, names[(i*7919)%keys], l, driver.LimitCall{Need: 1, Take: 1})
			}
		})
	}
	b.Run("Incr", func(b *testing.B) {
		kv, err := memory.New(memory.Config{})
		require.NoError(b, err)
		s := limitStore(b, kv, "limit", "x")
		for b.Loop() {
			_, _, _ = s.Incr(ctx, "203.0.113.7-00000", 1, time.Hour)
		}
	})
}
