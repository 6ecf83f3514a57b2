package codec

import (
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
)

// The engine limits the nesting of JSON text, but not the length of a chain of pointers. A value of
// `type P *P`, or a pointer to an interface that contains a pointer to an interface, and so on,
// adds no nesting. The engine's recursion over such a chain would end the process. The engine also
// accepts map keys that encoding/json refuses, including keys without a fixed order. The shape of a
// type tells whether its values must be walked first. Few types need that.

// A shape describes a type, as far as the codec needs it before the engine processes a value.
type shape struct {
	needsWalk   bool // a value may contain an interface, a pointer cycle or a refused map key
	selfPointer bool // contains a pointer type that points to itself, type P *P, which cannot be decoded
	number      bool // contains json.Number
}

var shapes sync.Map // reflect.Type → shape

func shapeOf(t reflect.Type) shape {
	if s, ok := shapes.Load(t); ok {
		return s.(shape)
	}
	s := shape{}
	s.add(t, map[reflect.Type]bool{})
	shapes.Store(t, s)
	return s
}

// add adds the properties of t and of the types in t. It skips types in seen.
func (s *shape) add(t reflect.Type, seen map[reflect.Type]bool) {
	switch {
	case seen[t], t == timeType:
		return
	case t == numberType:
		s.number = true
		return
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		s.needsWalk = true
	case reflect.Pointer:
		if pointsToItself(t) {
			s.needsWalk, s.selfPointer = true, true
		}
		s.add(t.Elem(), seen)
	case reflect.Slice, reflect.Array:
		s.add(t.Elem(), seen)
	case reflect.Map:
		if !isMemberName(t.Key()) {
			s.needsWalk = true
		}
		s.add(t.Key(), seen)
		s.add(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); isVisible(f) {
				s.add(f.Type, seen)
			}
		}
	}
}

func pointsToItself(t reflect.Type) bool {
	for seen := map[reflect.Type]bool{}; t.Kind() == reflect.Pointer; t = t.Elem() {
		if seen[t] {
			return true
		}
		seen[t] = true
	}
	return false
}

// isMemberName reports whether encoding/json accepts map keys of type t as names of members.
func isMemberName(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return true
	case reflect.Interface:
		return false // the dynamic keys may have no fixed order, or be no names
	}
	return t.Implements(textMarshaler)
}

// isVisible reports whether encoding/json encodes a field.
func isVisible(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-"
}

const (
	// maxDepth limits the nesting of JSON text. It is the limit of encoding/json for decoding.
	maxDepth = 10_000
	// maxPath limits the number of pointers, interfaces and containers on the way to any part of a
	// value. The engine's recursion over maxPath levels takes about 50 MB of stack. The limit of Go
	// is 1 GB, or 250 MB on 32 bits. 10,000 levels of JSON need far less.
	maxPath = 100_000
)

var (
	errCyclic  = errors.New("codec: cyclic, or nested too deep")
	errTooDeep = errors.New("codec: nested beyond 10,000")
)

// A keyError describes a map whose keys encoding/json does not accept as names of members.
type keyError struct{ mapType reflect.Type }

func (e *keyError) Error() string { return "codec: map keys of type " + e.mapType.Key().String() }

// inspect walks a value in the same way as the engine. It reports whether the value contains a
// json.Number. It returns an error if the value is too deep, is cyclic or has refused map keys.
func inspect(v reflect.Value) (number bool, err error) {
	err = walk(v, 0, 0, &number)
	return number, err
}

func walk(v reflect.Value, path, levels int, number *bool) error {
	switch {
	case levels > maxDepth:
		return errTooDeep
	case path > maxPath:
		return errCyclic
	}
	t := v.Type()
	known := shapeOf(t)
	*number = *number || known.number
	if !known.needsWalk || marshalsItself(v) {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return walk(v.Elem(), path+1, levels, number)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := walk(v.Index(i), path+1, levels+1, number); err != nil {
				return err
			}
		}
	case reflect.Map:
		if !isMemberName(t.Key()) {
			return &keyError{t}
		}
		for entries := v.MapRange(); entries.Next(); {
			if err := walk(entries.Value(), path+1, levels+1, number); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if isVisible(t.Field(i)) {
				if err := walk(v.Field(i), path+1, levels+1, number); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// marshalsItself reports whether the engine calls a method of v instead of encoding its parts. The
// method may have a value receiver or, if v is addressable, a pointer receiver.
func marshalsItself(v reflect.Value) bool {
	t := v.Type()
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return false // depends on the type of the element
	}
	return implements(t, marshalers) || v.CanAddr() && implements(reflect.PointerTo(t), marshalers)
}

func implements(t reflect.Type, interfaces []reflect.Type) bool {
	return slices.ContainsFunc(interfaces, t.Implements)
}

var (
	numberType    = reflect.TypeFor[json.Number]()
	rawType       = reflect.TypeFor[json.RawMessage]()
	timeType      = reflect.TypeFor[time.Time]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	marshalers    = []reflect.Type{
		reflect.TypeFor[json.Marshaler](),
		reflect.TypeFor[jsonv2.MarshalerTo](),
		textMarshaler,
		reflect.TypeFor[encoding.TextAppender](),
	}
	zeroers = []reflect.Type{reflect.TypeFor[interface{ IsZero() bool }]()}
)
