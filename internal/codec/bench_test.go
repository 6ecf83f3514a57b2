package codec

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

// session has about 140 bytes of JSON.
type session struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Email  string   `json:"email"`
	Visits int      `json:"visits"`
	Active bool     `json:"active"`
	Score  float64  `json:"score"`
	Roles  []string `json:"roles"`
}

type timedSession struct {
	User  session   `json:"user"`
	Since time.Time `json:"since"`
}

var (
	aSession = session{
		ID: "0190b2f1-7c3e-7d54", Name: "Ada Lovelace", Email: "ada@example.com",
		Visits: 1842, Active: true, Score: 97.25, Roles: []string{"admin", "author"},
	}
	aTimedSession = timedSession{aSession, time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)}
)

func BenchmarkMarshal(b *testing.B) {
	for _, v := range []struct {
		name  string
		value any
	}{
		{"session", aSession},
		{"timed", aTimedSession},
		{"pointer", &aSession},
		{"int", 5},
		{"string", "abc"},
		{"bool", true},
		{"bytes", make([]byte, 64)},
		{"map", map[string]any{"id": "42", "n": 7.5, "tags": []any{"a", "b"}, "ok": true}},
		{"raw", json.RawMessage(`{"id":"0190b2f1-7c3e-7d54","name":"Ada Lovelace","visits":18,"a":1}`)},
	} {
		b.Run(v.name+"/engine=this", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Marshal(v.value); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(v.name+"/engine=std", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := json.Marshal(v.value); err != nil {
					b.Fatal(err)
				}
			}
		})
		if raw, ok := v.value.(json.RawMessage); ok {
			b.Run(v.name+"/engine=compact", func(b *testing.B) {
				b.ReportAllocs()
				var buf bytes.Buffer
				for b.Loop() {
					buf.Reset()
					if err := json.Compact(&buf, raw); err != nil {
						b.Fatal(err)
					}
					bytes.Clone(buf.Bytes())
				}
			})
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	b.Run("session", benchUnmarshal(aSession))
	b.Run("timed", benchUnmarshal(aTimedSession))
	b.Run("int", benchUnmarshal(5))
	b.Run("string", benchUnmarshal("abc"))
	b.Run("bool", benchUnmarshal(true))
	b.Run("bytes", benchUnmarshal(make([]byte, 64)))
	b.Run("map", benchUnmarshal(map[string]any{"id": "42", "n": 7.5, "tags": []any{"a", "b"}, "ok": true}))
	b.Run("raw", benchUnmarshal(json.RawMessage(`{"id":"0190b2f1-7c3e-7d54","name":"Ada Lovelace","visits":18,"a":1}`)))
}

func benchUnmarshal[T any](v T) func(*testing.B) {
	return func(b *testing.B) {
		text, err := Marshal(v)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("engine=this", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var target T
				if err := Unmarshal(text, &target); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("engine=std", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var target T
				if err := json.Unmarshal(text, &target); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
