package adaptortest

import (
	"fmt"
	"testing"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// Benchmark measures the operations of an adaptor of h.New on 1,000 keys, each as a sub-benchmark
// with the name of the operation. It runs in real time, without Advance and Margin.
func Benchmark(b *testing.B, h Harness[adaptor.AtomicKVAdaptor]) {
	a := h.New(b)
	s, err := a.Namespace("benchmark")
	if err != nil {
		b.Fatal(err)
	}
	type user struct {
		ID, Name, Mail string
		Age            int
	}
	var value any = user{"42", "Ada Lovelace", "ada@example.org", 36}
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprintf("user:%06d", i)
		if err := s.Set(background, keys[i], value, adaptor.WithTTL(time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	ttl := adaptor.WithTTL(time.Hour)
	for _, o := range []struct {
		name string
		do   func(key string) error
	}{
		{"Get", func(key string) error { return third(adaptor.Get[user](background, s, key)) }},
		{"GetRaw", func(key string) error { return third(s.GetRaw(background, key)) }},
		{"Has", func(key string) error { return second(s.Has(background, key)) }},
		{"TTL", func(key string) error { return third(s.TTL(background, key)) }},
		{"Set", func(key string) error { return s.Set(background, key, value, ttl) }},
		{"Expire", func(key string) error { return second(s.Expire(background, key, time.Hour)) }},
		{"Incr", func(key string) error { return second(s.Incr(background, key+"n", 1, ttl)) }},
		{"SetNX", func(key string) error { return second(s.SetNX(background, key, value, ttl)) }},
		{"CompareAndSwap", func(key string) error { return second(s.CompareAndSwap(background, key, value, value, ttl)) }},
		{"Del", func(key string) error { return s.Del(background, key) }},
	} {
		b.Run(o.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := o.do(keys[i%len(keys)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
