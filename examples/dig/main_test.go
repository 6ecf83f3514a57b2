package main

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	main()
	// Output:
	// cache:     Ada true
	// ratelimit: allowed true
	// ratelimit: allowed false
	// session:   user 42 true
	// lock:      held while the report is written
	// lock:      ran true
}

// A collector that still runs at the end of the bubble is a deadlock.
func TestRunStopsTheCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), &out))
	})
}

func TestRunReportsAFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	err := run(ctx, &out)
	require.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	require.ErrorIs(t, err, context.Canceled)
}

func TestOneDecorationReplacesTheAdaptorOfAllServices(t *testing.T) {
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	tenant, err := kv.Namespace("tenant-1")
	require.NoError(t, err)
	container, err := build()
	require.NoError(t, err)
	require.NoError(t, container.Decorate(func(adaptor.AtomicKVAdaptor) adaptor.AtomicKVAdaptor { return tenant }))

	var out bytes.Buffer
	require.NoError(t, container.Invoke(func(s services) error { return s.use(t.Context(), &out) }))

	for name, key := range map[string]string{"cache": "user:42", "ratelimit": "req:client"} {
		store, err := tenant.Namespace(name)
		require.NoError(t, err)
		found, err := store.Has(t.Context(), key)
		require.NoError(t, err)
		require.True(t, found, name)
	}
}
