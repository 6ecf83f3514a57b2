package adaptor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// lister is a backend that can list its keys and has no Clearer.
type lister struct {
	*bare
	path []string
	err  error // returned after the keys
}

func (l lister) OpenAtomic(path []string) (driver.AtomicStore, error) {
	return listerStore{bareStore{l.bare}, lister{l.bare, path, l.err}}, nil
}

type listerStore struct {
	bareStore
	lister lister
}

func (s listerStore) at(key string) string { return driver.Key(s.lister.path, key) }

func (s listerStore) Set(ctx context.Context, key string, value []byte, _ time.Duration) error {
	return s.bareStore.Set(ctx, s.at(key), value, 0)
}

func (s listerStore) Del(ctx context.Context, key string) error {
	return s.bareStore.Del(ctx, s.at(key))
}

// Keys continues after yield has returned false. The front must ignore this.
func (s listerStore) Keys(_ context.Context, below bool, yield func([]string, string) bool) error {
	var all []string
	for physical := range s.entries {
		all = append(all, physical)
	}
	slices.Sort(all)
	for _, physical := range all {
		if path, key, ok := driver.Under(s.at(""), physical); ok && (below || len(path) == 0) {
			yield(path, key)
		}
	}
	return s.lister.err
}

func first[A any](seq iter.Seq2[A, error]) (n int, err error) {
	for _, err = range seq {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// listings contains the operations that list keys.
func listings(ctx context.Context, s *adaptor.AtomicKVStore) map[string]func() error {
	return map[string]func() error{
		"Keys":      func() error { _, err := first(s.Keys(ctx)); return err },
		"Tree":      func() error { _, err := first(s.Tree(ctx)); return err },
		"Clear":     func() error { return s.Clear(ctx) },
		"ClearTree": func() error { return s.ClearTree(ctx) },
	}
}

func TestErrorsOfKeysAndClear(t *testing.T) {
	done, cancel := context.WithCancel(ctx)
	cancel()
	s, err := adaptor.NewAtomic(newBare()).Namespace("ns")
	require.NoError(t, err)
	for op, call := range listings(ctx, s) {
		err := call()
		assert.ErrorIs(t, err, errors.ErrUnsupported, op)
		assert.EqualError(t, err, `kv: `+op+` in namespace "ns": STORE_OPERATION_FAILED: the backend can't list keys`)
		assert.False(t, adaptor.OutcomeUnknown(err))
	}
	for op, call := range listings(done, s) {
		assert.ErrorIs(t, call(), context.Canceled, op)
	}
	for _, none := range []*adaptor.AtomicKVStore{nil, {}} {
		for op, call := range listings(ctx, none) {
			assert.ErrorIs(t, call(), adaptor.ErrStoreOperationFailed, op)
		}
	}
	b := lister{bare: newBare(), err: fmt.Errorf("secret: %w", io.EOF)}
	s, err = adaptor.NewAtomic(b).Namespace("ns")
	require.NoError(t, err)
	require.NoError(t, s.Set(ctx, "secret-key", 1))
	n, err := first(s.Keys(ctx))
	assert.Equal(t, 1, n, "the keys before the error")
	assert.ErrorIs(t, err, io.EOF)
	assert.NotContains(t, err.Error(), "secret")
	assert.False(t, adaptor.OutcomeUnknown(err), "a read")
	err = s.Clear(ctx)
	assert.ErrorIs(t, err, io.EOF)
	assert.True(t, adaptor.OutcomeUnknown(err), "a key was deleted")
}

// A loop may end at any key. Nothing follows, regardless of the driver.
func TestNothingFollowsTheEndOfALoop(t *testing.T) {
	b := lister{bare: newBare(), err: io.EOF}
	s, err := adaptor.NewAtomic(b).Namespace("ns")
	require.NoError(t, err)
	for i := range 10 {
		require.NoError(t, s.Set(ctx, fmt.Sprint(i), i))
	}
	var seen []string
	for key, err := range s.Keys(ctx) {
		require.NoError(t, err)
		if seen = append(seen, key); len(seen) == 3 {
			break
		}
	}
	assert.Equal(t, "0 1 2", strings.Join(seen, " "))
	ends, cancel := context.WithCancel(ctx)
	n := 0
	for _, err := range s.Keys(ends) {
		if n++; n == 4 {
			assert.ErrorIs(t, err, context.Canceled)
		} else if n == 3 {
			cancel()
		}
	}
	assert.Equal(t, 4, n, "three keys and one error")
	cancel()
}

// Clear deletes the listed keys if the backend has no Clearer.
func TestClearWithoutClearer(t *testing.T) {
	b := lister{bare: newBare()}
	kv := adaptor.NewAtomic(b)
	fill := func() *adaptor.AtomicKVStore {
		for _, path := range [][]string{{"users"}, {"usersAbc"}, {"users", "child"}, {"users", "a/b", "c"}} {
			s, err := kv.Namespace(path[0])
			for _, name := range path[1:] {
				require.NoError(t, err)
				s, err = s.Namespace(name)
			}
			require.NoError(t, err)
			for i := range 700 {
				require.NoError(t, s.Set(ctx, fmt.Sprint(i), i))
			}
		}
		users, err := kv.Namespace("users")
		require.NoError(t, err)
		return users
	}
	users := fill()
	require.NoError(t, users.Clear(ctx))
	assert.Len(t, b.entries, 2100)
	fill()
	require.NoError(t, users.ClearTree(ctx))
	assert.Len(t, b.entries, 700)
	for key := range b.entries {
		require.True(t, strings.HasPrefix(key, "usersAbc:"))
	}
}
