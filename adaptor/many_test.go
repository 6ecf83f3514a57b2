package adaptor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// batches contains each batch operation on n keys.
func batches(n int) map[string]func(ctx context.Context, s *adaptor.AtomicKVStore, opts ...adaptor.Option) error {
	keys, entries := make([]string, n), make([]adaptor.Entry, n)
	for i := range n {
		keys[i] = fmt.Sprint("secret-key-", i)
		entries[i] = adaptor.Entry{Key: keys[i], Value: i}
	}
	return map[string]func(context.Context, *adaptor.AtomicKVStore, ...adaptor.Option) error{
		"GetMany": func(ctx context.Context, s *adaptor.AtomicKVStore, _ ...adaptor.Option) error {
			results, err := adaptor.GetMany[any](ctx, s, keys)
			for _, r := range results {
				if r.Found && r.Err != nil {
					panic("found, and an error")
				}
			}
			return err
		},
		"SetMany": func(ctx context.Context, s *adaptor.AtomicKVStore, opts ...adaptor.Option) error {
			return s.SetMany(ctx, entries, opts...)
		},
		"DelMany": func(ctx context.Context, s *adaptor.AtomicKVStore, _ ...adaptor.Option) error {
			return s.DelMany(ctx, keys)
		},
	}
}

func TestBatchesReachTheDriverOnce(t *testing.T) {
	b := &backend{}
	s := open(t, b)
	for _, call := range batches(2) {
		require.NoError(t, call(ctx, s, adaptor.WithTTL(time.Minute)))
	}
	assert.ElementsMatch(t, []string{
		`GetMany ["ns"] ["secret-key-0" "secret-key-1"]`,
		`SetMany ["ns"] ["secret-key-0" "secret-key-1"] ["0" "1"] 1m0s`,
		`DelMany ["ns"] ["secret-key-0" "secret-key-1"]`,
	}, b.calls)
	b.calls = nil
	for _, call := range batches(0) {
		require.NoError(t, call(ctx, s))
	}
	assert.Empty(t, b.calls, "an empty batch does not reach the driver")
}

// A batch checks options, context and values, in this order, before the first key.
func TestBatchesCheckArgumentsBeforeTheFirstKey(t *testing.T) {
	done, cancel := context.WithCancel(ctx)
	cancel()
	b := &backend{}
	s := open(t, b)
	bad := []adaptor.Entry{{Key: "k", Value: 1}, {Key: "bad", Value: make(chan int)}}
	assert.Equal(t, adaptor.CodeInvalidTTL, adaptor.CodeOf(s.SetMany(done, bad, adaptor.WithTTL(0))))
	assert.Equal(t, adaptor.CodeStoreOperationFailed, adaptor.CodeOf(s.SetMany(done, bad)))
	err := s.SetMany(ctx, bad)
	var e *adaptor.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, adaptor.CodeInvalidValue, e.Code)
	assert.Equal(t, "bad", e.Key)
	for name, call := range batches(2) {
		err := call(done, s)
		assert.ErrorIs(t, err, context.Canceled, name)
		assert.False(t, adaptor.OutcomeUnknown(err), name)
		var perKey adaptor.KeyErrors
		assert.False(t, errors.As(err, &perKey), "%s: the call failed as a whole", name)
		for _, none := range []*adaptor.AtomicKVStore{nil, {}} {
			assert.ErrorIs(t, call(ctx, none), adaptor.ErrStoreOperationFailed, name)
		}
	}
	assert.Empty(t, b.calls)
	_, err = adaptor.GetMany[int](ctx, nil, []string{"k"})
	assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
}

// Without driver.Batch, the front tries each key, and a key that fails does not affect the others.
// When the context ends, the remaining keys are not tried.
func TestEachKeyOfABatchFailsAlone(t *testing.T) {
	for name, call := range batches(5) {
		b := newBare()
		s, err := adaptor.NewAtomic(b).Namespace("ns")
		require.NoError(t, err)
		ends, cancel := context.WithCancel(ctx)
		tried := 0
		b.between = func(_, key string) error {
			tried++
			switch key {
			case "secret-key-1":
				return driver.Reason(driver.ErrInvalidValue, "too long")
			case "secret-key-3":
				cancel()
				return driver.Unknown(errors.New("secret-key-3"))
			}
			return nil
		}
		err = call(ends, s)
		assert.Equal(t, 4, tried, name)
		var perKey adaptor.KeyErrors
		require.ErrorAs(t, err, &perKey, name)
		require.Len(t, perKey, 5, name)
		assert.NoError(t, perKey[0], name)
		assert.ErrorIs(t, perKey[1], adaptor.ErrInvalidValue, name)
		assert.NoError(t, perKey[2], name)
		assert.ErrorIs(t, perKey[3], adaptor.ErrStoreOperationFailed, name)
		assert.ErrorIs(t, perKey[4], context.Canceled, name)
		writes := name != "GetMany"
		assert.Equal(t, writes, adaptor.OutcomeUnknown(perKey[3]), name)
		assert.False(t, adaptor.OutcomeUnknown(perKey[4]), "surely not applied")

		assert.Equal(t, adaptor.CodeStoreOperationFailed, adaptor.CodeOf(err), "the code of one key")
		assert.Equal(t, writes, adaptor.OutcomeUnknown(err), name)
		assert.ErrorContains(t, err, `kv: `+name+` in namespace "ns": STORE_OPERATION_FAILED: 3 of 5 keys failed, the first with INVALID_VALUE: too long`)
		assert.NotContains(t, err.Error(), "secret")
		assert.NotContains(t, perKey.Error(), "secret")
	}
}

// A driver that returns results for another number of keys causes an error and no panic.
func TestBackendReturnsAWrongNumberOfResults(t *testing.T) {
	for name, call := range batches(3) {
		s, err := adaptor.NewAtomic(short{}).Namespace("ns")
		require.NoError(t, err)
		err = call(ctx, s)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
		assert.Equal(t, name != "GetMany", adaptor.OutcomeUnknown(err), name)
	}
}

type short struct{ bareStore }

func (s short) OpenAtomic([]string) (driver.AtomicStore, error) { return s, nil }
func (short) GetMany(context.Context, []string) []driver.Got    { return make([]driver.Got, 2) }
func (short) SetMany(context.Context, []string, [][]byte, time.Duration) []error {
	return make([]error, 4)
}
func (short) DelMany(context.Context, []string) []error { return make([]error, 1) }
