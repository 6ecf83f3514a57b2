package adaptor_test

import (
	"context"
	"testing"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// BenchmarkGetOrLoadHit reads a stored value with GetOrLoad. The row "Get" reads it without.
func BenchmarkGetOrLoadHit(b *testing.B) {
	s := openMemory(b, "ns")
	users := adaptor.Of[User](s, adaptor.DefaultTTL(time.Hour), adaptor.NoneTTL(time.Minute))
	if err := users.Set(ctx, "42", User{"42", "Ada"}); err != nil {
		b.Fatal(err)
	}
	if _, _, err := users.GetOrLoad(ctx, "43", none[User]); err != nil {
		b.Fatal(err)
	}
	b.Run("value", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, _ = users.GetOrLoad(ctx, "42", none[User])
		}
	})
	b.Run("none", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, _ = users.GetOrLoad(ctx, "43", none[User])
		}
	})
	b.Run("Get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, _ = users.Get(ctx, "42")
		}
	})
}

// BenchmarkGetOrLoadMiss loads a key that was deleted.
func BenchmarkGetOrLoadMiss(b *testing.B) {
	users := adaptor.Of[User](openMemory(b, "ns"), adaptor.DefaultTTL(time.Hour))
	load := func(context.Context) (adaptor.Loaded[User], error) {
		return adaptor.Loaded[User]{Value: User{"42", "Ada"}}, nil
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = users.Del(ctx, "42")
		_, _, _ = users.GetOrLoad(ctx, "42", load)
	}
}
