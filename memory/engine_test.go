package memory

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Random operations on values of all sizes, beside a map, with and without a bound.
// What was refused changed nothing; what was not is there, to the byte.
func TestEngine(t *testing.T) {
	t.Parallel()
	for _, config := range []Config{{}, {MaxBytes: 64 << 10}, {MaxBytes: 1 << 20}, {MaxBytes: 5 << 20}} {
		for range 8 {
			seed := rand.Uint64()
			name := fmt.Sprintf("MaxBytes=%d,seed=%d", config.MaxBytes, seed)
			t.Run(name, func(t *testing.T) { engine(t, config, rand.New(rand.NewPCG(seed, 0)), 6000) })
		}
	}
}

func engine(t *testing.T, config Config, r *rand.Rand, operations int) {
	ctx := context.Background()
	type entry struct {
		text     []byte
		deadline time.Time // zero: none
	}
	synctest.Test(t, func(t *testing.T) {
		m, err := New(config)
		require.NoError(t, err)
		var stores []driver.AtomicStore
		for _, name := range []string{"a", "tenants/a"} {
			s, err := opener{m}.OpenAtomic([]string{name})
			require.NoError(t, err)
			stores = append(stores, s)
		}
		model := map[string]entry{}
		keys := 20 + r.IntN(400)
		largest := []int{100, 2000, 10_000, 100_000}[r.IntN(4)]
		text := func() []byte {
			switch r.IntN(4) {
			case 0:
				return fmt.Append(nil, r.Int64N(1<<r.IntN(62)))
			case 1:
				return bytes.Repeat([]byte{'a' + byte(r.IntN(26))}, r.IntN(largest))
			}
			return bytes.Repeat([]byte{'a' + byte(r.IntN(26))}, r.IntN(100))
		}
		ttl := func() time.Duration {
			return []time.Duration{driver.NoTTL, driver.KeepTTL, time.Millisecond, time.Second, time.Minute, 26 * time.Hour,
				time.Duration(1 + r.Int64N(int64(time.Hour)))}[r.IntN(7)]
		}
		refused := 0
		for i := range operations {
			n := r.IntN(keys)
			key := fmt.Sprint("key:", n) // the first : of the physical key ends the namespace, and no other
			if n%50 == 0 {
				key += strings.Repeat("k", 5000)
			}
			which := r.IntN(2)
			s, id := stores[which], fmt.Sprint(which, key)
			e, found := model[id]
			if found && !e.deadline.IsZero() && !time.Now().Before(e.deadline) {
				e, found = entry{}, false
				delete(model, id)
			}
			put := func(text []byte, ttl time.Duration, err error) {
				if err != nil {
					require.ErrorIs(t, err, ErrFull)
					require.NotZero(t, config.MaxBytes)
					require.False(t, driver.IsUnknown(err))
					require.False(t, found && newValue(text).len() <= newValue(e.text).len(), "it would not have grown")
					refused++
					return
				}
				e.text = text
				switch ttl {
				case driver.KeepTTL:
				case driver.NoTTL:
					e.deadline = time.Time{}
				default:
					e.deadline = time.Now().Add(ttl)
				}
				model[id] = e
			}
			switch r.IntN(13) {
			case 10, 11, 12: // a text that is read twice is sealed
				for range r.IntN(4) {
					text, there, err := s.Get(ctx, key)
					require.NoError(t, err)
					require.Equal(t, found, there)
					require.True(t, bytes.Equal(e.text, text))
				}
			case 0, 1, 2, 3:
				text, ttl := text(), ttl()
				put(text, ttl, s.Set(ctx, key, bytes.Clone(text), ttl))
			case 4:
				text, ttl := text(), max(ttl(), 0)
				done, err := s.SetNX(ctx, key, bytes.Clone(text), ttl)
				if assert.Equal(t, !found && err == nil, done); !found {
					put(text, ttl, err)
				}
			case 5:
				text, ttl := text(), ttl()
				done, err := s.CompareAndSwap(ctx, key, e.text, bytes.Clone(text), ttl)
				if assert.Equal(t, found && err == nil, done); found {
					put(text, ttl, err)
				}
			case 6:
				by := r.Int64N(1000)
				sum, left, err := s.Incr(ctx, key, by, time.Minute)
				before, isInteger := driver.Integer(e.text)
				switch {
				case found && !isInteger:
					require.ErrorIs(t, err, driver.ErrInvalidValue)
				case found && before > 1<<62:
				case found:
					require.NoError(t, err)
					require.Equal(t, before+by, sum)
					require.Equal(t, e.deadline.IsZero(), left == 0)
					put(fmt.Append(nil, sum), driver.KeepTTL, nil)
				default:
					put(fmt.Append(nil, by), time.Minute, err)
				}
			case 7:
				require.NoError(t, s.Del(ctx, key))
				delete(model, id)
			case 8:
				ttl := time.Duration(1 + r.Int64N(int64(time.Minute)))
				done, err := s.Expire(ctx, key, ttl)
				require.NoError(t, err)
				if require.Equal(t, found, done); found {
					put(e.text, ttl, nil)
				}
			case 9:
				if r.IntN(4) == 0 {
					time.Sleep(time.Duration(r.Int64N(int64(time.Minute))))
				}
				if r.IntN(20) == 0 {
					m.sweep(nil)
				}
			}
			if i%500 == 0 {
				verify(t, m)
			}
		}
		verify(t, m)
		live := 0
		for id, e := range model {
			text, found, err := stores[id[0]-'0'].Get(ctx, id[1:])
			require.NoError(t, err)
			want := e.deadline.IsZero() || time.Now().Before(e.deadline)
			if require.Equal(t, want, found); found {
				require.True(t, bytes.Equal(e.text, text))
				live++
			}
		}
		m.sweep(nil)
		verify(t, m)
		require.Equal(t, live, m.Stats().Entries)
		t.Log("refused:", refused, "live:", live, "bytes:", m.Stats().Bytes)
		for id := range model {
			require.NoError(t, stores[id[0]-'0'].Del(ctx, id[1:]))
		}
		m.sweep(nil)
		verify(t, m)
		require.Zero(t, m.Stats().Entries)
	})
}
