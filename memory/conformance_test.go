package memory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/adaptortest"
	"github.com/zelt-go/kv/memory"
)

var harness = adaptortest.Harness[adaptor.AtomicKVAdaptor]{
	New: func(t testing.TB) adaptor.AtomicKVAdaptor {
		kv, err := memory.New(memory.Config{})
		require.NoError(t, err)
		return kv
	},
}

func TestConformance(t *testing.T) { adaptortest.TestAtomicAdaptor(t, harness) }

func BenchmarkConformance(b *testing.B) { adaptortest.Benchmark(b, harness) }
