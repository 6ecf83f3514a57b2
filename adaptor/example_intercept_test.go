package adaptor_test

import (
	"context"
	"fmt"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// A Tracer starts spans, as the tracer of a third party does.
type Tracer interface {
	Start(ctx context.Context, name string) (context.Context, Span)
}

// A Span records one operation.
type Span interface {
	Set(name string, value any)
	End()
}

// Trace returns an adaptor of the same stores as kv, with a span for each operation. It records no key and no
// value.
func Trace(kv adaptor.AtomicKVAdaptor, tracer Tracer) adaptor.AtomicKVAdaptor {
	return adaptor.Intercept(kv, func(ctx context.Context, call *driver.Call) error {
		ctx, span := tracer.Start(ctx, "kv."+call.Method)
		defer span.End()
		span.Set("namespace", call.Namespace())
		err := call.Next(ctx)
		span.Set("found", call.Found)
		if code := adaptor.CodeOfDriver(err); code != "" {
			span.Set("error", code)
		}
		return err
	})
}

// printer is a Tracer that prints.
type printer struct{ text string }

func (*printer) Start(ctx context.Context, name string) (context.Context, Span) {
	return ctx, &printer{name}
}
func (p *printer) Set(name string, value any) { p.text += fmt.Sprintf(" %s=%v", name, value) }
func (p *printer) End()                       { fmt.Println(p.text) }

// A tracing wrapper needs one function. It works around every adaptor and every store.
func ExampleIntercept() {
	ctx, kv := context.Background(), Trace(newKV(), &printer{})
	users, err := kv.Namespace("users")
	if err != nil {
		return
	}
	_ = users.Set(ctx, "42", "Ada")
	_, _, _ = adaptor.Get[string](ctx, users, "42")
	_, _, _ = adaptor.Get[string](ctx, users, "43")
	_, _ = users.Incr(ctx, "42", 1)
	// Output:
	// kv.Set namespace=users found=false
	// kv.Get namespace=users found=true
	// kv.Get namespace=users found=false
	// kv.Incr namespace=users found=false error=INVALID_VALUE
}
