package adaptortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/zelt-go/kv/adaptor"
)

// manyCases are the rules of GetMany, SetMany and DelMany.
var manyCases = []testCase{
	{"Many/in_order", "GetMany returns one result per key in the order of the keys, including missing and repeated keys", func(c *check) {
		s := c.store("ns")
		var entries []adaptor.Entry
		var keys, want []string
		for i := range 300 {
			key := fmt.Sprint("key", i*7%300)
			keys = append(keys, key, "missing"+key)
			want = append(want, fmt.Sprint(i), absent)
			entries = append(entries, adaptor.Entry{Key: key, Value: i})
		}
		c.setMany(s, entries)
		c.hasMany("SetMany of 300", s, keys, want)
		c.hasMany("SetMany", s, []string{"key7", "key7", "none", "key0"}, []string{"1", "1", absent, "0"})
		c.hasMany("SetMany", s, nil, nil)
		c.setMany(s, nil)
		c.holds("SetMany of 300", s, "key7", "1")
	}},
	{"Many/odd_keys", "the keys of a batch are byte strings in their namespace", func(c *check) {
		s, other := c.store("ns"), c.store("other")
		var entries []adaptor.Entry
		var want, none []string
		for i, key := range oddStrings {
			entries = append(entries, adaptor.Entry{Key: key, Value: i})
			want, none = append(want, fmt.Sprint(i)), append(none, absent)
		}
		c.setMany(s, entries)
		c.hasMany("SetMany of odd keys", s, oddStrings, want)
		c.hasMany("SetMany in another namespace", other, oddStrings, none)
		c.setMany(other, entries)
		c.must("DelMany", s.DelMany(background, oddStrings))
		c.hasMany("DelMany", s, oddStrings, none)
		c.hasMany("DelMany in another namespace", other, oddStrings, want)
	}},
	{"Many/last_wins", "if a key occurs twice in a batch, its later occurrence is executed last", func(c *check) {
		s := c.store("ns")
		var entries []adaptor.Entry
		for i := range 200 {
			entries = append(entries, adaptor.Entry{Key: fmt.Sprint(i % 20), Value: i})
		}
		c.setMany(s, entries)
		for i := range 20 {
			c.holds("SetMany of each key ten times", s, fmt.Sprint(i), fmt.Sprint(180+i))
		}
	}},
	{"Many/ttl", "SetMany treats the TTL of each entry as Set does", func(c *check) {
		s := c.store("ns")
		two := []adaptor.Entry{{Key: "a", Value: 1}, {Key: "b", Value: "2"}}
		c.setMany(s, two, adaptor.WithTTL(time.Minute))
		if c.advance == nil {
			c.pass(time.Second)
		}
		two[0].Value = "another"
		c.setMany(s, two, adaptor.WithKeepTTL())
		c.ttlIs("SetMany WithKeepTTL", s, "a", c.minuteLess())
		c.ttlIs("SetMany WithKeepTTL", s, "b", c.minuteLess())
		c.setMany(s, two[1:])
		c.ttlIs("SetMany without a TTL", s, "b", 0)
		c.setMany(s, two, adaptor.WithTTL(time.Second))
		c.toDeadline()
		c.hasMany("just before the deadline", s, []string{"a", "b"}, []string{`"another"`, `"2"`})
		c.overDeadline()
		c.hasMany("at the deadline", s, []string{"a", "b"}, []string{absent, absent})
	}},
	{"Many/refused_changes_nothing", "SetMany returns INVALID_VALUE and stores nothing if JSON cannot represent one of the values; bad options are INVALID_TTL", func(c *check) {
		s := c.store("ns")
		entries := []adaptor.Entry{{Key: "a", Value: 1}, {Key: "secret", Value: make(chan int)}, {Key: "b", Value: 2}}
		c.refused("SetMany with a TTL of 0", s.SetMany(background, entries, adaptor.WithTTL(0)), adaptor.CodeInvalidTTL)
		c.refused("SetMany with a channel", s.SetMany(background, entries), adaptor.CodeInvalidValue)
		c.hasMany("a refused SetMany", s, []string{"a", "secret", "b"}, []string{absent, absent, absent})
	}},
	{"Many/wrong_type", "GetMany[T] returns an error for each value that does not decode, and all other values", func(c *check) {
		s := c.store("ns")
		c.setMany(s, []adaptor.Entry{{Key: "a", Value: 1}, {Key: "secret", Value: "secret"}, {Key: "b", Value: 2}})
		results, err := adaptor.GetMany[int](background, s, []string{"a", "secret", "b", "none"})
		c.refused("GetMany[int] of a string among others", err, adaptor.CodeInvalidValue)
		got := ""
		for _, r := range results {
			got += fmt.Sprintln(r.Value, r.Found, adaptor.CodeOf(r.Err))
		}
		c.equal("GetMany[int] of a string among others", got, "1 true \n0 false INVALID_VALUE\n2 true \n0 false \n")
		var perKey adaptor.KeyErrors
		if !errors.As(err, &perKey) || len(perKey) != 4 || perKey[0] != nil || adaptor.CodeOf(perKey[1]) != adaptor.CodeInvalidValue {
			c.fail("GetMany[int] of a string among others", fmt.Sprintf("%v", perKey), "KeyErrors with INVALID_VALUE for the second key alone")
		}
	}},
	{"Many/copies", "a later change to the caller's keys, values or results never reaches the store", func(c *check) {
		s := c.store("ns")
		key, value := []byte("key"), json.RawMessage(`"value"`)
		c.setMany(s, []adaptor.Entry{{Key: unsafe.String(&key[0], len(key)), Value: value}})
		copy(key, "xxx")
		copy(value, `"xxxxx"`)
		c.holds("SetMany, then overwrite the caller's key and value", s, "key", `"value"`)
		results, err := s.GetMany(background, []string{"key", "key"})
		c.must("GetMany", err)
		copy(results[0].Value, "xxxxxxx")
		c.equal("GetMany of a key twice, then overwrite the first result", string(results[1].Value), `"value"`)
		c.holds("overwrite what GetMany returned", s, "key", `"value"`)
	}},
	{"Many/done_context", "a batch with a done context returns STORE_OPERATION_FAILED that wraps the context's error, and does nothing", func(c *check) {
		s := c.store("ns")
		c.set(s, "secret", 1)
		done, cancel := context.WithCancel(background)
		cancel()
		_, getErr := s.GetMany(done, []string{"secret"})
		for op, err := range map[string]error{
			"GetMany": getErr,
			"SetMany": s.SetMany(done, []adaptor.Entry{{Key: "secret", Value: 2}}),
			"DelMany": s.DelMany(done, []string{"secret"}),
		} {
			c.refused(op+" with a context that is done", err, adaptor.CodeStoreOperationFailed)
			if !errors.Is(err, context.Canceled) {
				c.fail(op+" with a canceled context", fmt.Sprint(err), "an error that wraps context.Canceled")
			}
		}
		c.holds("batches with a done context", s, "secret", "1")
	}},
}

func (c *check) setMany(s *adaptor.KVStore, entries []adaptor.Entry, opts ...adaptor.Option) {
	c.must("SetMany", s.SetMany(background, entries, opts...))
}

// hasMany records a failure unless GetMany returns want.
func (c *check) hasMany(after string, s *adaptor.KVStore, keys, want []string) {
	results, err := s.GetMany(background, keys)
	c.must(after+", then GetMany", err)
	if len(results) != len(keys) {
		c.fail(after+", then GetMany", fmt.Sprint(len(results), " results"), fmt.Sprint(len(keys)))
		return
	}
	for i, r := range results {
		got := absent
		if r.Found {
			got = string(r.Value)
		}
		if got != want[i] {
			c.fail(fmt.Sprintf("%s, then GetMany, and look at %q", after, brief(keys[i])), got, want[i])
		}
	}
}
