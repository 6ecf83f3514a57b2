package codec

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

// FuzzValue checks that Unmarshal returns the value that Marshal accepted, and that the text is the
// text of encoding/json.
func FuzzValue(f *testing.F) {
	for _, s := range []string{`null`, `{"a":[1,2.5e3,"\u00e9"]}`, `"\ud83d\ude00"`, ` [ ] `, `{"a":1,"a":2}`, `-0`, `"\ud800"`, `1e400`} {
		f.Add([]byte(s), s, int64(1), 0.5)
	}
	f.Fuzz(func(t *testing.T, raw []byte, text string, n int64, x float64) {
		type value struct {
			Raw json.RawMessage
			S   string
			N   int64
			F   float64
			B   []byte
			M   map[string]any
			P   *string
			Num json.Number
		}
		var any1 any
		_ = json.Unmarshal(raw, &any1)
		in := value{S: text, N: n, F: x, B: raw, M: map[string]any{text: any1}, P: &text, Raw: json.RawMessage(`1`)}
		if json.Valid(raw) {
			in.Raw = raw
		}
		out, err := Marshal(in)
		var std bytes.Buffer
		enc := json.NewEncoder(&std)
		enc.SetEscapeHTML(false)
		stdErr := enc.Encode(in)
		if err != nil {
			if stdErr == nil && utf8.ValidString(text) && utf8.Valid(raw) && !bytes.Contains(raw, []byte(`\u`)) {
				t.Fatalf("refused %+v: %v", in, err)
			}
			return
		}
		if stdErr != nil || !utf8.Valid(out) {
			t.Fatalf("accepted %+v as %q; encoding/json: %v", in, out, stdErr)
		}
		want := bytes.TrimSuffix(std.Bytes(), []byte("\n"))
		// encoding/json always escapes these two characters. The codec never does.
		want = bytes.ReplaceAll(want, []byte(`\u2028`), []byte("\u2028"))
		want = bytes.ReplaceAll(want, []byte(`\u2029`), []byte("\u2029"))
		if !bytes.Contains(raw, []byte(`\`)) && !bytes.Contains([]byte(text), []byte(`\`)) && !bytes.Equal(out, want) {
			t.Fatalf("wrote %q, encoding/json %q", out, want)
		}
		var back value
		if err := Unmarshal(out, &back); err != nil {
			t.Fatalf("%q does not come back: %v", out, err)
		}
		again, err := Marshal(back)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%q came back as %q, %v", out, again, err)
		}
		if back.S != in.S || back.N != in.N || back.F != in.F || !bytes.Equal(back.B, in.B) || *back.P != *in.P || !reflect.DeepEqual(back.M, in.M) {
			t.Fatalf("%+v came back as %+v", in, back)
		}
	})
}

// FuzzTextRoundTrip checks that an accepted text is valid, and stays the same after decoding and
// encoding.
func FuzzTextRoundTrip(f *testing.F) {
	for _, s := range []string{`null`, `{"a":[1,2.5e3,"\u00e9"]}`, `"\ud83d\ude00"`, ` [ ] `, `{"a":1,"a":2}`, `-0`, `"\ud800"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		text, err := Marshal(json.RawMessage(in))
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("accepted %q, wrote invalid JSON %q", in, text)
		}
		again, err := Marshal(json.RawMessage(text))
		if err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q is not stable: %q, %v", text, again, err)
		}
		var back json.RawMessage
		if err := Unmarshal(text, &back); err != nil || !bytes.Equal(back, text) {
			t.Fatalf("%q came back as %q, %v", text, back, err)
		}
	})
}

// FuzzExact checks that the fast paths of Marshal and Unmarshal are exact.
func FuzzExact(f *testing.F) {
	for seed := range uint64(32) {
		f.Add(seed, seed, "plain")
		f.Add(seed, seed, "\xff\u2028")
	}
	f.Fuzz(checkExact)
}
