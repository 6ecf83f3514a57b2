package adaptor_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// interfere runs one of the actions before each of the first writes.
func (b *bare) interfere(actions ...func()) {
	b.between = func(op, _ string) error {
		if op != "Get" && len(actions) > 0 {
			action := actions[0]
			actions = actions[1:]
			action()
		}
		return nil
	}
}

// Without driver.Taker, GetDel and Swap return the value at the moment of the write, even if other
// callers write between the read and the write.
func TestGetDelAndSwapWithoutTaker(t *testing.T) {
	b := newBare()
	s, err := adaptor.NewAtomic(b).Namespace("ns")
	require.NoError(t, err)
	put := func(text string) func() { return func() { b.entries["k"] = text } }
	remove := func() { delete(b.entries, "k") }

	put("1")()
	b.interfere(put("2"), put("3"))
	text, found, err := s.GetDel(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, "3 true", string(text)+" "+map[bool]string{true: "true", false: "false"}[found])
	assert.NotContains(t, b.entries, "k")

	put("1")()
	b.interfere(remove)
	_, found, err = s.GetDel(ctx, "k")
	require.NoError(t, err)
	assert.False(t, found, "another caller took it")

	put("1")()
	b.interfere(put("2"), remove, put("4"))
	text, found, err = s.Swap(ctx, "k", 5, adaptor.WithTTL(time.Minute))
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, "4", string(text))
	assert.Equal(t, "5", b.entries["k"])
	assert.Equal(t, time.Minute, b.ttls["k"])

	remove()
	b.interfere()
	_, found, err = s.Swap(ctx, "k", 6, adaptor.WithKeepTTL())
	require.NoError(t, err)
	assert.False(t, found)
	assert.Zero(t, b.ttls["k"], "a new entry has no deadline to keep")
}

// Without driver.Taker, GetDel and Swap end with their context, and never repeat a write without an
// answer.
func TestGetDelAndSwapWithoutTakerEnd(t *testing.T) {
	b := newBare()
	s, err := adaptor.NewAtomic(b).Namespace("ns")
	require.NoError(t, err)
	for name, call := range map[string]func(ctx context.Context) error{
		"GetDel": func(ctx context.Context) error { _, _, err := s.GetDel(ctx, "k"); return err },
		"Swap":   func(ctx context.Context) error { _, _, err := s.Swap(ctx, "k", "new"); return err },
	} {
		b.entries["k"] = "1"
		ends, cancel := context.WithCancel(ctx)
		b.between = func(op, _ string) error {
			if op != "Get" {
				b.entries["k"] += "1" // another caller is always faster
				cancel()
			}
			return nil
		}
		err := call(ends)
		assert.ErrorIs(t, err, context.Canceled, name)
		assert.False(t, adaptor.OutcomeUnknown(err), name)

		writes := 0
		b.between = func(op, _ string) error {
			if op == "Get" {
				return nil
			}
			writes++
			return driver.Unknown(errors.New("no answer"))
		}
		err = call(ctx)
		assert.True(t, adaptor.OutcomeUnknown(err), name)
		assert.Equal(t, 1, writes, name)
	}
}

// contrary is a backend whose Get finds nothing and whose SetNX finds an entry.
type contrary struct{ bareStore }

func (contrary) OpenAtomic([]string) (driver.AtomicStore, error) { return contrary{}, nil }

func (contrary) Get(context.Context, string) ([]byte, bool, error) { return nil, false, nil }

func (contrary) SetNX(context.Context, string, []byte, time.Duration) (bool, error) {
	return false, nil
}

// A backend whose methods disagree causes an error, and no endless loop.
func TestContradictoryBackendCausesAnError(t *testing.T) {
	s, err := adaptor.NewAtomic(contrary{}).Namespace("ns")
	require.NoError(t, err)
	h := adaptor.Of[int](s)
	_, _, err = s.Swap(ctx, "k", 1)
	assert.ErrorContains(t, err, "Get and SetNX of the backend disagree")
	_, err = h.SetNX(ctx, "k", 1)
	assert.ErrorContains(t, err, "Get and SetNX of the backend disagree")
	value, found, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) {
		return adaptor.Loaded[int]{Value: 7}, nil
	})
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, 7, value, "not stored, but loaded")
}

// GetDel and Swap of a value that does not decode return an error that does not say that the write
// was not applied.
func TestGetDelAndSwapOfAValueThatDoesNotDecode(t *testing.T) {
	s := open(t, &backend{stored: []byte(`"secret"`)})
	_, found, err := adaptor.GetDel[int](ctx, s, "secret-key")
	assert.False(t, found)
	assert.ErrorIs(t, err, adaptor.ErrInvalidValue)
	var e *adaptor.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "Decode", e.Op)
	assert.NotContains(t, err.Error(), "secret")
	_, _, err = adaptor.GetDel[int](ctx, nil, "k")
	assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	_, _, err = adaptor.Swap[int](ctx, nil, "k", 1)
	assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
}

// Persist returns errors.ErrUnsupported if the backend cannot do it.
func TestPersistWithoutPersister(t *testing.T) {
	s, err := adaptor.NewAtomic(newBare()).Namespace("ns")
	require.NoError(t, err)
	_, err = s.Persist(ctx, "k")
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.EqualError(t, err, `kv: Persist in namespace "ns": STORE_OPERATION_FAILED: the backend can't remove a deadline`)
}
