package memory

import (
	"bytes"
	"context"
	"errors"
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

// Random operations on values of all sizes give the same results as a map, with and without a limit of
// the memory. A refused write changes nothing. An accepted write stores every byte.
func TestEngine(t *testing.T) {
	t.Parallel()
	runs := 8
	if testing.Short() {
		runs = 2
	}
	for _, config := range []Config{{}, {MaxBytes: 64 << 10}, {MaxBytes: 1 << 20}, {MaxBytes: 5 << 20}} {
		for range runs {
			seed := rand.Uint64()
			name := fmt.Sprintf("MaxBytes=%d,seed=%d", config.MaxBytes, seed)
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEngineTest(t, config, rand.New(rand.NewPCG(seed, 0)))
					for i := range 4000 {
						e.step()
						if i%500 == 0 {
							verify(t, e.kv)
						}
					}
					e.finish()
				})
			})
		}
	}
}

// An engineTest compares the stores of a MemoryKV with a map.
type engineTest struct {
	*testing.T
	ctx     context.Context
	random  *rand.Rand
	kv      *MemoryKV
	stores  []driver.AtomicStore
	want    map[engineKey]engineEntry
	keys    int   // the number of keys in each store
	longest int   // of the texts, in bytes
	borders []int // lengths of texts
	refused int
}

type engineKey struct {
	store int
	key   string
}

type engineEntry struct {
	text     []byte
	deadline time.Time // zero if the entry never expires
}

func (e engineEntry) live() bool { return e.deadline.IsZero() || time.Now().Before(e.deadline) }

func newEngineTest(t *testing.T, config Config, r *rand.Rand) *engineTest {
	kv, err := New(config)
	require.NoError(t, err)
	e := &engineTest{T: t, ctx: t.Context(), random: r, kv: kv, want: map[engineKey]engineEntry{}}
	for _, name := range []string{"a", "tenants/a"} {
		s, err := opener{kv}.OpenAtomic([]string{name})
		require.NoError(t, err)
		e.stores = append(e.stores, s)
	}
	e.borders = borderLengths(len("a:key:100"))
	e.keys = 20 + r.IntN(400)
	e.longest = []int{100, 2000, 10_000, 100_000}[r.IntN(4)]
	return e
}

// step does one random operation on a random key.
func (e *engineTest) step() {
	n := e.random.IntN(e.keys)
	// The first colon of a physical key ends the namespace. The colon in this key must not.
	id := engineKey{e.random.IntN(len(e.stores)), fmt.Sprint("key:", n)}
	if n%50 == 0 {
		id.key += strings.Repeat("k", 5000)
	}
	if !e.want[id].live() {
		delete(e.want, id)
	}
	switch e.random.IntN(18) {
	case 0, 1, 2, 3:
		e.set(id)
	case 4:
		e.setNX(id)
	case 5:
		e.compareAndSwap(id)
	case 6:
		e.incr(id)
	case 7:
		require.NoError(e, e.stores[id.store].Del(e.ctx, id.key))
		delete(e.want, id)
	case 8:
		e.expire(id)
	case 9:
		e.passTime()
	case 10:
		e.take(id)
	case 11:
		e.swap(id)
	case 12:
		e.compareAndDelete(id)
	case 13:
		e.persist(id)
	case 14:
		e.many(id.store)
	default:
		for range e.random.IntN(4) { // a text that is read twice is sealed
			e.get(id)
		}
	}
}

func (e *engineTest) get(id engineKey) {
	want, exists := e.want[id]
	text, found, err := e.stores[id.store].Get(e.ctx, id.key)
	require.NoError(e, err)
	require.Equal(e, exists, found)
	require.True(e, bytes.Equal(want.text, text))
}

func (e *engineTest) set(id engineKey) {
	text, ttl := e.text(), e.ttl()
	e.written(id, text, ttl, e.stores[id.store].Set(e.ctx, id.key, bytes.Clone(text), ttl))
}

func (e *engineTest) setNX(id engineKey) {
	_, exists := e.want[id]
	text, ttl := e.text(), max(e.ttl(), 0)
	stored, err := e.stores[id.store].SetNX(e.ctx, id.key, bytes.Clone(text), ttl)
	assert.Equal(e, !exists && err == nil, stored)
	if !exists {
		e.written(id, text, ttl, err)
	}
}

func (e *engineTest) compareAndSwap(id engineKey) {
	old, exists := e.want[id]
	text, ttl := e.text(), e.ttl()
	swapped, err := e.stores[id.store].CompareAndSwap(e.ctx, id.key, old.text, bytes.Clone(text), ttl)
	assert.Equal(e, exists && err == nil, swapped)
	if exists {
		e.written(id, text, ttl, err)
	}
}

func (e *engineTest) incr(id engineKey) {
	old, exists := e.want[id]
	by := e.random.Int64N(1000)
	sum, left, err := e.stores[id.store].Incr(e.ctx, id.key, by, time.Minute)
	before, isInteger := driver.Integer(old.text)
	switch {
	case exists && !isInteger:
		require.ErrorIs(e, err, driver.ErrInvalidValue)
	case exists:
		require.NoError(e, err)
		require.Equal(e, before+by, sum)
		require.Equal(e, old.deadline.IsZero(), left == 0)
		e.written(id, fmt.Append(nil, sum), driver.KeepTTL, nil)
	default:
		e.written(id, fmt.Append(nil, by), time.Minute, err)
	}
}

func (e *engineTest) expire(id engineKey) {
	want, exists := e.want[id]
	ttl := time.Duration(1 + e.random.Int64N(int64(time.Minute)))
	found, err := e.stores[id.store].Expire(e.ctx, id.key, ttl)
	require.NoError(e, err)
	require.Equal(e, exists, found)
	if exists {
		e.written(id, want.text, ttl, nil)
	}
}

func (e *engineTest) take(id engineKey) {
	want, exists := e.want[id]
	text, found, err := e.stores[id.store].(driver.Taker).GetDel(e.ctx, id.key)
	require.NoError(e, err)
	require.Equal(e, exists, found)
	require.True(e, bytes.Equal(want.text, text))
	delete(e.want, id)
}

func (e *engineTest) swap(id engineKey) {
	want, exists := e.want[id]
	text, ttl := e.text(), e.ttl()
	if exists && e.random.IntN(2) == 0 { // a text of the same length is overwritten in place
		text = bytes.Repeat([]byte{'A' + byte(e.random.IntN(26))}, len(want.text))
	}
	old, found, err := e.stores[id.store].(driver.Taker).Swap(e.ctx, id.key, bytes.Clone(text), ttl)
	if err == nil {
		require.Equal(e, exists, found)
		require.True(e, bytes.Equal(want.text, old))
	}
	e.written(id, text, ttl, err)
}

func (e *engineTest) compareAndDelete(id engineKey) {
	want, exists := e.want[id]
	old := bytes.Clone(want.text)
	equal := e.random.IntN(2) == 0
	if !equal {
		old = append(old, 'x')
	}
	deleted, err := e.stores[id.store].CompareAndDelete(e.ctx, id.key, old)
	require.NoError(e, err)
	require.Equal(e, exists && equal, deleted)
	if deleted {
		delete(e.want, id)
	}
}

func (e *engineTest) persist(id engineKey) {
	want, exists := e.want[id]
	found, err := e.stores[id.store].(driver.Persister).Persist(e.ctx, id.key)
	require.NoError(e, err)
	require.Equal(e, exists, found)
	if exists {
		e.written(id, want.text, driver.NoTTL, nil)
	}
}

// many does one operation on many keys of a store. The context may end during the operation.
func (e *engineTest) many(store int) {
	for id, entry := range e.want {
		if !entry.live() {
			delete(e.want, id)
		}
	}
	ctx := endingAfter(1 << 30)
	if e.random.IntN(2) == 0 {
		ctx.left = e.random.IntN(2 + e.random.IntN(300))
	}
	switch n := e.random.IntN(40); {
	case n == 0:
		e.clear(ctx, store)
	case n < 10:
		e.list(ctx, store)
	default:
		e.batch(ctx, store)
	}
}

func (e *engineTest) batch(ctx *endingContext, store int) {
	ids := make([]engineKey, 1+e.random.IntN(40))
	keys, texts, values := make([]string, len(ids)), make([][]byte, len(ids)), make([][]byte, len(ids))
	for i := range ids {
		ids[i] = engineKey{store, fmt.Sprint("key:", e.random.IntN(e.keys))}
		keys[i], texts[i] = ids[i].key, e.text()
		values[i] = bytes.Clone(texts[i])
	}
	s := e.stores[store].(driver.Batch)
	ended := func(errs []error, i int) bool { return errs != nil && errors.Is(errs[i], context.Canceled) }
	switch e.random.IntN(4) {
	case 0:
		errs := s.DelMany(ctx, keys)
		for i, id := range ids {
			if !ended(errs, i) {
				delete(e.want, id)
			}
		}
	case 1:
		for i, got := range s.GetMany(ctx, keys) {
			if got.Err != nil {
				require.ErrorIs(e, got.Err, context.Canceled)
				continue
			}
			want, exists := e.want[ids[i]]
			require.Equal(e, exists, got.Found)
			require.True(e, bytes.Equal(want.text, got.Value))
		}
	default:
		ttl := e.ttl()
		errs := s.SetMany(ctx, keys, values, ttl)
		for i, id := range ids {
			switch {
			case ended(errs, i):
			case errs == nil:
				e.written(id, texts[i], ttl, nil)
			default:
				e.written(id, texts[i], ttl, errs[i])
			}
		}
	}
}

func (e *engineTest) list(ctx *endingContext, store int) {
	listed := map[string]bool{}
	err := e.stores[store].(driver.Scanner).Keys(ctx, false, func(path []string, key string) bool {
		require.Empty(e, path)
		require.False(e, listed[key])
		listed[key] = true
		_, exists := e.want[engineKey{store, key}]
		require.True(e, exists)
		return true
	})
	if err != nil {
		require.ErrorIs(e, err, context.Canceled)
		return
	}
	for id := range e.want {
		require.True(e, id.store != store || listed[id.key])
	}
}

func (e *engineTest) clear(ctx *endingContext, store int) {
	err := e.stores[store].(driver.Clearer).Clear(ctx, false)
	removed := 0
	for id := range e.want {
		if id.store != store {
			continue
		}
		found, hasErr := e.stores[store].Has(e.ctx, id.key)
		require.NoError(e, hasErr)
		if !found {
			removed++
			delete(e.want, id)
		}
		require.False(e, found && err == nil)
	}
	if err != nil {
		require.ErrorIs(e, err, context.Canceled)
		require.False(e, removed > 0 && !driver.IsUnknown(err), "%d entries were removed", removed)
	}
	verify(e, e.kv)
}

// passTime sometimes sleeps, and sometimes sweeps.
func (e *engineTest) passTime() {
	if e.random.IntN(4) == 0 {
		time.Sleep(time.Duration(e.random.Int64N(int64(time.Minute))))
	}
	if e.random.IntN(20) == 0 {
		e.kv.sweep(nil)
	}
}

// written updates the expected entry after a write. If the write was refused, the store must be full, and
// the value must be longer than the previous one.
func (e *engineTest) written(id engineKey, text []byte, ttl time.Duration, err error) {
	entry, exists := e.want[id]
	if err != nil {
		require.ErrorIs(e, err, ErrFull)
		require.NotZero(e, e.kv.config.MaxBytes)
		require.False(e, driver.IsUnknown(err))
		require.False(e, exists && newValue(text).len() <= newValue(entry.text).len(), "the value did not grow")
		e.refused++
		return
	}
	entry.text = text
	switch ttl {
	case driver.KeepTTL:
	case driver.NoTTL:
		entry.deadline = time.Time{}
	default:
		entry.deadline = time.Now().Add(ttl)
	}
	e.want[id] = entry
}

// finish compares all entries, and checks that a sweep and deletes leave nothing else.
func (e *engineTest) finish() {
	verify(e, e.kv)
	for id, entry := range e.want {
		if !entry.live() {
			delete(e.want, id)
			_, found, err := e.stores[id.store].Get(e.ctx, id.key)
			require.NoError(e, err)
			require.False(e, found)
			continue
		}
		e.get(id)
	}
	e.kv.sweep(nil)
	verify(e, e.kv)
	require.Equal(e, len(e.want), e.kv.Stats().Entries)
	e.Log("refused:", e.refused, "live:", len(e.want), "bytes:", e.kv.Stats().Bytes)
	for id := range e.want {
		require.NoError(e, e.stores[id.store].Del(e.ctx, id.key))
	}
	e.kv.sweep(nil)
	verify(e, e.kv)
	require.Zero(e, e.kv.Stats().Entries)
}

func (e *engineTest) text() []byte {
	switch e.random.IntN(6) {
	case 4:
		if e.longest > 2000 {
			return bytes.Repeat([]byte{'a' + byte(e.random.IntN(26))}, e.borders[e.random.IntN(len(e.borders))])
		}
	case 5: // a record that fills the current segment of a shard, or nearly
		log := &e.kv.shards[e.random.IntN(len(e.kv.shards))].log
		if log.current != 0 {
			n := log.segments[log.current].room() - textOffset(len("a:key:100")) + wordSize*(e.random.IntN(3)-1)
			return bytes.Repeat([]byte{'a' + byte(e.random.IntN(26))}, max(0, n))
		}
	case 0:
		return fmt.Append(nil, e.random.Int64N(1<<e.random.IntN(62)))
	case 1:
		return bytes.Repeat([]byte{'a' + byte(e.random.IntN(26))}, e.random.IntN(e.longest))
	}
	return bytes.Repeat([]byte{'a' + byte(e.random.IntN(26))}, e.random.IntN(100))
}

func (e *engineTest) ttl() time.Duration {
	return []time.Duration{driver.NoTTL, driver.KeepTTL, time.Millisecond, time.Second, time.Minute, 26 * time.Hour,
		time.Duration(1 + e.random.Int64N(int64(time.Hour)))}[e.random.IntN(7)]
}
