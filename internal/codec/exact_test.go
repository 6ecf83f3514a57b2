package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The fast paths of Marshal and Unmarshal have the same results as the engine with all of its
// options.

func TestFastPathsAreExact(t *testing.T) {
	short := 0
	for seed := range uint64(madeTypes) {
		if appenderOf(madeType(seed)) != nil {
			short++
		}
		for value := range uint64(4) {
			checkExact(t, seed, value, "a\u2028\"<")
			checkExact(t, seed, value, "plain")
		}
	}
	assert.Greater(t, short, madeTypes/4, "types that our writer writes")
}

func TestPlainTextIsExact(t *testing.T) {
	values := []any{true, false, 0, -1, math.MinInt, int64(math.MaxInt64), "", "abc", "~\x7f", "\x7f", "é", "\xff", `"`, `\`, "\n", "\x1f"}
	for _, raw := range []string{"", "null", " [ 1 , 2 ] ", `{"a":1,"a":2}`, `"\u00e9"`, `"\ud800"`, "\"\xff\"", "1 2", "-0.0", "{"} {
		values = append(values, json.RawMessage(raw))
	}
	for _, v := range append(values, json.RawMessage(nil)) {
		if text := plainText(v); text != nil {
			want, err := engineText(v)
			require.NoError(t, err, "%q", v)
			assert.Equal(t, string(want), string(text))
		}
	}
}

// All bytes that need an escape, or are not UTF-8, are found at each position.
func TestStringsAreExact(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				s := []byte("abcdefghijklmnopqrst"[:length])
				s[at] = byte(c)
				want, wantErr := engineText(string(s))
				got := plainText(string(s))
				require.Equal(t, wantErr == nil, got != nil, "%q", s)
				require.Equal(t, string(want), string(got))
				require.Equal(t, c < ' ' || c == '"' || c == '\\' || c >= 0x80, needsEscape(s), "%q", s)
			}
		}
	}
}

func TestCallerOwnsTheText(t *testing.T) {
	first, err := Marshal("first")
	require.NoError(t, err)
	_, err = Marshal("other")
	require.NoError(t, err)
	assert.Equal(t, `"first"`, string(first))
}

// Numbers with few decimals have a fast path. Numbers next to them do not.
func TestFloatsAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		x := float64(r.Int64()>>r.IntN(63)) / []float64{1, 10, 100, 1000}[r.IntN(4)]
		if i < 60 {
			x = math.Pow10(i - 30)
		}
		for _, x := range []float64{x, -x, math.Nextafter(x, 0), math.Nextafter(x, math.Inf(1)), math.Float64frombits(r.Uint64())} {
			for _, v := range []any{x, float32(x)} {
				want, err := engineText(v)
				require.Equal(t, err == nil, plainText(v) != nil, "%v", v)
				require.Equal(t, string(want), string(plainText(v)))
			}
		}
	}
}

// encoding/json calls MarshalJSON of a time; the engine formats a time itself.
func TestTimesAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		zone := time.FixedZone("", r.IntN(200_000)-100_000)
		v := []time.Time{time.Unix(r.Int64N(1<<39)-1<<38, r.Int64N(1e9)>>r.IntN(30)).In(zone)}
		want, wantErr := engineText(v)
		got, err := Marshal(v)
		require.Equal(t, wantErr == nil, err == nil, "%v", v)
		require.Equal(t, string(want), string(got))
	}
}

// The first attempt to decode leaves nothing for the second. Here, the fast options refuse the null
// of a type that JSON cannot represent.
func TestExactDecodingStartsWithAZeroValue(t *testing.T) {
	var v struct {
		N appending
		C chan int
	}
	require.NoError(t, Unmarshal([]byte(`{"N":1,"C":null}`), &v))
	assert.Equal(t, appending("1"), v.N)
}

type appending string

func (a *appending) UnmarshalJSON(text []byte) error {
	*a += appending(text)
	return nil
}

// checkExact makes a type and a value. It compares the two ways to encode the value, and then the
// two ways to decode its text and a damaged text.
func checkExact(t *testing.T, typeSeed, valueSeed uint64, s string) {
	t.Helper()
	r := rand.New(rand.NewPCG(typeSeed, valueSeed))
	made := madeType(typeSeed)
	v := reflect.New(made).Elem()
	(&filler{r, s, 300}).fill(v)
	var in any = v.Interface()
	if r.IntN(4) == 0 {
		in = v.Addr().Interface()
	}

	want, wantErr := engineText(in)
	got, err := Marshal(in)
	if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
		t.Fatalf("type %v: wrote %q, %v; the engine %q, %v", made, got, err, want, wantErr)
	}
	if err == nil {
		checkExactRead(t, made, got)
		for range 4 {
			checkExactRead(t, made, damaged(r, got))
		}
	}
	checkExactRead(t, made, []byte(s))
}

func checkExactRead(t *testing.T, made reflect.Type, text []byte) {
	t.Helper()
	exact := options
	if shapeOf(made).number {
		exact = numberOptions
	}
	want, got := reflect.New(made), reflect.New(made)
	wantErr := jsonv2.Unmarshal(text, want.Interface(), exact)
	err := Unmarshal(text, got.Interface())
	switch {
	case (err == nil) != (wantErr == nil):
		t.Fatalf("type %v: read %q: %v; exactly %v", made, text, err, wantErr)
	case err != nil:
		if want := unmarshalError(made, wantErr); err.Error() != want.Error() {
			t.Fatalf("type %v: read %q: %v; exactly %v", made, text, err, want)
		}
	case !reflect.DeepEqual(want.Interface(), got.Interface()):
		t.Fatalf("type %v: read %q as %+v; exactly %+v", made, text, got.Elem(), want.Elem())
	}
}

// damaged returns a text that may contain names in another case, duplicate or unknown names, values
// of the wrong kind and syntax errors.
func damaged(r *rand.Rand, text []byte) []byte {
	text = bytes.Clone(text)
	at := r.IntN(len(text))
	to := at + r.IntN(len(text)-at) + 1
	switch r.IntN(6) {
	case 0:
		return bytes.ToUpper(text)
	case 1: // duplicate a part
		return append(append(bytes.Clone(text[:to]), ','), text[at:]...)
	case 2: // duplicate the members
		return bytes.Replace(text, []byte("{"), append(append([]byte{'{'}, bytes.Trim(text, "{}")...), ','), 1)
	case 3:
		return append(text[:at], text[to:]...)
	case 4:
		text[at] = "\"\\{}[],:019nultrsae \xff"[r.IntN(21)]
		return text
	default:
		return bytes.Replace(text, []byte("{"), []byte(`{"unknown":[{"a":1,"a":"\ud83d\ude00"}], "f0" : null,`), 1)
	}
}

// madeTypes is the number of types. It is limited because a type stays in memory forever.
const madeTypes = 1500

func madeType(seed uint64) reflect.Type {
	return makeType(rand.New(rand.NewPCG(seed%madeTypes, 0)), 3)
}

func makeType(r *rand.Rand, depth int) reflect.Type {
	if depth == 0 || r.IntN(3) == 0 {
		return leaves[r.IntN(len(leaves))]
	}
	switch r.IntN(8) {
	case 0:
		return reflect.PointerTo(makeType(r, depth-1))
	case 1:
		return reflect.SliceOf(makeType(r, depth-1))
	case 2:
		return reflect.ArrayOf(r.IntN(3), makeType(r, depth-1))
	case 3:
		keys := []reflect.Type{reflect.TypeFor[string](), reflect.TypeFor[int8](), reflect.TypeFor[uint16](), reflect.TypeFor[time.Duration](), reflect.TypeFor[json.Number](), reflect.TypeFor[ownText]()}
		return reflect.MapOf(keys[r.IntN(len(keys))], makeType(r, depth-1))
	}
	common := r.IntN(2) == 0
	fields := make([]reflect.StructField, r.IntN(5))
	for i := range fields {
		tag := tags[r.IntN(len(tags))]
		if common {
			tag = tags[r.IntN(commonTags)]
		}
		fields[i] = reflect.StructField{Name: fmt.Sprint("F", i), Type: makeType(r, depth-1), Tag: reflect.StructTag(tag)}
	}
	return reflect.StructOf(fields)
}

const commonTags = 12

var tags = []string{
	``, ``, `json:"f1"`, `json:"b"`, `json:"b,omitempty"`, `json:",omitzero"`, `json:"B,omitempty,omitzero"`, `json:"d-e"`, `json:"f_2"`, `xml:"x"`, `json:"-"`, `json`,
	`json:"c,string"`, `json:",string,omitempty"`, `json:"-,"`, `json:"x y"`, `json:"'q'"`, `json:"é"`, `json:",inline"`, `json:"<"`,
	`json:"a,omitempty,unknown"`, `json:",format:hex"`, `json:"\u2028"`, `json:", omitempty"`, `json:"a,case:ignore"`, `json:"\\"`,
}

var leaves = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint64](), reflect.TypeFor[uintptr](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[[]byte](), reflect.TypeFor[[3]byte](), reflect.TypeFor[namedBytes](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](), reflect.TypeFor[json.Number](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[any](),
	reflect.TypeFor[map[string]any](), reflect.TypeFor[[]any](), reflect.TypeFor[string](), reflect.TypeFor[[]string](), reflect.TypeFor[neverZero](),
	reflect.TypeFor[netip.Addr](), reflect.TypeFor[ownText](), reflect.TypeFor[pointerMarshaler](), reflect.TypeFor[*pointerMarshaler](), reflect.TypeFor[error](),
	reflect.TypeFor[user](), reflect.TypeFor[embedding](), reflect.TypeFor[embeddingPlain](), reflect.TypeFor[embeddingOnce](), reflect.TypeFor[embeddingTagged](), reflect.TypeFor[embeddingPointer](), reflect.TypeFor[embeddingMethods](), reflect.TypeFor[omitting](), reflect.TypeFor[embeddingMore](), reflect.TypeFor[sameNames](), reflect.TypeFor[linked](), reflect.TypeFor[foldedNames](),
}

type (
	namedByte  byte
	namedBytes []namedByte
	neverZero  struct{ N int }
	embedding  struct {
		foldedNames
		*sameNames
		User *user
	}
	embeddingOnce struct {
		Tagged
		neverZero
		Since time.Time  `json:",omitzero"`
		Until *time.Time `json:"until,omitempty"`
		Empty Tagged     `json:",omitempty"`
		Loop  map[string]embeddingOnce
		Made  []*embeddingOnce `json:"Loop2,omitzero"`
	}
	embeddingTagged struct {
		Tagged `json:"t"`
	}
	embeddingPointer struct{ *Conflict }
	embeddingMethods struct { // two embedded types have MarshalJSON, so the struct has none
		selfMade
		Self2
		B int
	}
	selfMade struct{ A int }
	Self2    struct{ C int }
	omitting struct {
		Never neverZero `json:",omitzero"`
	}
	embeddingPlain struct {
		sameNames
		Conflict
		neverZero `json:",omitzero"`
		Tagged    `json:"A"`
		E         string
	}
	embeddingMore struct {
		embeddingPlain
		*Conflict `json:",omitempty"`
		Name      `json:"b,omitempty"`
		B         bool `json:",omitempty"`
	}
	Conflict struct {
		A string
		E int `json:"e"`
		F map[string]Name
	}
	Tagged    struct{ X, E int }
	Name      string
	sameNames struct {
		A, B int
		C    int `json:"B,omitempty"`
	}
	foldedNames struct {
		Name string `json:"name"`
		NAME string
		Not  chan int `json:"not,omitempty"`
	}
	linked struct {
		Next *linked
		N    int `json:",omitempty"`
	}
)

func (neverZero) IsZero() bool                { return false }
func (selfMade) MarshalJSON() ([]byte, error) { return []byte(`"A"`), nil }
func (Self2) MarshalJSON() ([]byte, error)    { return []byte(`"C"`), nil }

// A filler fills values with a limited number of parts, because types may be recursive.
type filler struct {
	*rand.Rand
	s    string
	left int
}

func (r *filler) fill(v reflect.Value) {
	if v.Type() == timeType {
		at := time.Unix(r.Int64N(1<<38)-1<<37, r.Int64N(1e9))
		if r.IntN(4) == 0 {
			at = time.Time{}
		}
		v.Set(reflect.ValueOf(at.In([]*time.Location{time.UTC, time.FixedZone("", 3600)}[r.IntN(2)])))
		return
	}
	r.left--
	if r.left < 0 || r.IntN(8) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int64:
		v.SetInt(int64(r.Uint64() >> r.IntN(64)))
	case reflect.Uint8, reflect.Uint16, reflect.Uint64, reflect.Uintptr:
		v.SetUint(r.Uint64() >> r.IntN(64))
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, math.Copysign(0, -1), 1.5, 1e21, 1e-7, math.Float64frombits(r.Uint64()), r.NormFloat64()}[r.IntN(7)])
	case reflect.String:
		v.SetString([]string{"", "12", "-1.50e3", "1 ", "null", r.s, r.s, r.s + "\ufffd", "<&>", "é"}[r.IntN(10)])
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.fill(v.Elem())
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte([]string{"1", ` [ {} ] `, `{"a":1,"a":2}`, `"` + r.s + `"`}[r.IntN(4)]))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			r.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(4) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			r.fill(key)
			r.fill(value)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				r.fill(f)
			}
		}
	case reflect.Interface:
		if v.NumMethod() == 0 {
			inside := reflect.New(makeType(rand.New(rand.NewPCG(r.Uint64N(100), 1)), 1)).Elem()
			r.fill(inside)
			v.Set(inside)
		}
	}
}
