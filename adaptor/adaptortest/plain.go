package adaptortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unsafe"

	"github.com/zelt-go/kv/adaptor"
)

// plainCases are the rules of KVStore.
var plainCases = []testCase{
	{"Value/get_set_del", "Get returns the value that Set stored, until Del; for a missing key it returns found == false and no error", func(c *check) {
		s := c.store("ns")
		c.holds("nothing", s, "k", absent)
		c.del(s, "k")
		c.set(s, "k", map[string]any{"b": 1, "a": []int{2}})
		c.holds("Set", s, "k", `{"a":[2],"b":1}`)
		c.set(s, "k", "second")
		c.holds("Set again", s, "k", `"second"`)
		c.del(s, "k")
		c.holds("Del", s, "k", absent)
	}},
	{"Value/null_is_found", "Set stores nil as null, and Get finds it", func(c *check) {
		s := c.store("ns")
		c.set(s, "k", nil)
		c.holds("Set nil", s, "k", "null")
		v, found, err := adaptor.Get[struct{ A int }](background, s, "k")
		c.must("Get", err)
		c.equal("Set nil, then Get[struct]", fmt.Sprint(v, found), "{0} true")
	}},
	{"Value/text_is_exact", "JSON text comes back byte for byte", func(c *check) {
		s := c.store("ns")
		for i, text := range []string{
			`""`, `0`, `-0`, `5.0`, `1e3`, `9223372036854775808`, `[]`, `{}`, `{"":{"":[null,true,false]}}`,
			"\"<>&\u2028\ufffd\U0001F600\u007f\"", `"\u0000\"\\\/\n"`, `"` + strings.Repeat("x", 1<<20) + `"`,
		} {
			key := fmt.Sprint(i)
			c.set(s, key, json.RawMessage(text))
			c.holds("Set", s, key, text)
		}
	}},
	{"Value/int64_is_exact", "Get[int64] is exact beyond 2^53", func(c *check) {
		s := c.store("ns")
		for _, want := range []int64{math.MaxInt64, math.MinInt64, 1<<53 + 1} {
			c.set(s, "k", want)
			got, _, err := adaptor.Get[int64](background, s, "k")
			c.must("Get[int64]", err)
			c.equal("Set, then Get[int64]", got, want)
		}
	}},
	{"Value/decodes_into_a_new_target", "Get decodes into a new T, which contains nothing of an earlier value", func(c *check) {
		type target struct{ A, B int }
		s := c.store("ns")
		c.set(s, "both", target{1, 2})
		c.set(s, "one", map[string]int{"A": 3})
		_, _, err := adaptor.Get[target](background, s, "both")
		c.must("Get", err)
		v, _, err := adaptor.Get[target](background, s, "one")
		c.must("Get", err)
		c.equal("Get {A,B}, then Get {A}", v, target{A: 3})
	}},
	{"Value/refused_changes_nothing", "Set returns INVALID_VALUE if JSON cannot represent the value, and changes nothing; it never replaces a part of a value silently", func(c *check) {
		s := c.store("ns")
		c.set(s, "k", "stays", adaptor.WithTTL(time.Hour))
		for _, bad := range []any{make(chan int), math.NaN(), "secret\xff", json.RawMessage(`"secret\ud800"`), json.RawMessage(`{"secret"`)} {
			c.refused(fmt.Sprintf("Set of a bad %T", bad), s.Set(background, "k", bad), adaptor.CodeInvalidValue)
			c.holds("a refused Set", s, "k", `"stays"`)
			c.ttlIs("a refused Set", s, "k", time.Hour)
		}
	}},
	{"Value/wrong_type_stays", "Get returns INVALID_VALUE for a stored value that does not decode into T, and the value remains", func(c *check) {
		s := c.store("ns")
		c.set(s, "secret", "secret")
		_, found, err := adaptor.Get[int](background, s, "secret")
		c.refused(`Set "secret", then Get[int]`, err, adaptor.CodeInvalidValue)
		c.equal("Get[int] of a string: found", found, false)
		_, _, err = adaptor.Get[time.Time](background, s, "secret")
		c.refused(`Set "secret", then Get[time.Time]`, err, adaptor.CodeInvalidValue)
		c.holds("Get[int]", s, "secret", `"secret"`)
	}},
	{"Value/input_is_copied", "a later change to the caller's bytes never reaches the store", func(c *check) {
		s := c.store("ns")
		key, value := []byte("key"), json.RawMessage(`"value"`)
		c.set(s, unsafe.String(&key[0], len(key)), value)
		copy(key, "xxx")
		copy(value, `"xxxxx"`)
		c.holds("Set, then overwrite the caller's key and value", s, "key", `"value"`)
		c.holds("Set, then overwrite the caller's key and value", s, "xxx", absent)
	}},
	{"Value/output_is_the_callers", "the caller owns the value that GetRaw returns", func(c *check) {
		s := c.store("ns")
		c.set(s, "k", "value")
		c.set(s, "other", "other")
		first, _, err := s.GetRaw(background, "k")
		c.must("GetRaw", err)
		second, _, err := s.GetRaw(background, "other")
		c.must("GetRaw", err)
		c.equal("GetRaw k, GetRaw other, then look at the first", string(first), `"value"`)
		copy(second, "xxxxxxx")
		c.holds("overwrite what GetRaw returned", s, "other", `"other"`)
	}},

	{"Key/any_bytes", "keys are byte strings and are kept exactly; the empty key is a key", func(c *check) {
		s := c.store("ns")
		for i, key := range oddStrings {
			c.holds("nothing", s, key, absent)
			c.set(s, key, i)
		}
		for i, key := range oddStrings {
			c.holds("Set of many odd keys", s, key, fmt.Sprint(i))
		}
		for _, key := range oddStrings {
			c.del(s, key)
			c.holds("Del", s, key, absent)
		}
	}},
	{"Namespace/empty", "Namespace immediately returns EMPTY_NAMESPACE for an empty name", func(c *check) {
		_, err := c.plain.Namespace("")
		c.refused(`Namespace("")`, err, adaptor.CodeEmptyNamespace)
		_, err = c.store("ns").Namespace("")
		c.refused(`Namespace("") of a store`, err, adaptor.CodeEmptyNamespace)
	}},
	{"Namespace/isolated", "two different pairs of path and key never share an entry, regardless of their bytes", func(c *check) {
		type pair struct {
			path []string
			key  string
		}
		pairs := []pair{
			{[]string{"ab"}, "c"}, {[]string{"a"}, "bc"}, {[]string{"a"}, "b:c"}, {[]string{"a", "b"}, "c"},
			{[]string{"a/b"}, "c"}, {[]string{"a:b"}, "c"}, {[]string{"a%2Fb"}, "c"}, {[]string{"a"}, "b/c"},
			{[]string{"users"}, "Abc"}, {[]string{"usersAbc"}, ""}, {[]string{"users"}, ""}, {[]string{"users", "Abc"}, ""},
			{[]string{"a\x00b"}, "c"}, {[]string{"a"}, "b\x00c"}, {[]string{"a\x00"}, "bc"}, {[]string{"a"}, "\x00bc"},
			{[]string{"{a}"}, "c"}, {[]string{"a"}, "{c}"}, {[]string{"a", "a"}, "a"}, {[]string{"a", "a", "a"}, ""},
		}
		for _, name := range oddStrings {
			if name != "" {
				pairs = append(pairs, pair{[]string{name}, "k"}, pair{[]string{"parent", name}, "k"})
			}
		}
		for i, p := range pairs {
			done := fmt.Sprintf("Set of other pairs than %s", brief(fmt.Sprintf("%q", p)))
			c.holds(done, c.store(p.path...), p.key, absent)
			c.set(c.store(p.path...), p.key, i)
		}
		for i, p := range pairs {
			done := fmt.Sprintf("Set %s and many others", brief(fmt.Sprintf("%q", p)))
			c.holds(done, c.store(p.path...), p.key, fmt.Sprint(i))
		}
	}},
	{"Namespace/same_path_same_data", "stores of the same path are views of the same data", func(c *check) {
		c.set(c.store("a", "b"), "k", 1)
		c.holds("Set through another store of the path", c.store("a", "b"), "k", "1")
	}},

	{"TTL/deadline", "an entry exists for every operation before its deadline, and is absent from the deadline on", func(c *check) {
		const ttl = time.Second
		reads := []struct {
			name string
			live func(s *adaptor.KVStore) (bool, error)
		}{
			{"GetRaw", func(s *adaptor.KVStore) (bool, error) { _, found, err := s.GetRaw(background, "k"); return found, err }},
			{"Has", func(s *adaptor.KVStore) (bool, error) { return s.Has(background, "k") }},
			{"TTL", func(s *adaptor.KVStore) (bool, error) { _, found, err := s.TTL(background, "k"); return found, err }},
			{"Expire", func(s *adaptor.KVStore) (bool, error) { return s.Expire(background, "k", ttl) }},
		}
		for _, r := range reads {
			s := c.store("ns", r.name)
			for _, over := range []bool{false, true} {
				c.set(s, "k", 1, adaptor.WithTTL(ttl))
				c.toDeadline()
				when := "just before the deadline"
				if over {
					c.overDeadline()
					when = "at the deadline"
				}
				live, err := r.live(s)
				c.must(r.name, err)
				c.equal(fmt.Sprintf("Set with a TTL, then %s %s", r.name, when), live, !over)
			}
			c.overDeadline()
			c.pass(ttl)
			c.holds("the deadline is over", s, "k", absent)
		}
	}},
	{"TTL/short", "a positive TTL is rounded up to a whole millisecond, and never becomes no TTL", func(c *check) {
		s := c.store("ns")
		for _, ttl := range []time.Duration{1, time.Microsecond, time.Millisecond, time.Millisecond + 1, 999 * time.Millisecond, 1500 * time.Millisecond} {
			c.set(s, "k", 1, adaptor.WithTTL(ttl))
			whole := (ttl + time.Millisecond - 1).Truncate(time.Millisecond)
			if c.advance == nil {
				c.ttlIs(fmt.Sprintf("Set with a TTL of %v", ttl), s, "k", whole)
				c.pass(whole - 1)
				c.holds(fmt.Sprintf("1 ns before the end of %v", whole), s, "k", "1")
			}
			c.pass(whole + c.margin)
			c.holds(fmt.Sprintf("after a TTL of %v", ttl), s, "k", absent)
		}
	}},
	{"TTL/never_zero", "the TTL of a key with a deadline is never 0: below a millisecond it reads as 1 ms", func(c *check) {
		s := c.store("ns")
		c.set(s, "k", 1, adaptor.WithTTL(time.Second))
		c.set(s, "forever", 1)
		c.ttlIs("Set without a TTL", s, "forever", 0)
		if c.advance == nil {
			c.pass(time.Second - time.Nanosecond)
			left, found, err := s.TTL(background, "k")
			c.must("TTL", err)
			c.equal("TTL 1 ns before the deadline", fmt.Sprint(left, found), "1ms true")
			return
		}
		for { // a server's clock: look all the way to the end
			left, found, err := s.TTL(background, "k")
			c.must("TTL", err)
			if !found {
				return
			}
			if left <= 0 {
				c.fail("TTL on the way to the deadline", "0, as if it never expired", "at least 1 ms")
				return
			}
		}
	}},
	{"TTL/huge", "a TTL that does not fit saturates, and never wraps", func(c *check) {
		s := c.store("ns")
		c.pass(time.Millisecond)
		for _, ttl := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 / 2} {
			c.set(s, "k", 1, adaptor.WithTTL(ttl))
			c.holds(fmt.Sprintf("Set with a TTL of %v", ttl), s, "k", "1")
			left, found, err := s.TTL(background, "k")
			c.must("TTL", err)
			if !found || left < ttl/2 {
				c.fail(fmt.Sprintf("Set with a TTL of %v, then TTL", ttl), left.String(), "about as much")
			}
			existed, err := s.Expire(background, "k", ttl)
			c.must("Expire", err)
			c.equal("Expire", existed, true)
			c.holds(fmt.Sprintf("Expire with %v", ttl), s, "k", "1")
		}
	}},
	{"TTL/set_replaces", "Set without WithTTL makes an entry that never expires, regardless of its previous deadline", func(c *check) {
		s := c.store("ns")
		c.set(s, "k", 1, adaptor.WithTTL(time.Second))
		c.set(s, "k", 2)
		c.ttlIs("Set with a TTL, then without", s, "k", 0)
		c.pass(time.Second + c.margin)
		c.holds("the old TTL is over", s, "k", "2")
		c.set(s, "k", 3, adaptor.WithTTL(time.Hour))
		c.ttlIs("Set with a TTL", s, "k", time.Hour)
	}},
	{"TTL/set_keeps", "WithKeepTTL keeps the deadline of an entry; an entry without a deadline still never expires", func(c *check) {
		s := c.store("ns")
		c.set(s, "k", 1, adaptor.WithTTL(time.Minute))
		if c.advance == nil {
			c.pass(time.Second)
		}
		c.set(s, "k", 2, adaptor.WithKeepTTL())
		c.holds("Set WithKeepTTL", s, "k", "2")
		c.ttlIs("Set with a TTL of a minute, then WithKeepTTL", s, "k", c.minuteLess())
		c.set(s, "forever", 1)
		c.set(s, "forever", 2, adaptor.WithKeepTTL())
		c.ttlIs("Set, then Set WithKeepTTL", s, "forever", 0)
		c.set(s, "new", 1, adaptor.WithKeepTTL())
		c.ttlIs("Set WithKeepTTL of a new key", s, "new", 0)
		c.set(s, "dead", 1, adaptor.WithTTL(time.Millisecond))
		c.pass(time.Millisecond + c.margin)
		c.set(s, "dead", 2, adaptor.WithKeepTTL())
		c.ttlIs("Set WithKeepTTL of an expired key", s, "dead", 0)
	}},
	{"TTL/expire", "Expire sets the deadline of an existing entry, and reports whether the entry exists", func(c *check) {
		s := c.store("ns")
		for _, step := range []struct {
			done string
			do   func()
		}{
			{"Set", func() { c.set(s, "k", 1) }},
			{"Set with a shorter TTL", func() { c.set(s, "k", 1, adaptor.WithTTL(10*time.Second)) }},
			{"Set with a longer TTL", func() { c.set(s, "k", 1, adaptor.WithTTL(time.Hour)) }},
		} {
			step.do()
			existed, err := s.Expire(background, "k", time.Minute)
			c.must("Expire", err)
			c.equal(step.done+", then Expire", existed, true)
			c.ttlIs(step.done+", then Expire by a minute", s, "k", time.Minute)
			c.holds(step.done+", then Expire", s, "k", "1")
		}
	}},
	{"TTL/expire_creates_nothing", "Expire and TTL return false for a missing key, and create nothing", func(c *check) {
		s := c.store("ns")
		c.set(s, "dead", 1, adaptor.WithTTL(time.Millisecond))
		c.pass(time.Millisecond + c.margin)
		for _, key := range []string{"missing", "dead"} {
			existed, err := s.Expire(background, key, time.Hour)
			c.must("Expire", err)
			c.equal("Expire of a key that is "+key, existed, false)
			c.holds("Expire of a key that is "+key, s, key, absent)
			left, found, err := s.TTL(background, key)
			c.must("TTL", err)
			c.equal("TTL of a key that is "+key, fmt.Sprint(left, found), "0s false")
		}
	}},
	{"TTL/del_forgets", "Del removes the deadline: a new entry at the key never expires", func(c *check) {
		s := c.store("ns")
		c.set(s, "k", 1, adaptor.WithTTL(time.Second))
		c.del(s, "k")
		c.set(s, "k", 2)
		c.pass(time.Second + c.margin)
		c.holds("the TTL of the deleted entry is over", s, "k", "2")
	}},
	{"TTL/not_positive", "an operation with a TTL that is not positive returns INVALID_TTL and changes nothing", func(c *check) {
		s := c.store("ns")
		c.set(s, "secret", "secret", adaptor.WithTTL(time.Hour))
		for _, ttl := range []time.Duration{0, -1, math.MinInt64} {
			c.refused(fmt.Sprintf("Set with a TTL of %v", ttl), s.Set(background, "secret", 2, adaptor.WithTTL(ttl)), adaptor.CodeInvalidTTL)
			_, err := s.Expire(background, "secret", ttl)
			c.refused(fmt.Sprintf("Expire with %v", ttl), err, adaptor.CodeInvalidTTL)
		}
		c.holds("a refused TTL", s, "secret", `"secret"`)
		c.ttlIs("a refused TTL", s, "secret", time.Hour)
	}},

	{"Error/done_context", "an operation with a done context returns STORE_OPERATION_FAILED that wraps the context's error, and does nothing", func(c *check) {
		s := c.store("ns")
		c.set(s, "secret", "secret")
		done, cancel := context.WithCancel(background)
		cancel()
		for op, err := range map[string]error{
			"Set":    s.Set(done, "secret", 2),
			"Del":    s.Del(done, "secret"),
			"GetRaw": third(s.GetRaw(done, "secret")),
			"Has":    second(s.Has(done, "secret")),
			"Expire": second(s.Expire(done, "secret", time.Minute)),
			"TTL":    third(s.TTL(done, "secret")),
		} {
			c.refused(op+" with a context that is done", err, adaptor.CodeStoreOperationFailed)
			if !errors.Is(err, context.Canceled) {
				c.fail(op+" with a canceled context", fmt.Sprint(err), "an error that wraps context.Canceled")
			}
		}
		c.holds("operations with a done context", s, "secret", `"secret"`)
		c.ttlIs("operations with a done context", s, "secret", 0)
	}},
}

// oddStrings contains names and keys that break code that does not expect arbitrary bytes.
var oddStrings = []string{
	"", " ", "\x00", "\x00\x00", "a\x00", "a\x00b", "a", "A", "\xff", "\xfe", "\ufffd", "é", "e\u0301", "a\nb", "a\r\nb",
	":", "::", "/", "%", "%2F", "%3A", "{", "}", "{a}", "*", "?", "[a]", `\`, `\x00`, `"`, "'", "$", "..", "../a",
	strings.Repeat("k", 64<<10), strings.Repeat("k", 64<<10) + "1",
}

// minuteLess returns a minute minus the second that passed in a bubble.
func (c *check) minuteLess() time.Duration {
	if c.advance == nil {
		return 59 * time.Second
	}
	return time.Minute
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }
