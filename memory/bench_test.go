package memory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
)

func BenchmarkHas(b *testing.B) {
	s := newStore(b)
	require.NoError(b, s.Set(ctx, "k", 1, adaptor.WithTTL(time.Hour)))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Has(ctx, "k")
	}
}

func BenchmarkSet(b *testing.B) {
	s := newStore(b)
	var v any = struct{ ID string }{"42"}
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Set(ctx, "k", v, adaptor.WithTTL(time.Hour))
	}
}

func BenchmarkIncr(b *testing.B) {
	s := newStore(b)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Incr(ctx, "k", 1, adaptor.WithTTL(time.Hour))
	}
}
