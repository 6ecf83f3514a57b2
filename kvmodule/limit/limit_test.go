package limit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/limittest"
	"github.com/zelt-go/kv/memory"
)

var ctx = context.Background()

func newMemory(t testing.TB) adaptor.AtomicKVAdaptor {
	t.Helper()
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	return kv
}

// bare hides every optional interface of a backend.
type bare struct{ driver.AtomicOpener }

func (b bare) OpenAtomic(path []string) (driver.AtomicStore, error) {
	s, err := b.AtomicOpener.OpenAtomic(path)
	return struct{ driver.AtomicStore }{s}, err
}

func newBare(t testing.TB) adaptor.AtomicKVAdaptor {
	t.Helper()
	return adaptor.NewAtomic(bare{adaptor.Driver(newMemory(t))})
}

// newIntercepted passes every operation through an interceptor.
func newIntercepted(t testing.TB) adaptor.AtomicKVAdaptor {
	t.Helper()
	return adaptor.Intercept(newMemory(t), func(ctx context.Context, c *driver.Call) error { return c.Next(ctx) })
}

func TestRules(t *testing.T) {
	bubble := func(t *testing.T, test func(t *testing.T)) { synctest.Test(t, test) }
	for name, create := range map[string]func(t testing.TB) adaptor.AtomicKVAdaptor{"memory": newMemory, "bare": newBare, "intercepted": newIntercepted} {
		t.Run(name, func(t *testing.T) {
			limittest.Test(t, limittest.Engine{New: create, Run: bubble, Step: time.Nanosecond})
		})
	}
}
