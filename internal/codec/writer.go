package codec

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// The engine decodes fast and encodes slowly. This file encodes plain values, as the same text. A
// value is plain if its types have no methods to marshal themselves and only unambiguous tags. If
// any part of a value is not plain, or is an error, the engine encodes the whole value.

// plainText returns the text of a plain value, or nil if the engine must encode the value.
func plainText(v any) (text []byte) {
	scratch := scratchPool.Get().(*[]byte)
	if b := appendAny((*scratch)[:0], v, 0); b != nil {
		text = make([]byte, len(b))
		copy(text, b)
		if cap(b) > cap(*scratch) && cap(b) <= 64<<10 {
			*scratch = b
		}
	}
	scratchPool.Put(scratch)
	return text
}

var scratchPool = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// An appender appends the text of a value of one type to b. It returns nil if the engine must
// encode the value. depth counts the interfaces and recursive types on the way to v.
type appender func(b []byte, v reflect.Value, depth int) []byte

var appenders sync.Map // reflect.Type → appender; nil if the type is not plain

// appenderOf returns the appender of a type. enclosing lists the types that contain t.
func appenderOf(t reflect.Type, enclosing ...reflect.Type) appender {
	known, ok := appenders.Load(t)
	switch {
	case ok:
		return known.(appender)
	case slices.Contains(enclosing, t):
		return appendDynamic
	}
	made := makeAppender(t, append(enclosing, t))
	appenders.Store(t, made)
	return made
}

func makeAppender(t reflect.Type, enclosing []reflect.Type) appender {
	switch {
	case t == timeType:
		return appendTime
	case t == rawType:
		return orNull(appendRaw)
	case t == numberType:
		return appendNumber
	case implements(reflect.PointerTo(t), marshalers):
		return nil
	}
	var elem appender
	switch t.Kind() {
	case reflect.Array, reflect.Map, reflect.Pointer, reflect.Slice:
		if elem = appenderOf(t.Elem(), enclosing...); elem == nil {
			return nil
		}
	}
	switch t.Kind() {
	case reflect.Bool:
		return func(b []byte, v reflect.Value, _ int) []byte { return strconv.AppendBool(b, v.Bool()) }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(b []byte, v reflect.Value, _ int) []byte { return strconv.AppendInt(b, v.Int(), 10) }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return func(b []byte, v reflect.Value, _ int) []byte { return strconv.AppendUint(b, v.Uint(), 10) }
	case reflect.Float32, reflect.Float64:
		return func(b []byte, v reflect.Value, _ int) []byte { return appendFloat(b, v.Float(), t.Bits()) }
	case reflect.String:
		return func(b []byte, v reflect.Value, _ int) []byte { return appendString(b, v.String()) }
	case reflect.Interface:
		return func(b []byte, v reflect.Value, depth int) []byte { return appendAny(b, v.Interface(), depth) }
	case reflect.Pointer:
		return orNull(func(b []byte, v reflect.Value, depth int) []byte { return elem(b, v.Elem(), depth) })
	case reflect.Array:
		return listAppender(elem)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return orNull(appendBytes)
		}
		return orNull(listAppender(elem))
	case reflect.Map:
		if isMemberName(t.Key()) && appenderOf(t.Key()) != nil {
			return orNull(mapAppender(elem))
		}
	case reflect.Struct:
		if members := membersAppender(t, enclosing, map[string]bool{}); members != nil {
			return func(b []byte, v reflect.Value, depth int) []byte {
				return enclosed(len(b), members(b, v, depth), "{}")
			}
		}
	}
	return nil
}

func appendAny(b []byte, v any, depth int) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case float64:
		return appendFloat(b, v, 64)
	case string:
		return appendString(b, v)
	}
	return appendDynamic(b, reflect.ValueOf(v), depth)
}

// appendDynamic appends a value whose type is known only at run time. Unlimited depth usually means
// a cycle.
func appendDynamic(b []byte, v reflect.Value, depth int) []byte {
	if known := appenderOf(v.Type()); known != nil && depth < 1000 {
		return known(b, v, depth+1)
	}
	return nil
}

func orNull(known appender) appender {
	return func(b []byte, v reflect.Value, depth int) []byte {
		if v.IsNil() {
			return append(b, "null"...)
		}
		return known(b, v, depth)
	}
}

// enclosed replaces the comma at start with an opening bracket, and appends a closing bracket.
func enclosed(start int, b []byte, brackets string) []byte {
	switch {
	case b == nil:
		return nil
	case len(b) == start:
		return append(b, brackets...)
	}
	b[start] = brackets[0]
	return append(b, brackets[1])
}

func listAppender(elem appender) appender {
	return func(b []byte, v reflect.Value, depth int) []byte {
		start := len(b)
		for i := 0; i < v.Len() && b != nil; i++ {
			b = elem(append(b, ','), v.Index(i), depth)
		}
		return enclosed(start, b, "[]")
	}
}

func mapAppender(elem appender) appender {
	type member struct {
		name  string
		value reflect.Value
	}
	return func(b []byte, v reflect.Value, depth int) []byte {
		members := make([]member, 0, v.Len())
		for entries := v.MapRange(); entries.Next(); {
			key := entries.Key()
			name := key.String()
			if key.CanInt() {
				name = strconv.FormatInt(key.Int(), 10)
			} else if key.CanUint() {
				name = strconv.FormatUint(key.Uint(), 10)
			}
			members = append(members, member{name, entries.Value()})
		}
		slices.SortFunc(members, func(x, y member) int { return strings.Compare(x.name, y.name) })
		start := len(b)
		for _, m := range members {
			if b = appendString(append(b, ','), m.name); b == nil {
				return nil
			}
			if b = elem(append(b, ':'), m.value, depth); b == nil {
				return nil
			}
		}
		return enclosed(start, b, "{}")
	}
}

// membersAppender returns an appender for the fields of a struct, each after a comma. Fields of
// embedded structs are included. names contains the names so far; a second use of a name is not
// plain.
func membersAppender(t reflect.Type, enclosing []reflect.Type, names map[string]bool) appender {
	type field struct {
		index int
		name  string // in the form `,"name":`; empty for an embedded struct
		value appender
		omit  []func(reflect.Value) bool
	}
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, f := sf.Tag.Get("json"), field{index: i}
		name, opts, _ := strings.Cut(tag, ",")
		name = cmp.Or(name, sf.Name)
		switch {
		case !isVisible(sf):
			continue
		case sf.Anonymous && tag == "" && sf.Type.Kind() == reflect.Struct:
			f.value = membersAppender(sf.Type, enclosing, names)
		case !sf.Anonymous && !names[name] && unambiguousTag.MatchString(tag):
			f.name, f.value = `,"`+name+`":`, appenderOf(sf.Type, enclosing...)
			names[name] = true
		}
		if strings.Contains(opts, "omitempty") {
			f.omit = append(f.omit, isEmpty)
		}
		switch {
		case !strings.Contains(opts, "omitzero"):
		case sf.Type == timeType:
			f.omit = append(f.omit, func(v reflect.Value) bool { return asTime(v).IsZero() })
		case implements(sf.Type, zeroers), implements(reflect.PointerTo(sf.Type), zeroers):
			f.value = nil
		default:
			f.omit = append(f.omit, reflect.Value.IsZero)
		}
		if f.value == nil {
			return nil
		}
		fields = append(fields, f)
	}
	return func(b []byte, v reflect.Value, depth int) []byte {
	fields:
		for i := range fields {
			f := &fields[i]
			v := v.Field(f.index)
			for _, omit := range f.omit {
				if omit(v) {
					continue fields
				}
			}
			if b = f.value(append(b, f.name...), v, depth); b == nil {
				return nil
			}
		}
		return b
	}
}

// unambiguousTag matches the field tags that have only one possible meaning.
var unambiguousTag = regexp.MustCompile(`^(\w[\w-]*)?(,omitempty|,omitzero)*$`)

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	}
	return v.Kind() != reflect.Struct && v.IsZero()
}

// appendFloat uses an exponent only for very large and very small numbers, as JavaScript does.
func appendFloat(b []byte, f float64, bits int) []byte {
	// Most numbers are integers, or have one or two decimals. A decimal number with so few digits
	// is the shortest representation, if it is equal to f.
	if n := int64(f * 100); 0 < f && f < 1e12 && bits == 64 && float64(n)/100 == f {
		b = strconv.AppendInt(b, n/100, 10)
		switch tenths, rest := byte(n/10%10), byte(n%10); {
		case rest != 0:
			b = append(b, '.', '0'+tenths, '0'+rest)
		case tenths != 0:
			b = append(b, '.', '0'+tenths)
		}
		return b
	}
	abs := math.Abs(f)
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil
	case f == 0, bits == 64 && 1e-6 <= abs && abs < 1e21, bits == 32 && 1e-6 <= float32(abs) && float32(abs) < 1e21:
		return strconv.AppendFloat(b, f, 'f', -1, bits)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, bits)
	if n := len(b); b[n-3] == '-' && b[n-2] == '0' { // e-09
		b = append(b[:n-2], b[n-1])
	}
	return b
}

// appendString copies a string without escapes. The engine encodes other strings.
func appendString(b []byte, s string) []byte {
	if needsEscape([]byte(s)) {
		return orNil(jsontext.AppendQuote(b, s))
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// needsEscape reports whether s contains a control character, a quote, a backslash or a byte that
// is not ASCII.
func needsEscape(s []byte) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] {
		// The high bit of a result byte is set if the byte had it, or is less than the number
		// subtracted. A byte borrows from the next byte only if it needs an escape itself.
		c := binary.NativeEndian.Uint64(s)
		if ((c-each*' ')|((c^each*'"')-each)|((c^each*'\\')-each))&high != 0 {
			return true
		}
	}
	return slices.ContainsFunc(s, func(c byte) bool { return c < ' ' || c == '"' || c == '\\' || c >= 0x80 })
}

func appendBytes(b []byte, v reflect.Value, _ int) []byte {
	b = base64.StdEncoding.AppendEncode(append(b, '"'), v.Bytes())
	return append(b, '"')
}

func appendRaw(b []byte, v reflect.Value, _ int) []byte {
	return orNil(jsontext.AppendFormat(b, v.Bytes(), options))
}

func appendNumber(b []byte, v reflect.Value, _ int) []byte {
	n := jsontext.Value(v.String())
	text := orNil(jsontext.AppendFormat(b, n, options))
	if n.Kind() != '0' || len(text) != len(b)+len(n) { // spaces
		return nil
	}
	return text
}

func appendTime(b []byte, v reflect.Value, _ int) []byte {
	b, err := asTime(v).AppendText(append(b, '"'))
	return orNil(append(b, '"'), err)
}

func asTime(v reflect.Value) time.Time {
	t, _ := reflect.TypeAssert[time.Time](v)
	return t
}

func orNil(b []byte, err error) []byte {
	if err != nil {
		return nil
	}
	return b
}
