package memory

import (
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

// Batches of small, large, refused and repeated keys give the same results as a map. Each key has
// the value of its last entry, or its own error. The parts of the shards stay consistent.
func TestBatchesAgainstAMap(t *testing.T) {
	ctx := context.Background()
	for name, config := range map[string]Config{"unlimited": {}, "limited": {MaxBytes: 1 << 20, MaxValueBytes: 80}} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, config)
			r := rand.New(rand.NewPCG(1, 2))
			stored := map[string]string{}
			for range 60 {
				keys, values, texts := make([]string, 200), make([][]byte, 200), make([]string, 200)
				for i := range keys {
					keys[i] = fmt.Sprint(r.IntN(150))
					switch r.IntN(30) {
					case 0:
						texts[i] = `"` + strings.Repeat("x", r.IntN(30<<10)) + `"`
					case 1:
						texts[i] = fmt.Sprint(r.Int64())
					default:
						texts[i] = `"` + strings.Repeat("x", r.IntN(100)) + `"`
					}
					values[i] = []byte(texts[i])
				}
				errs := s.SetMany(ctx, keys, values, driver.NoTTL)
				for i, key := range keys {
					tooLong := config.MaxValueBytes > 0 && texts[i][0] == '"' && len(texts[i]) > 80
					require.Equal(t, tooLong, errs != nil && errs[i] != nil)
					if tooLong {
						require.ErrorIs(t, errs[i], driver.ErrInvalidValue)
						continue
					}
					stored[key] = texts[i]
				}
				gone := keys[:20]
				require.Nil(t, s.DelMany(ctx, gone))
				for _, key := range gone {
					delete(stored, key)
				}
				for i, got := range s.GetMany(ctx, keys) {
					text, found := stored[keys[i]]
					require.Equal(t, found, got.Found)
					require.Equal(t, text, string(got.Value))
				}
				verify(t, s.kv)
			}
			assert.Equal(t, len(stored), s.kv.Stats().Entries)
		})
	}
}

// In a full store, a batch stores as many entries as fit. Each other key gets ErrFull.
func TestBatchInAFullStore(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{MaxBytes: 64 << 10})
	keys, values := make([]string, 2000), make([][]byte, 2000)
	for i := range keys {
		keys[i], values[i] = fmt.Sprint(i), []byte(`"`+strings.Repeat("x", 80)+`"`)
	}
	errs := s.SetMany(ctx, keys, values, driver.NoTTL)
	stored := 0
	for i, got := range s.GetMany(ctx, keys) {
		require.Equal(t, errs[i] == nil, got.Found)
		if errs[i] != nil {
			require.ErrorIs(t, errs[i], ErrFull)
		} else {
			stored++
		}
	}
	assert.Greater(t, stored, 200)
	assert.Less(t, stored, 700)
	verify(t, s.kv)

	// Expired entries are removed for a batch.
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Config{MaxBytes: 64 << 10})
		require.Nil(t, s.SetMany(ctx, keys[:250], values[:250], time.Second))
		time.Sleep(time.Second)
		require.Nil(t, s.SetMany(ctx, keys[1000:1250], values[1000:1250], driver.NoTTL))
	})

	canceled, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range s.DelMany(canceled, keys) {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.ErrorIs(t, s.GetMany(canceled, keys)[1999].Err, context.Canceled)
	assert.Equal(t, stored, s.kv.Stats().Entries)
}

func BenchmarkSetMany(b *testing.B) {
	ctx := context.Background()
	keys, values := make([]string, 1000), make([][]byte, 1000)
	for i := range keys {
		keys[i], values[i] = fmt.Sprint("key-", i), []byte(`"some value"`)
	}
	b.Run("SetMany", func(b *testing.B) {
		s := openStore(b, Config{})
		for b.Loop() {
			s.SetMany(ctx, keys, values, time.Hour)
		}
	})
	b.Run("Set", func(b *testing.B) {
		s := openStore(b, Config{})
		for b.Loop() {
			for i := range keys {
				_ = s.Set(ctx, keys[i], values[i], time.Hour)
			}
		}
	})
}
