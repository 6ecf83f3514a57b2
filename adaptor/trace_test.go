package adaptor_test

import (
	"context"
	"testing"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/adaptortest"
)

// silent is a Tracer that drops its spans.
type silent struct{}

func (silent) Start(ctx context.Context, _ string) (context.Context, Span) { return ctx, silent{} }
func (silent) Set(string, any)                                             {}
func (silent) End()                                                        {}

// The suite passes through the tracing wrapper of ExampleIntercept. The same wrapper passes it on
// Redis in TestConformance of adaptor/redis.
func TestTraceConforms(t *testing.T) {
	adaptortest.TestAtomicAdaptor(t, adaptortest.Harness[adaptor.AtomicKVAdaptor]{
		New: func(testing.TB) adaptor.AtomicKVAdaptor { return Trace(newKV(), silent{}) },
	})
}
