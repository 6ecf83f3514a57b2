package memory_test

import (
	"context"
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/adaptortest"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/mutant"
)

var intercept = flag.Bool("intercept", false, "run TestHistories and TestSequences through an Intercept")

// throughIntercept returns kv, through an Intercept if the flag says so.
func throughIntercept(kv adaptor.AtomicKVAdaptor) adaptor.AtomicKVAdaptor {
	if *intercept {
		return adaptor.Intercept(kv, pass)
	}
	return kv
}

// set sets a flag for the duration of a test.
func set[T any](t *testing.T, flag *T, value T) {
	before := *flag
	*flag = value
	t.Cleanup(func() { *flag = before })
}

func TestHistoriesThroughIntercept(t *testing.T) {
	set(t, intercept, true)
	set(t, histories, min(*histories, 10))
	TestHistories(t)
}

func TestSequencesThroughIntercept(t *testing.T) {
	set(t, intercept, true)
	TestSequences(t)
}

// The models also find bugs through an Intercept, in the store and in the Intercept itself.
func TestModelsFindBugsThroughIntercept(t *testing.T) {
	t.Parallel()
	histories := []string{"-run", "^TestHistories$", "-histories", "1000", "-intercept", "."}
	sequences := []string{"-run", "^TestSequences$", "-rapid.checks", "20000", "-rapid.nofailfile", "-intercept", "."}
	const call, store = "../adaptor/driver/call.go", "../adaptor/driver/intercept.go"
	for _, m := range []struct {
		bug, file, old, new string
		run                 []string
	}{
		{"the store's SetNX is not atomic", "store.go",
			"stored = w.at == 0 && w.put()", "stored = w.at == 0\n\t\t" + yields + "stored = stored && w.put()", histories},
		{"Set loses its TTL", call, "s.Set(ctx, c.key, c.value, c.ttl)", "s.Set(ctx, c.key, c.value, 0)", sequences},
		{"ClearTree is Clear", call, "s, c.op == opClearTree", "s, false", sequences},
		{"Incr runs twice", call, "c.sum, err = Count(ctx, s, c.key, c.by, c.ttl)",
			"c.sum, err = Count(ctx, s, c.key, c.by, c.ttl)\n\t\tc.sum, err = Count(ctx, s, c.key, c.by, c.ttl)", sequences},
		{"a Call returns to the pool before its results are read", store, "value, found = c.value, c.done\n\tc.releaseValues()",
			"c.releaseValues()\n\tvalue, found = c.value, c.done", sequences},
		{"an error of the store is dropped", store, "if err = s.intercept(ctx, c); c.failed(err) {\n\t\treturn 0, 0, c.fail(err)",
			"if err = s.intercept(ctx, c); false {\n\t\treturn 0, 0, c.fail(err)", sequences},
	} {
		t.Run(m.bug, func(t *testing.T) {
			output, failed := mutant.Test(t, m.file, m.old, m.new, m.run...)
			assert.True(t, failed, "planted, and not found: %s\n%s", m.bug, output)
			assert.Regexp(t, `not linearizable|\[rapid\] (failed|flaky)`, output)
		})
	}
}

// pass is an interceptor that only calls Next.
func pass(ctx context.Context, call *driver.Call) error { return call.Next(ctx) }

func intercepted(t testing.TB) adaptor.AtomicKVAdaptor {
	return adaptor.Intercept(harness.New(t), pass)
}

func TestConformanceThroughIntercept(t *testing.T) {
	adaptortest.TestAtomicAdaptor(t, adaptortest.Harness[adaptor.AtomicKVAdaptor]{New: intercepted})
}

// The suite also passes through a tracing interceptor around another one.
func TestConformanceThroughTwoIntercepts(t *testing.T) {
	adaptortest.TestAtomicAdaptor(t, adaptortest.Harness[adaptor.AtomicKVAdaptor]{
		New: func(t testing.TB) adaptor.AtomicKVAdaptor { return adaptor.Intercept(intercepted(t), trace(t)) },
	})
}

// trace returns an interceptor that reads the fields of each Call, as a tracer does.
func trace(t testing.TB) driver.Interceptor {
	return func(ctx context.Context, call *driver.Call) error {
		assert.NotEmpty(t, call.Namespace())
		err := call.Next(ctx)
		if call.Found || call.Applied {
			assert.Empty(t, adaptor.CodeOfDriver(err), call.Method)
		}
		return err
	}
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
