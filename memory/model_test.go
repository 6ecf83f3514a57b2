package memory_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// The model of one key, which all checks of MemoryKV share: the state machine (rapid),
// the fuzzing of sequences, and the histories of concurrent operations (porcupine).
//
// It has no clock. apply says what an operation does to a key that is there, or is
// not, and what becomes of the deadline; whoever uses the model knows the time, and
// decides whether the key is still there.

type kind int

const (
	opGet kind = iota
	opHas
	opTTL
	opSet
	opDel
	opExpire
	opIncr
	opSetNX
	opCompareAndSwap
	opCompareAndDelete
	kinds // how many there are
)

var kindNames = [kinds]string{"Get", "Has", "TTL", "Set", "Del", "Expire", "Incr", "SetNX", "CompareAndSwap", "CompareAndDelete"}

// operation is one call. Values are JSON text.
type operation struct {
	kind       kind
	store, key int           // which of the stores and keys of the check
	value, old string        // Set, SetNX, CompareAndSwap: value; CompareAndSwap, CompareAndDelete: old
	by         int64         // Incr
	ttl        time.Duration // of a write, in whole milliseconds; 0: none; -1: keep
	pause      time.Duration // that passes before, where time is fake
}

func (o operation) String() string {
	return fmt.Sprintf("after %v %s(store %d, key %d, value %s, old %s, by %d, ttl %v)",
		o.pause, kindNames[o.kind], o.store, o.key, o.value, o.old, o.by, o.ttl)
}

// result is what a call returned.
type result struct {
	done bool          // found, existed, stored, swapped, deleted
	text string        // Get
	sum  int64         // Incr
	left time.Duration // Incr, TTL; 0: never expires
	code adaptor.Code  // of the error
}

// what becomes of the deadline
type deadlineChange int

const (
	keep deadlineChange = iota
	clear
	set // to the operation's ttl
)

func changeTo(ttl time.Duration) deadlineChange {
	switch ttl {
	case driver.NoTTL:
		return clear
	case driver.KeepTTL:
		return keep
	}
	return set
}

// apply does o to a key: found and text are before and after. result.left is left out.
func apply(o operation, found bool, text string) (bool, string, deadlineChange, result) {
	switch o.kind {
	case opGet:
		return found, text, keep, result{done: found, text: text}
	case opHas, opTTL:
		return found, text, keep, result{done: found}
	case opSet:
		return true, o.value, changeTo(o.ttl), result{}
	case opDel:
		return false, "", clear, result{}
	case opExpire:
		return found, text, set, result{done: found}
	case opIncr:
		if !found {
			return true, strconv.FormatInt(o.by, 10), changeTo(o.ttl), result{sum: o.by}
		}
		n, err := strconv.ParseInt(text, 10, 64)
		sum := n + o.by
		if err != nil || strconv.FormatInt(n, 10) != text || (sum > n) != (o.by > 0) && o.by != 0 {
			return true, text, keep, result{code: adaptor.CodeInvalidValue}
		}
		return true, strconv.FormatInt(sum, 10), keep, result{sum: sum}
	case opSetNX:
		if found {
			return true, text, keep, result{}
		}
		return true, o.value, changeTo(o.ttl), result{done: true}
	case opCompareAndSwap:
		if !found || text != o.old {
			return found, text, keep, result{}
		}
		return true, o.value, changeTo(o.ttl), result{done: true}
	case opCompareAndDelete:
		if !found || text != o.old {
			return found, text, keep, result{}
		}
		return false, "", clear, result{done: true}
	}
	panic("no such operation")
}

// do calls the operation on a real store.
func do(s *adaptor.AtomicKVStore, key string, o operation) result {
	var opts []adaptor.Option
	switch {
	case o.ttl == driver.KeepTTL:
		opts = append(opts, adaptor.WithKeepTTL())
	case o.ttl > 0:
		opts = append(opts, adaptor.WithTTL(o.ttl))
	}
	var r result
	var err error
	switch o.kind {
	case opGet:
		var text []byte
		text, r.done, err = s.GetRaw(ctx, key)
		r.text = string(text)
	case opHas:
		r.done, err = s.Has(ctx, key)
	case opTTL:
		r.left, r.done, err = s.TTL(ctx, key)
	case opSet:
		err = s.Set(ctx, key, json.RawMessage(o.value), opts...)
	case opDel:
		err = s.Del(ctx, key)
	case opExpire:
		r.done, err = s.Expire(ctx, key, o.ttl)
	case opIncr:
		r.sum, r.left, err = s.IncrTTL(ctx, key, o.by, opts...)
	case opSetNX:
		r.done, err = s.SetNX(ctx, key, json.RawMessage(o.value), opts...)
	case opCompareAndSwap:
		r.done, err = s.CompareAndSwap(ctx, key, json.RawMessage(o.old), json.RawMessage(o.value), opts...)
	case opCompareAndDelete:
		r.done, err = s.CompareAndDelete(ctx, key, json.RawMessage(o.old))
	}
	r.code = adaptor.CodeOf(err)
	return r
}

// sane gives o a ttl that its kind takes.
func (o operation) sane() operation {
	switch o.kind {
	case opExpire:
		o.ttl = max(o.ttl, time.Millisecond)
	case opIncr, opSetNX:
		o.ttl = max(o.ttl, driver.NoTTL)
	}
	return o
}

// The values that operations are made of: few, so that they meet.
var (
	modelKeys   = []string{"k", "", "b:k"}
	modelPaths  = [][]string{{"a"}, {"a", "b"}, {"ab"}}
	modelValues = []string{`1`, `2`, `"1"`, `null`, `9223372036854775807`, `{"a":1}`, `5.0`}
	modelBy     = []int64{1, -1, 5, 0, 9223372036854775807, -9223372036854775808}
	modelTTLs   = []time.Duration{0, driver.KeepTTL, time.Millisecond, 2 * time.Millisecond, 10 * time.Millisecond, time.Hour}
	modelPauses = []time.Duration{0, 0, 0, 1, time.Millisecond - 1, time.Millisecond, time.Millisecond + 1, 10 * time.Millisecond, time.Second}
)
