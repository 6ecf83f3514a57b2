package memory_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/adaptortest"
	"github.com/zelt-go/kv/adaptor/driver"
)

// pass is an interceptor that only calls Next.
func pass(ctx context.Context, call *driver.Call) error { return call.Next(ctx) }

func intercepted(t testing.TB) adaptor.AtomicKVAdaptor { return adaptor.Intercept(harness.New(t), pass) }

func TestConformanceThroughIntercept(t *testing.T) {
	adaptortest.TestAtomicAdaptor(t, adaptortest.Harness[adaptor.AtomicKVAdaptor]{New: intercepted})
}

func TestConformanceThroughTwoIntercepts(t *testing.T) {
	adaptortest.TestAtomicAdaptor(t, adaptortest.Harness[adaptor.AtomicKVAdaptor]{
		New: func(t testing.TB) adaptor.AtomicKVAdaptor { return adaptor.Intercept(intercepted(t), pass) },
	})
}

// hot returns a store with 1,000 entries and their keys.
func hot(t testing.TB, kv adaptor.AtomicKVAdaptor) (*adaptor.AtomicKVStore, []string) {
	store, err := kv.Namespace("bench")
	if err != nil {
		t.Fatal(err)
	}
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = "key:" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "0123456789"
		if err := store.Set(ctx, keys[i], i); err != nil {
			t.Fatal(err)
		}
	}
	return store, keys
}

func TestInterceptAllocatesNothing(t *testing.T) {
	store, keys := hot(t, intercepted(t))
	_, err := store.Incr(ctx, "counter", 1)
	assert.NoError(t, err)
	assert.Zero(t, testing.AllocsPerRun(10_000, func() { _, _ = store.Has(ctx, keys[0]) }), "Has")
	assert.Zero(t, testing.AllocsPerRun(10_000, func() { _, _ = store.Incr(ctx, "counter", 1) }), "Incr")
}

// BenchmarkIntercept measures Has of hot keys without and with an interceptor that only calls Next. The bar is
// at most twice the time.
func BenchmarkIntercept(b *testing.B) {
	for name, kv := range map[string]adaptor.AtomicKVAdaptor{"none": harness.New(b), "one": intercepted(b)} {
		store, keys := hot(b, kv)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := store.Has(ctx, keys[i%len(keys)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
