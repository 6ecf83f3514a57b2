package codec

import (
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"
)

// The engine bounds how deep JSON text is nested, but not how long a row of
// pointers is: `type P *P`, or a pointer to an interface that holds a pointer to an
// interface and so on, adds no nesting, and recursion along it ends the process.
// A type's shape says whether its values need a look first; few do.

// shape is what has to be known of a type before the engine sees a value of it.
type shape struct {
	endless bool // a pointer type that points to itself, type P *P: no value of it has a JSON form
	dynamic bool // an interface: the value decides
	number  bool // json.Number
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

// add adds what is found in t and in the types that it is made of.
func (s *shape) add(t reflect.Type, seen map[reflect.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	if t == numberType {
		s.number = true
		return
	}
	switch t.Kind() {
	case reflect.Interface:
		s.dynamic = true
	case reflect.Pointer:
		s.endless = s.endless || pointsToItself(t)
		s.add(t.Elem(), seen)
	case reflect.Slice, reflect.Array, reflect.Map:
		s.add(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); visible(f) {
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

// visible reports whether encoding/json looks at a field.
func visible(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-"
}

// maxPath bounds the pointers, interfaces and containers on the way to any part of
// a value. The engine's recursion over as many takes some 50 MB of stack, far from
// the limit of 1 GB (250 MB on 32 bits), and 10,000 levels of JSON need far fewer.
const maxPath = 100_000

var errEndless = errors.New("codec: cyclic, or nested too deep")

// inspect walks a value of a dynamic type, as the engine will, and returns the shape
// that the types in it add up to.
func inspect(v reflect.Value) (shape, error) {
	var found shape
	err := found.walk(v, 0)
	return found, err
}

func (s *shape) walk(v reflect.Value, depth int) error {
	if depth > maxPath {
		return errEndless
	}
	t := v.Type()
	known := shapeOf(t)
	s.endless = s.endless || known.endless
	s.number = s.number || known.number
	if !known.dynamic || known.endless || marshalsItself(v) {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return s.walk(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := s.walk(v.Index(i), depth+1); err != nil {
				return err
			}
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			if err := s.walk(entries.Value(), depth+1); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if visible(t.Field(i)) {
				if err := s.walk(v.Field(i), depth+1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// marshalsItself reports whether the engine calls a method of v instead of looking
// into it: one with a value receiver, or of a pointer when v has an address.
func marshalsItself(v reflect.Value) bool {
	t := v.Type()
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return false // decided by what it points to
	}
	for _, m := range marshalers {
		if t.Implements(m) || v.CanAddr() && reflect.PointerTo(t).Implements(m) {
			return true
		}
	}
	return false
}

var (
	numberType = reflect.TypeFor[json.Number]()
	marshalers = []reflect.Type{
		reflect.TypeFor[json.Marshaler](),
		reflect.TypeFor[jsonv2.MarshalerTo](),
		reflect.TypeFor[encoding.TextMarshaler](),
		reflect.TypeFor[encoding.TextAppender](),
	}
)
