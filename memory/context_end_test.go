package memory

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// An endingContext ends when Err has been called left times. It calls onErr before each result.
type endingContext struct {
	context.Context
	left  int
	onErr func()
}

func (c *endingContext) Err() error {
	if c.onErr != nil {
		c.onErr()
	}
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func endingAfter(n int) *endingContext {
	return &endingContext{Context: context.Background(), left: n}
}

// Clear may end at any step. If it has removed an entry, the outcome is unknown. If it has removed
// nothing, it was not applied. In both cases, the other entries are complete.
func TestClearThatEndsEarlyTellsItsOutcome(t *testing.T) {
	for name, config := range map[string]Config{"4 shards": {MaxBytes: 4 << 20}, "one shard": {MaxBytes: 2<<20 - 1}} {
		t.Run(name, func(t *testing.T) {
			for below := range 2 {
				const entries, step = 300, 7
				outcomes := map[bool]int{}
				for n := 0; ; n += step {
					kv, err := New(config)
					require.NoError(t, err)
					s, err := kv.Namespace("n")
					require.NoError(t, err)
					other, err := kv.Namespace("other")
					require.NoError(t, err)
					for i := range entries {
						require.NoError(t, s.Set(context.Background(), fmt.Sprint(i), textKind(i)))
						require.NoError(t, other.Set(context.Background(), fmt.Sprint(i), 1))
					}
					clear := s.Clear
					if below == 1 {
						clear = s.ClearTree
					}
					ctx := endingAfter(n)
					err = clear(ctx)
					verify(t, kv)
					left := kv.Stats().Entries
					if err == nil {
						require.Equal(t, entries, left)
						break
					}
					require.ErrorIs(t, err, context.Canceled)
					require.Equal(t, left < 2*entries, adaptor.OutcomeUnknown(err), "%d entries are left of %d", left, 2*entries)
					outcomes[adaptor.OutcomeUnknown(err)]++
					require.NoError(t, s.Clear(context.Background()), "a second Clear removes the rest")
					require.Equal(t, entries, kv.Stats().Entries)
				}
				assert.Positive(t, outcomes[true])
				assert.Positive(t, outcomes[false])
			}
		})
	}
}

// textKind returns a short text, a long text, a large text or a number.
func textKind(i int) any {
	switch i % 20 {
	case 0:
		return string(textOf(i, 5000))
	case 1:
		return string(textOf(i, 300))
	case 2:
		return i
	}
	return "text"
}

// A Clear whose last entry is removed before the context ends reports the outcome of the whole call
// as unknown, because it has not examined the rest.
func TestClearOfAnEmptyNamespaceThatEndsEarlyIsNotApplied(t *testing.T) {
	s := openStore(t, Config{})
	other, err := opener{s.kv}.OpenAtomic([]string{"other"})
	require.NoError(t, err)
	require.NoError(t, other.Set(context.Background(), "k", []byte("1"), driver.NoTTL))
	for n := range 70 {
		if err := s.Clear(endingAfter(n), true); err != nil {
			require.False(t, driver.IsUnknown(err))
		}
	}
	assert.Equal(t, 1, s.kv.Stats().Entries)
}

// A batch may end at any step. Each key tells whether it was applied: a key without an error was,
// and a key with an error surely was not.
func TestBatchThatEndsEarlyTellsTheOutcomeOfEachKey(t *testing.T) {
	background := context.Background()
	for name, config := range map[string]Config{"64 shards": {}, "one shard": {MaxBytes: 2<<20 - 1}} {
		t.Run(name, func(t *testing.T) {
			const entries = 200
			keys, before, after := make([]string, entries), make([][]byte, entries), make([][]byte, entries)
			for i := range keys {
				keys[i], before[i], after[i] = fmt.Sprint(i), textOf(0, 10), textOf(1, 10)
				if i%20 == 0 {
					before[i], after[i] = textOf(0, 5000), textOf(1, 5001)
				}
			}
			for n, ended := 0, false; !ended; {
				s := openStore(t, config)
				n += 1 + len(s.kv.shards)/10
				require.Nil(t, s.SetMany(background, keys, clone(before), driver.NoTTL))
				errs := s.SetMany(endingAfter(n-1), keys, clone(after), driver.NoTTL)
				ended = errs == nil
				for i, got := range s.GetMany(background, keys) {
					want := after[i]
					if errs != nil && errs[i] != nil {
						require.ErrorIs(t, errs[i], context.Canceled)
						require.False(t, driver.IsUnknown(errs[i]))
						want = before[i]
					}
					require.Equal(t, string(want), string(got.Value), "SetMany, key %d, the context ends at step %d", i, n)
				}
				errs = s.DelMany(endingAfter(n-1), keys)
				for i, got := range s.GetMany(background, keys) {
					require.Equal(t, errs != nil && errs[i] != nil, got.Found, "DelMany, key %d, the context ends at step %d", i, n)
				}
				verify(t, s.kv)
			}
		})
	}
}

func clone(texts [][]byte) [][]byte {
	cloned := make([][]byte, len(texts))
	for i := range texts {
		cloned[i] = append([]byte(nil), texts[i]...)
	}
	return cloned
}

// A GetMany whose context ends returns no key without an error that it has not read. It looks at
// the context every 32 keys.
func TestGetManyThatEndsEarlyReturnsAnErrorForTheRest(t *testing.T) {
	s := openStore(t, Config{})
	keys := make([]string, 200)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
		require.NoError(t, s.Set(context.Background(), keys[i], []byte("1"), driver.NoTTL))
	}
	for n := range 7 {
		ctx := endingAfter(n)
		for i, got := range s.GetMany(ctx, keys) {
			if i < 32*n {
				require.NoError(t, got.Err)
				require.True(t, got.Found)
				require.Equal(t, "1", string(got.Value))
				continue
			}
			require.ErrorIs(t, got.Err, context.Canceled, "key %d, the context ends at step %d", i, n)
			require.False(t, got.Found)
			require.Nil(t, got.Value)
		}
	}
}

// Keys returns the error of its context. Without an error, it has yielded every key.
func TestKeysThatEndEarlyReturnAnError(t *testing.T) {
	for _, config := range []Config{{}, {MaxBytes: 2<<20 - 1}} {
		s := openStore(t, config)
		for i := range 300 {
			require.NoError(t, s.Set(context.Background(), fmt.Sprint(i), []byte("1"), driver.NoTTL))
		}
		for n := 0; ; n++ {
			yielded := 0
			err := s.Keys(endingAfter(n), false, func([]string, string) bool { yielded++; return true })
			if err == nil {
				require.Equal(t, 300, yielded)
				break
			}
			require.ErrorIs(t, err, context.Canceled)
			require.LessOrEqual(t, yielded, 300)
		}
	}
}
