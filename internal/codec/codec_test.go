package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type user struct {
	ID    string         `json:"id"`
	Age   int            `json:"age,omitempty"`
	Extra map[string]any `json:"extra,omitempty"`
	Ref   *user          `json:"ref,omitempty"`
}

func TestMarshal(t *testing.T) {
	tests := []struct {
		name  string
		value any
		text  string
	}{
		{"nil", nil, `null`},
		{"nil pointer", (*user)(nil), `null`},
		{"nil map", map[string]int(nil), `null`},
		{"nil slice", []int(nil), `null`},
		{"string", "hé", `"hé"`},
		{"HTML characters are not escaped", "<b>&\u2028\u2029", "\"<b>&\u2028\u2029\""},
		{"U+FFFD is a legal character", "\ufffd", "\"\ufffd\""},
		{"int64", int64(math.MaxInt64), `9223372036854775807`},
		{"uint64", uint64(math.MaxUint64), `18446744073709551615`},
		{"float", 1.5, `1.5`},
		{"bytes are base64", []byte{0, 255}, `"AP8="`},
		{"byte array is an array", [2]byte{0, 255}, `[0,255]`},
		{"duration is nanoseconds", time.Second, `1000000000`},
		{"time", time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), `"2026-01-02T03:04:05.000000006Z"`},
		{"map keys are sorted", map[string]int{"b": 1, "a": 2, "é": 3}, `{"a":2,"b":1,"é":3}`},
		{"int map keys", map[int]bool{10: true, 9: false}, `{"10":true,"9":false}`},
		{"text marshaler", netip.MustParseAddr("::1"), `"::1"`},
		{"struct", user{ID: "1", Extra: map[string]any{"n": nil}}, `{"id":"1","extra":{"n":null}}`},
		{"unexported fields only", struct{ hidden int }{1}, `{}`},
		{"string option", struct {
			N int         `json:",string"`
			M json.Number `json:",string"`
		}{1, "2"}, `{"N":"1","M":"2"}`},
		{"number", json.Number("12.50"), `12.50`},
		{"empty number", json.Number(""), `0`},
		{"number in an interface", []any{json.Number("1")}, `[1]`},
		{"number in a struct", struct{ N json.Number }{"7"}, `{"N":7}`},
		{"number behind a pointer", map[string]any{"n": ptr(json.Number("7"))}, `{"n":7}`},
		{"number as the name of a member", map[json.Number]json.Number{"x": "1"}, `{"x":1}`},
		{"raw message is compacted", json.RawMessage(" { \"b\" : [ 1 , 2 ],\n\"a\":\"\\u003c\" } "), `{"b":[1,2],"a":"\u003c"}`},
		{"nil raw message", json.RawMessage(nil), `null`},
		{"pointer receiver, addressable", &pointerMarshaler{}, `"by pointer"`},
		{"pointer receiver, not addressable", pointerMarshaler{}, `{}`},
		{"nil pointer to itself", struct{ P pointerToItself }{}, `{"P":null}`},
		{"text marshaler as key", map[netip.Addr]int{netip.MustParseAddr("::1"): 1}, `{"::1":1}`},
		{"refused keys behind a nil pointer", struct{ P *map[any]int }{}, `{"P":null}`},
		{"refused keys in a type that marshals itself", selfMarshaler{map[any]int{}}, `"self"`},
		{"10,000 levels", nested(10_000), strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := Marshal(tt.value)
			require.NoError(t, err)
			assert.Equal(t, tt.text, string(text))
		})
	}
}

// Marshal writes the same text as encoding/json, except for the differences in the contract.
func TestMarshalAsEncodingJSON(t *testing.T) {
	type all struct {
		B   bool
		I8  int8
		U   uint
		F32 float32
		F64 float64
		S   string
		P   *int
		Any any
		Arr [2]string
		Sl  []float64
		M   map[string]*user
		T   time.Time `json:"t,omitzero"`
		Raw json.RawMessage
		Num json.Number
		user
		Skip int `json:"-"`
		Dash int `json:"dash-"`
	}
	values := []any{
		all{}, &all{F32: 0.1, F64: 1e21, S: "\x00\b\f\n\r\t\"\\\x7f", user: user{ID: "e"}, Raw: json.RawMessage(`1`)},
		1e-7, 1e20, 1e21, float32(1e-7), math.SmallestNonzeroFloat64, math.Copysign(0, -1),
		map[bool1]int{{true}: 1}, []any{1, "a", nil, true, 2.5, map[string]any{"z": 1, "y": []int{}}},
		struct{}{}, [0]int{}, "", json.RawMessage(`"\ud83d\ude00 \/"`), [][]byte{nil, {}},
	}
	for _, v := range values {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(v))
		got, err := Marshal(v)
		require.NoError(t, err)
		assert.Equal(t, strings.TrimSuffix(want.String(), "\n"), string(got), "%#v", v)
	}
}

func TestMarshalRefuses(t *testing.T) {
	cyclicMap := map[string]any{}
	cyclicMap["a"], cyclicMap["b"] = cyclicMap, cyclicMap
	cyclicSlice := []any{nil}
	cyclicSlice[0] = cyclicSlice
	cyclicStruct := &user{}
	cyclicStruct.Ref = cyclicStruct
	var cyclicAny any
	cyclicAny = &cyclicAny
	var cyclicPointer pointerToItself
	cyclicPointer = &cyclicPointer
	var namedCycle named
	namedCycle = &namedCycle
	var keyPointer pointerToItself
	keyPointer = &keyPointer
	var keyAny any
	keyAny = &keyAny
	var shared any = 1
	for range 20_000 {
		shared = []any{shared, shared}
	}
	tests := map[string]any{
		"float keys":                    map[float64]int{1: 1},
		"interface keys":                map[any]int{"a": 1},
		"interface keys, empty":         map[any]int{},
		"pointer keys":                  struct{ M map[*string]int }{map[*string]int{new(string): 1}},
		"cyclic pointer as key":         map[pointerToItself]int{keyPointer: 1},
		"cyclic interface as key":       map[any]int{keyAny: 1},
		"cyclic pointer interface key":  []any{map[*any]int{&keyAny: 1}},
		"20,000 levels of shared parts": shared,
		"channel":                       make(chan int),
		"function":                      func() {},
		"complex":                       1i,
		"channel inside":                map[string]any{"c": make(chan int)},
		"map key":                       map[[1]int]int{{1}: 1},
		"NaN":                           math.NaN(),
		"infinity":                      []float64{math.Inf(1)},
		"cyclic map":                    cyclicMap,
		"cyclic slice":                  cyclicSlice,
		"cyclic struct":                 cyclicStruct,
		"cyclic pointer to interface":   cyclicAny,
		"cyclic named interface":        namedCycle,
		"pointer type to itself":        cyclicPointer,
		"the same inside an interface":  []any{cyclicPointer},
		"10,001 levels":                 nested(10_001),
		"10,001 levels of maps":         wrap(map[string]any{}, 10_000),
		"levels of a raw message add":   wrap(json.RawMessage("[[]]"), 9_999),
		"not UTF-8":                     "a\xff",
		"not UTF-8 in a map key":        map[string]int{"a\xff": 1},
		"not UTF-8 in a raw message":    json.RawMessage("\"a\xff\""),
		"not UTF-8 in MarshalText":      ownText("\xff"),
		"an encoded surrogate half":     "\xed\xa0\x80",
		"unpaired surrogate, raw":       json.RawMessage(`"\ud800"`),
		"raw message is empty":          json.RawMessage{},
		"raw message is two values":     json.RawMessage(`1 2`),
		"raw message has a comma":       json.RawMessage(`[1,]`),
		"number is no number":           json.Number("secret"),
		"number inside is no number":    []any{json.Number("secret")},
		"MarshalJSON brings nonsense":   jsonMarshaler{text: `{"secret"`},
		"MarshalJSON fails":             jsonMarshaler{err: errors.New("secret")},
		"MarshalJSON panics":            jsonMarshaler{panic: "secret"},
		"MarshalJSON panics, error":     jsonMarshaler{panic: errPlanted},
	}
	for name, v := range tests {
		t.Run(name, func(t *testing.T) {
			text, err := Marshal(v)
			assert.Empty(t, len(text))
			var e *Error
			require.ErrorAs(t, err, &e)
			assert.NotContains(t, err.Error(), "secret")
			assert.Less(t, len(err.Error()), 300)
		})
	}
	_, err := Marshal(jsonMarshaler{panic: errPlanted})
	assert.ErrorIs(t, err, errPlanted)
	_, err = Marshal(jsonMarshaler{err: errPlanted})
	assert.ErrorIs(t, err, errPlanted)
}

// A value that is nested or chained two million levels deep does not end the process.
func TestDeepValuesDoNotEndTheProcess(t *testing.T) {
	const deep = 2_000_000
	type node struct{ Next *node }
	type boxed struct{ Next any }
	type slices []slices
	var list *node
	var inMap, inStruct, inPointer, inSlice any
	var typed slices
	for range deep {
		list = &node{list}
		inMap = map[string]any{"a": inMap}
		inStruct = boxed{inStruct}
		inSlice = []any{inSlice}
		typed = slices{typed}
		next := inPointer
		inPointer = &next
	}
	text := strings.Repeat("[", deep) + strings.Repeat("]", deep)
	for name, v := range map[string]any{
		"linked list": list, "maps": inMap, "structs": inStruct, "slices": inSlice, "typed slices": typed,
		"pointers to interfaces": inPointer, "raw message": json.RawMessage(text),
	} {
		_, err := Marshal(v)
		var e *Error
		assert.ErrorAs(t, err, &e, name)
	}
	for name, target := range map[string]any{
		"any": new(any), "slices": new(slices), "raw": new(json.RawMessage), "skipped": new(struct{ A int }),
	} {
		err := Unmarshal([]byte(text), target)
		var e *Error
		assert.ErrorAs(t, err, &e, name)
	}
	objects := strings.Repeat(`{"Next":`, deep) + "null" + strings.Repeat("}", deep)
	assert.Error(t, Unmarshal([]byte(objects), new(node)))
	assert.Error(t, Unmarshal([]byte(objects), new(struct{ Other int })))
}

func TestUnmarshal(t *testing.T) {
	var n int64
	require.NoError(t, Unmarshal([]byte(`9007199254740993`), &n))
	assert.Equal(t, int64(9007199254740993), n, "exact beyond 2^53")

	var v any
	require.NoError(t, Unmarshal([]byte(` {"a":[1,null],"A":"x"} `), &v))
	assert.Equal(t, map[string]any{"a": []any{1.0, nil}, "A": "x"}, v)

	var u user
	require.NoError(t, Unmarshal([]byte(`{"ID":"case-insensitive","unknown":{"x":1}}`), &u))
	assert.Equal(t, user{ID: "case-insensitive"}, u)
	u = user{}
	require.NoError(t, Unmarshal([]byte(`null`), &u))
	assert.Equal(t, user{}, u)

	var num struct{ A, B json.Number }
	require.NoError(t, Unmarshal([]byte(`{"A":12.50,"B":"3"}`), &num))
	assert.Equal(t, json.Number("12.50"), num.A)
	assert.Equal(t, json.Number("3"), num.B)

	var byNumber map[json.Number]int
	require.NoError(t, Unmarshal([]byte(`{"x":1}`), &byNumber))
	assert.Equal(t, map[json.Number]int{"x": 1}, byNumber)

	var d time.Duration
	require.NoError(t, Unmarshal([]byte(`1000`), &d))
	assert.Equal(t, time.Microsecond, d)
}

// A decoded value shares no memory with the text, including raw messages and values that keep the
// argument of UnmarshalJSON.
func TestUnmarshalCopies(t *testing.T) {
	text := []byte(`{"S":"abc","R":{"k":1},"B":"AP8="}`)
	var v struct {
		S string
		R json.RawMessage
		B []byte
	}
	require.NoError(t, Unmarshal(text, &v))
	for i := range text {
		text[i] = 'x'
	}
	assert.Equal(t, "abc", v.S)
	assert.Equal(t, `{"k":1}`, string(v.R))
	assert.Equal(t, []byte{0, 255}, v.B)
}

func TestUnmarshalRefuses(t *testing.T) {
	tests := []struct {
		name, text string
		target     any
	}{
		{"empty", ``, new(any)},
		{"not JSON", `secret`, new(any)},
		{"two values", `1 "secret"`, new(any)},
		{"not UTF-8", "\"secret\xff\"", new(string)},
		{"not UTF-8, raw", "\"secret\xff\"", new(json.RawMessage)},
		{"not UTF-8, skipped", "{\"x\":\"secret\xff\"}", new(user)},
		{"unpaired surrogate", `"secret\ud800"`, new(string)},
		{"10,001 levels", strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), new(any)},
		{"type", `"secret"`, new(int)},
		{"range", `300`, new(int8)},
		{"number", `"secret"`, new(json.Number)},
		{"time", `"secret"`, new(time.Time)},
		{"member", `{"id":{"secret":1}}`, new(user)},
		{"map key", `{"secret":1}`, new(map[int]int)},
		{"base64", `"secret!"`, new([]byte)},
		{"interface", `"secret"`, new(error)},
		{"channel", `"secret"`, new(chan int)},
		{"pointer type to itself", `"secret"`, new(pointerToItself)},
		{"pointer type to itself as key", `{"secret":1}`, new(map[pointerToItself]int)},
		{"UnmarshalJSON fails", `"secret"`, new(jsonMarshaler)},
		{"UnmarshalJSON panics", `"secret panic"`, new(jsonMarshaler)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Unmarshal([]byte(tt.text), tt.target)
			var e *Error
			require.ErrorAs(t, err, &e)
			assert.NotContains(t, err.Error(), "secret")
			assert.NotContains(t, err.Error(), "300")
		})
	}
}

func TestErrorTexts(t *testing.T) {
	for want, err := range map[string]error{
		"the stored value does not decode into type codec.user (at byte 24)":                                                                            Unmarshal([]byte(`{"id":"a","age":"secret"}`), new(user)),
		"the stored value does not decode into type interface {}: nesting beyond 10,000 (at byte 10001)":                                                Unmarshal([]byte(strings.Repeat("[", 20_000)), new(any)),
		"the stored value does not decode into type string: it contains text that is not UTF-8 (at byte 1)":                                             Unmarshal([]byte("\"\xff\""), new(string)),
		"a value of type string can't be stored as JSON: it contains text that is not UTF-8":                                                            marshalErr("\xff"),
		"a value of type []interface {} can't be stored as JSON: nesting beyond 10,000":                                                                 marshalErr(wrap(1, 10_001)),
		"a value of type map[string]interface {} can't be stored as JSON: JSON cannot represent type chan int":                                          marshalErr(map[string]any{"secret": make(chan int)}),
		"a value of type map[interface {}]int can't be stored as JSON: map[interface {}]int has keys that are not strings, integers or text marshalers": marshalErr(map[any]int{"secret": 1}),
		"a value of type json.RawMessage can't be stored as JSON: json.RawMessage failed to marshal itself, or returned text that is not JSON":          marshalErr(json.RawMessage("secret")),
		"a value of type float64 can't be stored as JSON: it contains a value that JSON cannot represent, such as NaN, an infinity or a cycle":          marshalErr(math.NaN()),
		"a value of type codec.pointerToItself can't be stored as JSON: it is cyclic, or its pointers are nested too deep":                              marshalErr(cycle()),
	} {
		// The engine determines positions, which may become more exact.
		text, _, _ := strings.Cut(err.Error(), " (at byte ")
		want, _, _ := strings.Cut(want, " (at byte ")
		assert.Equal(t, want, text)
	}
	err := Unmarshal([]byte(`{"id":"a","age":"secret"}`), new(user))
	assert.Contains(t, err.Error(), " (at byte ")
}

func marshalErr(v any) error { _, err := Marshal(v); return err }

func cycle() pointerToItself {
	var p pointerToItself
	p = &p
	return p
}

// A type that marshals itself may contain values that JSON cannot represent: the codec does not
// walk it.
func TestMarshalerIsNotWalked(t *testing.T) {
	m := jsonMarshaler{text: `1`}
	m.Inside = &m.Inside
	text, err := Marshal([]any{m})
	require.NoError(t, err)
	assert.Equal(t, `[1]`, string(text))
}

var errPlanted = errors.New("secret cause")

type pointerToItself *pointerToItself

type named interface{}

type bool1 struct{ b bool }

func (b bool1) MarshalText() ([]byte, error) { return []byte("yes"), nil }

type pointerMarshaler struct{}

func (*pointerMarshaler) MarshalJSON() ([]byte, error) { return []byte(`"by pointer"`), nil }

type selfMarshaler struct{ M map[any]int }

func (selfMarshaler) MarshalJSON() ([]byte, error) { return []byte(`"self"`), nil }

type ownText string

func (m ownText) MarshalText() ([]byte, error) { return []byte(m), nil }

type jsonMarshaler struct {
	text   string
	err    error
	panic  any
	Inside any
}

func (m jsonMarshaler) MarshalJSON() ([]byte, error) {
	if m.panic != nil {
		panic(m.panic)
	}
	return []byte(m.text), m.err
}

func (m *jsonMarshaler) UnmarshalJSON(text []byte) error {
	if bytes.Contains(text, []byte("panic")) {
		panic("secret")
	}
	return errPlanted
}

func ptr[T any](v T) *T { return &v }

func nested(levels int) any { return wrap([]any{}, levels-1) }

func wrap(v any, levels int) any {
	for range levels {
		v = []any{v}
	}
	return v
}
