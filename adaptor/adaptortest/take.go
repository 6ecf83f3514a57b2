package adaptortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// takeCases are the rules of GetDel and Swap.
var takeCases = []testCase{
	{"GetDel/takes_the_entry", "GetDel returns the value and removes the entry with its TTL; a missing key is found == false", func(c *check) {
		s := c.atomicStore("ns")
		c.getDel(s, "k", absent)
		for _, text := range []string{`"token"`, `null`, `-7`, `""`, `{"a":[1.50]}`} {
			c.set(&s.KVStore, "k", json.RawMessage(text), adaptor.WithTTL(time.Hour))
			c.set(&s.KVStore, "other", 1)
			c.getDel(s, "k", text)
			c.holds("GetDel", &s.KVStore, "k", absent)
			c.holds("GetDel of another key", &s.KVStore, "other", "1")
			c.getDel(s, "k", absent)
			c.set(&s.KVStore, "k", 1)
			c.ttlIs("Set with a TTL, GetDel, Set without", &s.KVStore, "k", 0)
			c.del(&s.KVStore, "k")
		}
	}},
	{"GetDel/after_the_deadline", "an expired entry is missing for GetDel", func(c *check) {
		s := c.atomicStore("ns")
		for i, over := range []bool{false, true} {
			key, want := fmt.Sprint(i), "1"
			c.set(&s.KVStore, key, 1, adaptor.WithTTL(time.Second))
			c.toDeadline()
			if over {
				c.overDeadline()
				want = absent
			}
			c.getDel(s, key, want)
		}
	}},
	{"GetDel/atomic", "exactly one of several concurrent GetDel of one entry finds it", func(c *check) {
		s := c.atomicStore("ns")
		const keys = 50
		for k := range keys {
			c.set(&s.KVStore, fmt.Sprint(k), k)
		}
		var took atomic.Int64
		c.concurrently(func(int) error {
			for k := range keys {
				text, found, err := s.GetDel(background, fmt.Sprint(k))
				if err != nil {
					return err
				}
				if found && string(text) == fmt.Sprint(k) {
					took.Add(1)
				}
			}
			return nil
		})
		c.equal("8 goroutines GetDel the same 50 keys: found", took.Load(), keys)
	}},

	{"Swap/returns_the_previous_value", "Swap stores a value and returns the previous value; nil is null, and not a missing key", func(c *check) {
		s := c.atomicStore("ns")
		c.exchange(s, "k", 1, absent)
		before := "1"
		for _, text := range []string{`"a"`, `2`, `-3`, `null`, `""`, `{"a":[1.50]}`, `"long` + fmt.Sprintf("%0300d", 0) + `"`, `"b"`} {
			c.exchange(s, "k", json.RawMessage(text), before)
			c.holds("Swap", &s.KVStore, "k", text)
			before = text
		}
	}},
	{"Swap/ttl", "Swap treats the TTL as Set does", func(c *check) {
		s := c.atomicStore("ns")
		c.set(&s.KVStore, "k", 1, adaptor.WithTTL(time.Minute))
		if c.advance == nil {
			c.pass(time.Second)
		}
		c.exchange(s, "k", 2, "1", adaptor.WithKeepTTL())
		c.ttlIs("Swap WithKeepTTL", &s.KVStore, "k", c.minuteLess())
		c.exchange(s, "k", 3, "2", adaptor.WithTTL(time.Hour))
		c.ttlIs("Swap with a TTL", &s.KVStore, "k", time.Hour)
		c.exchange(s, "k", 4, "3")
		c.ttlIs("Swap without a TTL", &s.KVStore, "k", 0)
		c.exchange(s, "new", 1, absent, adaptor.WithKeepTTL())
		c.ttlIs("Swap WithKeepTTL of a new key", &s.KVStore, "new", 0)
	}},
	{"Swap/after_the_deadline", "an expired entry is missing for Swap", func(c *check) {
		s := c.atomicStore("ns")
		for i, over := range []bool{false, true} {
			key, want := fmt.Sprint(i), "1"
			c.set(&s.KVStore, key, 1, adaptor.WithTTL(time.Second))
			c.toDeadline()
			if over {
				c.overDeadline()
				want = absent
			}
			c.exchange(s, key, 2, want)
		}
	}},
	{"Swap/atomic", "concurrent Swap form a chain: each stored value is returned exactly once, except the last one", func(c *check) {
		s := c.atomicStore("ns")
		const rounds = 50
		var out [goroutines*rounds + 1]atomic.Int64
		c.set(&s.KVStore, "k", 0)
		c.concurrently(func(g int) error {
			for i := range rounds {
				old, _, err := adaptor.Swap[int](background, s, "k", 1+g*rounds+i)
				if err != nil {
					return err
				}
				out[old].Add(1)
			}
			return nil
		})
		last, _, err := adaptor.Get[int](background, s, "k")
		c.must("Get", err)
		out[last].Add(1)
		once := 0
		for i := range out {
			if out[i].Load() == 1 {
				once++
			}
		}
		c.equal("8 goroutines, 50 Swap each of values that differ: values that came out once", once, len(out))
	}},

	{"Take/wrong_type", "GetDel[T] and Swap[T] return INVALID_VALUE for a value that does not decode into T, and the write is applied", func(c *check) {
		s := c.atomicStore("ns")
		c.set(&s.KVStore, "secret", "secret")
		_, _, err := adaptor.Swap[int](background, s, "secret", "secret")
		c.refused("Swap[int] of a string", err, adaptor.CodeInvalidValue)
		_, _, err = adaptor.GetDel[int](background, s, "secret")
		c.refused("GetDel[int] of a string", err, adaptor.CodeInvalidValue)
		c.holds("GetDel[int]", &s.KVStore, "secret", absent)
	}},
	{"Take/bad_calls", "bad options are INVALID_TTL, a bad value is INVALID_VALUE, a done context is STORE_OPERATION_FAILED, and nothing happens", func(c *check) {
		s := c.atomicStore("ns")
		c.set(&s.KVStore, "secret", 1)
		done, cancel := context.WithCancel(background)
		cancel()
		c.refused("Swap with a TTL of 0", third(s.Swap(done, "secret", 2, adaptor.WithTTL(0))), adaptor.CodeInvalidTTL)
		c.refused("Swap of a channel", third(s.Swap(background, "secret", make(chan int))), adaptor.CodeInvalidValue)
		for op, err := range map[string]error{
			"Swap":    third(s.Swap(done, "secret", make(chan int))),
			"GetDel":  third(s.GetDel(done, "secret")),
			"Persist": second(s.Persist(done, "secret")),
		} {
			c.refused(op+" with a context that is done", err, adaptor.CodeStoreOperationFailed)
			if !errors.Is(err, context.Canceled) {
				c.fail(op+" with a canceled context", fmt.Sprint(err), "an error that wraps context.Canceled")
			}
		}
		c.holds("refused operations", &s.KVStore, "secret", "1")
	}},
}

func (c *check) getDel(s *adaptor.AtomicKVStore, key, want string) {
	text, found, err := s.GetDel(background, key)
	c.taken(fmt.Sprintf("GetDel %q", key), text, found, err, want)
}

func (c *check) exchange(s *adaptor.AtomicKVStore, key string, value any, want string, opts ...adaptor.Option) {
	text, found, err := s.Swap(background, key, value, opts...)
	c.taken(fmt.Sprintf("Swap %q", key), text, found, err, want)
	copy(text, "xxxxxxxx") // the caller owns it
}

func (c *check) taken(done string, text []byte, found bool, err error, want string) {
	c.must(done, err)
	got := absent
	if found {
		got = string(text)
	}
	c.equal(done, got, want)
}
