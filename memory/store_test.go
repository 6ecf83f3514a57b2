package memory_test

import (
	"encoding/json"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

func TestSetGetDelHas(t *testing.T) {
	type user struct{ ID, Name string }
	s := newStore(t)

	_, found, err := adaptor.Get[user](ctx, s, "u")
	require.NoError(t, err)
	assert.False(t, found)
	no(t)(s.Has(ctx, "u"))
	require.NoError(t, s.Del(ctx, "u"), "a missing key is no error")

	require.NoError(t, s.Set(ctx, "u", user{"1", "Ada"}))
	got, found, err := adaptor.Get[user](ctx, s, "u")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, user{"1", "Ada"}, got)
	ok(t)(s.Has(ctx, "u"))

	require.NoError(t, s.Del(ctx, "u"))
	no(t)(s.Has(ctx, "u"))
}

func TestNullIsFound(t *testing.T) {
	s := newStore(t)
	require.NoError(t, s.Set(ctx, "k", nil))
	assert.Equal(t, "null", raw(t, s, "k"))
	got, found, err := adaptor.Get[struct{ A int }](ctx, s, "k")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Zero(t, got)
}

func TestStoreSharesNoMemoryWithCallers(t *testing.T) {
	s := newStore(t)
	key, value := []byte("key"), json.RawMessage(`{"a":1}`)
	name := []byte("name")
	child, err := s.Namespace(unsafe.String(&name[0], len(name)))
	require.NoError(t, err)
	require.NoError(t, s.Set(ctx, unsafe.String(&key[0], len(key)), value))
	require.NoError(t, child.Set(ctx, unsafe.String(&key[0], len(key)), value))
	copy(key, "xxx")
	copy(name, "xxxx")
	copy(value, `{"b":2}`)
	assert.Equal(t, `{"a":1}`, raw(t, s, "key"))
	same, err := s.Namespace("name")
	require.NoError(t, err)
	assert.Equal(t, `{"a":1}`, raw(t, same, "key"))
	grandchild, err := child.Namespace("more")
	require.NoError(t, err)
	require.NoError(t, grandchild.Set(ctx, "key", 2))
	sameChild, err := same.Namespace("more")
	require.NoError(t, err)
	assert.Equal(t, "2", raw(t, sameChild, "key"), "the path is a copy as well")

	got, _, err := s.GetRaw(ctx, "key")
	require.NoError(t, err)
	copy(got, `{"c":3}`)
	message, _, err := adaptor.Get[json.RawMessage](ctx, s, "key")
	require.NoError(t, err)
	copy(message, `{"d":4}`)
	assert.Equal(t, `{"a":1}`, raw(t, s, "key"))
}

func TestMemoryKVNotMadeByNew(t *testing.T) {
	for _, kv := range []*memory.MemoryKV{nil, {}} {
		_, err := kv.Namespace("x")
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		assert.ErrorContains(t, err, "memory.New")
		assert.Error(t, kv.Start(ctx))
		assert.NoError(t, kv.Stop(ctx))
		assert.Zero(t, kv.Stats())
	}
}

func TestLookupsAndOptionsAllocateNothing(t *testing.T) {
	s := newStore(t)
	allocs := func(f func()) float64 { return testing.AllocsPerRun(100, f) }
	_, err := s.Incr(ctx, "k", 1)
	require.NoError(t, err)
	assert.Zero(t, allocs(func() { _, _ = s.Has(ctx, "k") }))
	assert.Zero(t, allocs(func() { _, _ = s.Expire(ctx, "k", time.Hour) }))
	assert.Zero(t, allocs(func() { _, _, _ = s.TTL(ctx, "k") }))
	assert.Equal(t,
		allocs(func() { _, _ = s.Incr(ctx, "k", 1) }),
		allocs(func() { _, _ = s.Incr(ctx, "k", 1, adaptor.WithTTL(time.Hour), adaptor.Option{}) }))
}
