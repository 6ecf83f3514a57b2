// Package module is what the fx modules of the backends share.
package module

import (
	"errors"
	"reflect"

	"github.com/zelt-go/kv/adaptor"
)

// PlainAdaptor is the last link of a module's chain: the KVAdaptor of whatever is the app's
// AtomicKVAdaptor. A nil one is an error.
func PlainAdaptor(a adaptor.AtomicKVAdaptor) (adaptor.KVAdaptor, error) {
	if IsNil(a) {
		return nil, errors.New("kv: the adaptor.AtomicKVAdaptor in the app is nil")
	}
	return adaptor.WithoutAtomic(a), nil
}

// IsNil reports whether a is nil, or holds a nil.
func IsNil(a adaptor.AtomicKVAdaptor) bool {
	if a == nil {
		return true
	}
	switch v := reflect.ValueOf(a); v.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return v.IsNil()
	}
	return false
}
