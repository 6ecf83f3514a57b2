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

// Without driver.GetExpirer, GetExpire returns the value whose deadline it sets, also if another
// caller writes between the read and the write.
func TestGetExpireWithoutGetExpirer(t *testing.T) {
	b := newBare()
	s, err := adaptor.NewAtomic(b).Namespace("ns")
	require.NoError(t, err)
	put := func(text string) func() { return func() { b.entries["k"], b.ttls["k"] = text, time.Second } }
	remove := func() { delete(b.entries, "k") }
	check := func(wantText string, wantFound bool) {
		t.Helper()
		text, found, err := s.GetExpire(ctx, "k", time.Minute)
		require.NoError(t, err)
		assert.Equal(t, wantFound, found)
		assert.Equal(t, wantText, string(text))
	}

	put("1")()
	b.interfere()
	check("1", true)
	assert.Equal(t, "1", b.entries["k"])
	assert.Equal(t, time.Minute, b.ttls["k"])

	put("1")()
	b.interfere(put("2"), put("3"))
	check("3", true)
	assert.Equal(t, "3", b.entries["k"])
	assert.Equal(t, time.Minute, b.ttls["k"])

	put("1")()
	b.interfere(remove)
	check("", false)
	assert.NotContains(t, b.entries, "k", "GetExpire must not bring a deleted key back")

	placeholder := func() { b.entries["k"], b.ttls["k"] = placeholderText, time.Second }
	put("1")()
	b.interfere(placeholder)
	check("", false)
	assert.Equal(t, time.Second, b.ttls["k"], "a placeholder keeps its deadline")
}

// Without driver.GetExpirer, GetExpire ends with its context, and repeats no write without an answer.
func TestGetExpireWithoutGetExpirerEnds(t *testing.T) {
	b := newBare()
	s, err := adaptor.NewAtomic(b).Namespace("ns")
	require.NoError(t, err)
	b.entries["k"] = "1"
	ends, cancel := context.WithCancel(ctx)
	b.between = func(op, _ string) error {
		if op != "Get" {
			b.entries["k"] += "1" // another caller writes before each write
			cancel()
		}
		return nil
	}
	_, found, err := s.GetExpire(ends, "k", time.Minute)
	assert.ErrorIs(t, err, context.Canceled)
	assert.False(t, adaptor.OutcomeUnknown(err))
	assert.False(t, found)

	writes := 0
	b.between = func(op, _ string) error {
		if op == "Get" {
			return nil
		}
		writes++
		return driver.Unknown(errors.New("no answer"))
	}
	_, found, err = s.GetExpire(ctx, "k", time.Minute)
	assert.True(t, adaptor.OutcomeUnknown(err))
	assert.False(t, found)
	assert.Equal(t, 1, writes)

	b.between = func(op, _ string) error {
		if op != "Get" {
			b.entries["k"] = map[string]string{"1": "2", "2": "1"}[b.entries["k"]]
		}
		return nil
	}
	b.entries["k"] = "1"
	_, _, err = s.GetExpire(ctx, "k", time.Minute)
	assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, "an error and no endless loop")
}

// A backend whose GetExpirer is not available has the fallback.
func TestGetExpireOfAnUnavailableGetExpirer(t *testing.T) {
	b := newBare()
	b.entries["k"] = "1"
	s, err := adaptor.NewAtomic(unavailable{b}).Namespace("ns")
	require.NoError(t, err)
	value, found, err := adaptor.GetExpire[int](ctx, s, "k", time.Minute)
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, 1, value)
	assert.Equal(t, time.Minute, b.ttls["k"])
}

type unavailable struct{ *bare }

func (u unavailable) OpenAtomic([]string) (driver.AtomicStore, error) {
	return unavailableStore{bareStore(u)}, nil
}

type unavailableStore struct{ bareStore }

func (unavailableStore) GetExpire(context.Context, string, time.Duration) ([]byte, bool, error) {
	return nil, false, fmt.Errorf("wrapped: %w", errors.ErrUnsupported)
}

// A value that does not decode has its new deadline, so no error says that the write was not applied.
func TestGetExpireOfAValueThatDoesNotDecode(t *testing.T) {
	s := open(t, &backend{stored: []byte(`"secret"`)})
	_, found, err := adaptor.GetExpire[int](ctx, s, "secret-key", time.Minute)
	assert.False(t, found)
	assert.ErrorIs(t, err, adaptor.ErrInvalidValue)
	var e *adaptor.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "Decode", e.Op)
	assert.NotContains(t, err.Error(), "secret")
	_, _, err = adaptor.GetExpire[int](ctx, nil, "k", time.Minute)
	assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
}
