// Package model describes the effect of each operation of a store on a key, and checks stores
// against that description. It checks sequences of operations and histories of concurrent
// operations. The tests of every adaptor use the same model.
package model

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// Kind is the method that an operation calls.
type Kind int

// The methods.
const (
	Get Kind = iota
	Has
	TTL
	Set
	Del
	Expire
	Incr
	SetNX
	CompareAndSwap
	CompareAndDelete
	GetDel
	Swap
	Persist
	IncrTTL
	GetExpire
	Kinds // the number of methods that work on one key
)

var kindNames = [...]string{
	"Get", "Has", "TTL", "Set", "Del", "Expire", "Incr", "SetNX", "CompareAndSwap", "CompareAndDelete", "GetDel", "Swap", "Persist", "IncrTTL", "GetExpire",
	"GetMany", "SetMany", "DelMany", "Keys", "Tree", "Clear", "ClearTree",
}

// An Operation is one call. Values are JSON text.
type Operation struct {
	Kind       Kind
	Store, Key int           // indexes into the stores and keys of the check
	Value, Old string        // Set, SetNX, CompareAndSwap, Swap: Value; CompareAndSwap, CompareAndDelete: Old
	By         int64         // Incr, IncrTTL
	TTL        time.Duration // of a write, in whole milliseconds; 0: none; -1: keep the TTL
	Pause      time.Duration // time before the call, if time is fake
	Ends       int           // an operation on many keys: how often it may look at its context before the context ends; 0: it does not end
}

func (o Operation) String() string {
	return fmt.Sprintf("after %v %s(store %d, key %d, value %.40s, %d bytes, old %.40s, %d bytes, by %d, ttl %v, context ends %d)",
		o.Pause, kindNames[o.Kind], o.Store, o.Key, o.Value, len(o.Value), o.Old, len(o.Old), o.By, o.TTL, o.Ends)
}

// A Result contains the results of a call.
type Result struct {
	Done    bool          // found, existed, stored, swapped, deleted
	Text    string        // Get, GetDel, Swap, GetExpire
	Sum     int64         // Incr, IncrTTL
	Left    time.Duration // IncrTTL, TTL; 0: never expires
	Code    adaptor.Code  // of the error
	Unknown bool          // the write may have been applied
}

// A Change is the effect of an operation on the deadline.
type Change int

// The changes.
const (
	KeepDeadline Change = iota
	ClearDeadline
	SetDeadline // to the operation's TTL
)

func changeTo(ttl time.Duration) Change {
	switch ttl {
	case driver.NoTTL:
		return ClearDeadline
	case driver.KeepTTL:
		return KeepDeadline
	}
	return SetDeadline
}

// Apply applies o to a key. found and text describe the key before and after. Apply has no clock:
// the caller decides whether the key has expired, and Result.Left is not set.
func (o Operation) Apply(found bool, text string) (bool, string, Change, Result) {
	switch o.Kind {
	case Get:
		return found, text, KeepDeadline, Result{Done: found, Text: text}
	case Has, TTL:
		return found, text, KeepDeadline, Result{Done: found}
	case Set:
		return true, o.Value, changeTo(o.TTL), Result{}
	case Del:
		return false, "", ClearDeadline, Result{}
	case Expire:
		return found, text, SetDeadline, Result{Done: found}
	case GetExpire:
		return found, text, SetDeadline, Result{Done: found, Text: text}
	case Incr, IncrTTL:
		if !found {
			return true, strconv.FormatInt(o.By, 10), changeTo(o.TTL), Result{Sum: o.By}
		}
		n, err := strconv.ParseInt(text, 10, 64)
		sum := n + o.By
		if err != nil || strconv.FormatInt(n, 10) != text || (sum > n) != (o.By > 0) && o.By != 0 {
			return true, text, KeepDeadline, Result{Code: adaptor.CodeInvalidValue}
		}
		return true, strconv.FormatInt(sum, 10), KeepDeadline, Result{Sum: sum}
	case SetNX:
		if found {
			return true, text, KeepDeadline, Result{}
		}
		return true, o.Value, changeTo(o.TTL), Result{Done: true}
	case CompareAndSwap:
		if !found || text != o.Old {
			return found, text, KeepDeadline, Result{}
		}
		return true, o.Value, changeTo(o.TTL), Result{Done: true}
	case CompareAndDelete:
		if !found || text != o.Old {
			return found, text, KeepDeadline, Result{}
		}
		return false, "", ClearDeadline, Result{Done: true}
	case GetDel:
		return false, "", ClearDeadline, Result{Done: found, Text: text}
	case Swap:
		return true, o.Value, changeTo(o.TTL), Result{Done: found, Text: text}
	case Persist:
		return found, text, ClearDeadline, Result{Done: found}
	}
	panic("no such operation")
}

// ReturnsTTL reports whether o returns the time left of an existing key.
func (o Operation) ReturnsTTL() bool { return o.Kind == TTL || o.Kind == IncrTTL }

func (o Operation) options() []adaptor.Option {
	switch {
	case o.TTL == driver.KeepTTL:
		return []adaptor.Option{adaptor.WithKeepTTL()}
	case o.TTL > 0:
		return []adaptor.Option{adaptor.WithTTL(o.TTL)}
	}
	return nil
}

// Do calls the operation on a real store.
func (o Operation) Do(ctx context.Context, s *adaptor.AtomicKVStore, key string) Result {
	opts := o.options()
	var r Result
	var err error
	switch o.Kind {
	case Get:
		var text []byte
		text, r.Done, err = s.GetRaw(ctx, key)
		r.Text = string(text)
	case Has:
		r.Done, err = s.Has(ctx, key)
	case TTL:
		r.Left, r.Done, err = s.TTL(ctx, key)
	case Set:
		err = s.Set(ctx, key, json.RawMessage(o.Value), opts...)
	case Del:
		err = s.Del(ctx, key)
	case Expire:
		r.Done, err = s.Expire(ctx, key, o.TTL)
	case Incr:
		r.Sum, err = s.Incr(ctx, key, o.By, opts...)
	case IncrTTL:
		r.Sum, r.Left, err = s.IncrTTL(ctx, key, o.By, opts...)
	case SetNX:
		r.Done, err = s.SetNX(ctx, key, json.RawMessage(o.Value), opts...)
	case CompareAndSwap:
		r.Done, err = s.CompareAndSwap(ctx, key, json.RawMessage(o.Old), json.RawMessage(o.Value), opts...)
	case CompareAndDelete:
		r.Done, err = s.CompareAndDelete(ctx, key, json.RawMessage(o.Old))
	case GetDel:
		var text []byte
		text, r.Done, err = s.GetDel(ctx, key)
		r.Text = string(text)
	case Swap:
		var text []byte
		text, r.Done, err = s.Swap(ctx, key, json.RawMessage(o.Value), opts...)
		r.Text = string(text)
	case Persist:
		r.Done, err = s.Persist(ctx, key)
	case GetExpire:
		var text []byte
		text, r.Done, err = s.GetExpire(ctx, key, o.TTL)
		r.Text = string(text)
	}
	r.Code, r.Unknown = adaptor.CodeOf(err), adaptor.OutcomeUnknown(err)
	return r
}

// WithValidTTL returns o with a TTL that its method accepts.
func (o Operation) WithValidTTL() Operation {
	switch o.Kind {
	case Expire, GetExpire:
		o.TTL = max(o.TTL, time.Millisecond)
	case Incr, IncrTTL, SetNX:
		o.TTL = max(o.TTL, driver.NoTTL)
	}
	return o
}
