package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := newKV(t)
		assert.Zero(t, kv.Stats())
		s, err := kv.Namespace("n")
		require.NoError(t, err)
		require.NoError(t, s.Set(ctx, "key", "v", adaptor.WithTTL(time.Second)))
		require.NoError(t, s.Set(ctx, "k", 12345))
		stats := func() memory.Stats {
			st := kv.Stats()
			assert.Positive(t, st.Bytes)
			st.Bytes = 0
			return st
		}
		assert.Equal(t, memory.Stats{Entries: 2}, stats())
		raw(t, s, "key")
		ok(t)(s.Has(ctx, "k"))
		no(t)(s.Has(ctx, "x"))
		time.Sleep(time.Second)
		assert.Equal(t, memory.Stats{Entries: 2, Hits: 2, Misses: 1}, stats(), "unswept entries count")
		raw(t, s, "key")
		assert.Equal(t, memory.Stats{Entries: 2, Hits: 2, Misses: 2}, stats(), "a read removes nothing")
		require.NoError(t, s.Set(ctx, "k", 1))
		assert.Equal(t, memory.Stats{Entries: 1, Hits: 2, Misses: 2, Expired: 1}, stats(), "a write does")
		require.NoError(t, s.Del(ctx, "k"))
		assert.Equal(t, memory.Stats{Hits: 2, Misses: 2, Expired: 1}, stats())
	})
}
