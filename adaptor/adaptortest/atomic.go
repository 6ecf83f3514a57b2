package adaptortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// atomicCases are the rules that AtomicKVStore adds.
var atomicCases = []testCase{
	{"Incr/sums", "Incr adds, treats a missing counter as 0, and works on an integer that Set wrote", func(c *check) {
		s := c.atomicStore("ns")
		for _, step := range []struct{ by, want int64 }{{1, 1}, {1, 2}, {5, 7}, {-10, -3}, {0, -3}} {
			c.incr(s, "k", step.by, step.want)
		}
		c.holds("Incr", &s.KVStore, "k", "-3")
		c.set(&s.KVStore, "k", 41)
		c.incr(s, "k", 1, 42)
		c.incr(s, "zero", 0, 0)
		c.holds("Incr by 0", &s.KVStore, "zero", "0")
	}},
	{"Incr/exact", "the sum is exact over the whole int64 range", func(c *check) {
		s := c.atomicStore("ns")
		for _, step := range []struct{ from, by, want int64 }{
			{1 << 53, 1, 1<<53 + 1}, {-1 << 53, -1, -1<<53 - 1}, {math.MaxInt64 - 1, 1, math.MaxInt64},
			{math.MinInt64 + 1, -1, math.MinInt64}, {math.MinInt64, math.MaxInt64, -1}, {math.MaxInt64, math.MinInt64, -1},
		} {
			for name, add := range increments {
				c.set(&s.KVStore, "k", step.from)
				sum, err := add(s, "k", step.by)
				c.must(name, err)
				c.equal(fmt.Sprintf("%s: %d and %d", name, step.from, step.by), sum, step.want)
				c.holds(name, &s.KVStore, "k", fmt.Sprint(step.want))
			}
		}
	}},
	{"Incr/not_an_integer", "Incr returns INVALID_VALUE for a value that is not plain decimal int64 text, and keeps the value and its TTL", func(c *check) {
		s := c.atomicStore("ns")
		for _, text := range []string{
			`"5"`, `5.0`, `1e3`, `-0`, `null`, `true`, `{}`, `[5]`, `""`, `9223372036854775808`, `-9223372036854775809`,
		} {
			for name, add := range increments {
				c.set(&s.KVStore, "secret", json.RawMessage(text), adaptor.WithTTL(time.Hour))
				_, err := add(s, "secret", 1)
				c.refused(name+" of "+text, err, adaptor.CodeInvalidValue)
				c.holds("a refused "+name, &s.KVStore, "secret", text)
				c.ttlIs("a refused "+name, &s.KVStore, "secret", time.Hour)
			}
		}
	}},
	{"Incr/overflow", "on overflow Incr returns INVALID_VALUE and keeps the value and its TTL; the sum never wraps", func(c *check) {
		s := c.atomicStore("ns")
		for _, step := range []struct{ from, by int64 }{
			{math.MaxInt64, 1}, {math.MinInt64, -1}, {1, math.MaxInt64}, {-2, math.MinInt64 + 1}, {-1, math.MinInt64},
		} {
			for name, add := range increments {
				c.set(&s.KVStore, "secret", step.from, adaptor.WithTTL(time.Hour))
				_, err := add(s, "secret", step.by)
				c.refused(fmt.Sprintf("%s of %d by %d", name, step.from, step.by), err, adaptor.CodeInvalidValue)
				c.holds("an overflow in "+name, &s.KVStore, "secret", fmt.Sprint(step.from))
				c.ttlIs("an overflow in "+name, &s.KVStore, "secret", time.Hour)
			}
		}
	}},
	{"Incr/fixed_window", "Incr sets the TTL only if this call creates the key; later calls never move the deadline", func(c *check) {
		s := c.atomicStore("ns")
		c.incrTTL(s, "k", 1, time.Minute, adaptor.WithTTL(time.Minute))
		if c.advance == nil {
			c.pass(time.Second)
		}
		c.incrTTL(s, "k", 2, c.minuteLess(), adaptor.WithTTL(time.Hour))
		c.incrTTL(s, "k", 3, c.minuteLess())
		c.ttlIs("three Incr", &s.KVStore, "k", c.minuteLess())
		c.set(&s.KVStore, "forever", 1)
		c.incrTTL(s, "forever", 2, 0, adaptor.WithTTL(time.Minute))
		c.ttlIs("Incr with a TTL of a counter without", &s.KVStore, "forever", 0)
		c.incrTTL(s, "new", 1, 0)

		// Incr without the time left may be another method of the backend.
		c.incr(s, "quiet", 1, 1, adaptor.WithTTL(time.Minute))
		c.ttlIs("a new counter of Incr", &s.KVStore, "quiet", time.Minute)
		if c.advance == nil {
			c.pass(time.Second)
		}
		c.incr(s, "quiet", 1, 2, adaptor.WithTTL(time.Hour))
		c.ttlIs("Incr with another TTL", &s.KVStore, "quiet", c.minuteLess())
		c.incr(s, "quiet", 1, 3)
		c.ttlIs("Incr without a TTL", &s.KVStore, "quiet", c.minuteLess())
		c.incr(s, "forever", 1, 3, adaptor.WithTTL(time.Minute))
		c.ttlIs("Incr with a TTL of a counter without", &s.KVStore, "forever", 0)
		c.incr(s, "plain", 1, 1)
		c.ttlIs("a new counter of Incr without a TTL", &s.KVStore, "plain", 0)
	}},
	{"Incr/after_the_deadline", "an expired counter is missing: Incr begins at 0, with its own TTL", func(c *check) {
		s := c.atomicStore("ns")
		for i, over := range []bool{false, true} {
			key := fmt.Sprint(i)
			c.incrTTL(s, key, 1, time.Second, adaptor.WithTTL(time.Second))
			c.incr(s, "quiet "+key, 1, 1, adaptor.WithTTL(time.Second))
			c.toDeadline()
			if !over {
				c.incr(s, key, 1, 2)
				c.incr(s, "quiet "+key, 1, 2, adaptor.WithTTL(time.Minute))
				continue
			}
			c.overDeadline()
			c.incrTTL(s, key, 1, time.Minute, adaptor.WithTTL(time.Minute))
			c.incr(s, "quiet "+key, 1, 1, adaptor.WithTTL(time.Minute))
			c.ttlIs("Incr of an expired counter", &s.KVStore, "quiet "+key, time.Minute)
		}
	}},
	{"Incr/atomic", "every concurrent Incr counts", func(c *check) {
		s := c.atomicStore("ns")
		const rounds = 50
		c.concurrently(func(int) error {
			for range rounds {
				for name, add := range increments {
					if _, err := add(s, name, 1); err != nil {
						return err
					}
				}
			}
			return nil
		})
		for name := range increments {
			c.holds("8 goroutines, 50 "+name+" each", &s.KVStore, name, "400")
		}
	}},

	{"SetNX/first_wins", "SetNX stores only if the key is missing; a SetNX that does not store changes neither value nor TTL", func(c *check) {
		s := c.atomicStore("ns")
		c.setNX(s, "k", "first", true, adaptor.WithTTL(time.Minute))
		c.ttlIs("SetNX", &s.KVStore, "k", time.Minute)
		if c.advance == nil {
			c.pass(time.Second)
		}
		c.setNX(s, "k", "second", false, adaptor.WithTTL(time.Hour))
		c.setNX(s, "k", "third", false)
		c.holds("two SetNX of an existing key", &s.KVStore, "k", `"first"`)
		c.ttlIs("two SetNX of an existing key", &s.KVStore, "k", c.minuteLess())
		c.set(&s.KVStore, "null", nil)
		c.setNX(s, "null", "x", false)
		c.setNX(s, "new", "x", true)
		c.ttlIs("SetNX without a TTL", &s.KVStore, "new", 0)
	}},
	{"SetNX/after_the_deadline", "an expired entry is missing for SetNX", func(c *check) {
		s := c.atomicStore("ns")
		for i, over := range []bool{false, true} {
			key := fmt.Sprint(i)
			c.set(&s.KVStore, key, "old", adaptor.WithTTL(time.Second))
			c.toDeadline()
			if over {
				c.overDeadline()
			}
			c.setNX(s, key, "new", over)
		}
	}},
	{"SetNX/atomic", "exactly one of several concurrent SetNX stores its value", func(c *check) {
		s := c.atomicStore("ns")
		const keys = 50
		var won atomic.Int64
		c.concurrently(func(g int) error {
			for k := range keys {
				stored, err := s.SetNX(background, fmt.Sprint(k), g)
				if err != nil {
					return err
				}
				if stored {
					won.Add(1)
				}
			}
			return nil
		})
		c.equal("8 goroutines SetNX the same 50 keys: won", won.Load(), keys)
	}},

	{"CompareAndSwap/compares_text", "CompareAndSwap replaces a value whose JSON text equals the text of old; nil is null, and not a missing key", func(c *check) {
		s := c.atomicStore("ns")
		c.swap(s, "k", nil, 1, false)
		c.holds("CompareAndSwap of a missing key", &s.KVStore, "k", absent)
		c.set(&s.KVStore, "k", nil)
		c.swap(s, "k", nil, map[string]int{"b": 1, "a": 2}, true)
		c.swap(s, "k", map[string]int{"a": 2}, 3, false)
		c.holds("a CompareAndSwap of another value", &s.KVStore, "k", `{"a":2,"b":1}`)
		c.swap(s, "k", map[string]int{"a": 2, "b": 1}, "x", true)
		c.holds("CompareAndSwap", &s.KVStore, "k", `"x"`)
		c.swap(s, "k", "x ", "y", false)
		c.swap(s, "k", "X", "y", false)
		c.set(&s.KVStore, "n", json.RawMessage("5.0"))
		c.swap(s, "n", 5, 6, false)
	}},
	{"CompareAndSwap/ttl", "CompareAndSwap treats the TTL as Set does; a CompareAndSwap that does not swap keeps the TTL", func(c *check) {
		s := c.atomicStore("ns")
		c.set(&s.KVStore, "k", 1, adaptor.WithTTL(time.Minute))
		if c.advance == nil {
			c.pass(time.Second)
		}
		c.swap(s, "k", 0, 2, false, adaptor.WithTTL(time.Hour))
		c.ttlIs("a CompareAndSwap of another value", &s.KVStore, "k", c.minuteLess())
		c.swap(s, "k", 1, 2, true, adaptor.WithKeepTTL())
		c.ttlIs("CompareAndSwap WithKeepTTL", &s.KVStore, "k", c.minuteLess())
		c.swap(s, "k", 2, 2, true, adaptor.WithTTL(time.Hour))
		c.ttlIs("CompareAndSwap of the same value with a TTL", &s.KVStore, "k", time.Hour)
		c.swap(s, "k", 2, 3, true)
		c.ttlIs("CompareAndSwap without a TTL", &s.KVStore, "k", 0)
	}},
	{"CompareAndSwap/after_the_deadline", "an expired entry is missing for CompareAndSwap", func(c *check) {
		s := c.atomicStore("ns")
		for i, over := range []bool{false, true} {
			key := fmt.Sprint(i)
			c.set(&s.KVStore, key, 1, adaptor.WithTTL(time.Second))
			c.toDeadline()
			if over {
				c.overDeadline()
			}
			c.swap(s, key, 1, 2, !over)
		}
	}},
	{"CompareAndSwap/atomic", "exactly one of several concurrent CompareAndSwap with the same old value swaps", func(c *check) {
		s := c.atomicStore("ns")
		const rounds = 25
		c.set(&s.KVStore, "k", 0)
		c.concurrently(func(int) error {
			done := 0
			for try := 0; done < rounds; try++ {
				if try == 100*goroutines*rounds {
					return fmt.Errorf("of %d swaps of what Get had returned, %d were done", try, done)
				}
				n, _, err := adaptor.Get[int](background, s, "k")
				if err != nil {
					return err
				}
				swapped, err := s.CompareAndSwap(background, "k", n, n+1)
				if err != nil {
					return err
				}
				if swapped {
					done++
				}
			}
			return nil
		})
		c.holds("8 goroutines, 25 successful swaps of n by n+1 each", &s.KVStore, "k", "200")
	}},
	{"CompareAndDelete/owner_only", "CompareAndDelete removes a key only if its value still is old", func(c *check) {
		s := c.atomicStore("ns")
		c.remove(s, "k", nil, false)
		c.set(&s.KVStore, "k", "owner", adaptor.WithTTL(time.Hour))
		c.remove(s, "k", "stranger", false)
		c.remove(s, "k", nil, false)
		c.holds("CompareAndDelete by a stranger", &s.KVStore, "k", `"owner"`)
		c.ttlIs("CompareAndDelete by a stranger", &s.KVStore, "k", time.Hour)
		c.remove(s, "k", "owner", true)
		c.holds("CompareAndDelete by the owner", &s.KVStore, "k", absent)
		c.remove(s, "k", "owner", false)
	}},
	{"CompareAndDelete/after_the_deadline", "an expired entry is missing for CompareAndDelete", func(c *check) {
		s := c.atomicStore("ns")
		for i, over := range []bool{false, true} {
			key := fmt.Sprint(i)
			c.set(&s.KVStore, key, 1, adaptor.WithTTL(time.Second))
			c.toDeadline()
			if over {
				c.overDeadline()
			}
			c.remove(s, key, 1, !over)
		}
	}},

	{"Atomic/namespace", "the child of an atomic store is atomic, and a view of the same data as the plain store of its path", func(c *check) {
		child, err := c.atomicStore("ns").Namespace("child")
		c.must("Namespace", err)
		c.incr(child, "k", 3, 3)
		c.holds("Incr in a child", c.store("ns", "child"), "k", "3")
		c.holds("Incr in a child", c.store("ns"), "k", absent)
	}},
	{"Atomic/bad_options", "WithKeepTTL on Incr or SetNX, or a TTL that is not positive, is INVALID_TTL, and nothing changes", func(c *check) {
		s := c.atomicStore("ns")
		for _, opt := range []adaptor.Option{adaptor.WithKeepTTL(), adaptor.WithTTL(0), adaptor.WithTTL(-1)} {
			_, err := s.Incr(background, "secret", 1, opt)
			c.refused("Incr", err, adaptor.CodeInvalidTTL)
			_, _, err = s.IncrTTL(background, "secret", 1, opt)
			c.refused("IncrTTL", err, adaptor.CodeInvalidTTL)
			_, err = s.SetNX(background, "secret", 1, opt)
			c.refused("SetNX", err, adaptor.CodeInvalidTTL)
		}
		_, err := s.CompareAndSwap(background, "secret", 1, 1, adaptor.WithTTL(time.Second), adaptor.WithKeepTTL())
		c.refused("CompareAndSwap", err, adaptor.CodeInvalidTTL)
		c.holds("refused operations", &s.KVStore, "secret", absent)
	}},
	{"Atomic/done_context", "an operation with a done context returns STORE_OPERATION_FAILED that wraps the context's error, and does nothing", func(c *check) {
		s := c.atomicStore("ns")
		c.set(&s.KVStore, "secret", 1)
		done, cancel := context.WithCancel(background)
		cancel()
		for op, err := range map[string]error{
			"Incr":             second(s.Incr(done, "secret", 1)),
			"IncrTTL":          last(s.IncrTTL(done, "secret", 1)),
			"SetNX":            second(s.SetNX(done, "new", 1)),
			"CompareAndSwap":   second(s.CompareAndSwap(done, "secret", 1, 2)),
			"CompareAndDelete": second(s.CompareAndDelete(done, "secret", 1)),
		} {
			c.refused(op+" with a context that is done", err, adaptor.CodeStoreOperationFailed)
			if !errors.Is(err, context.Canceled) {
				c.fail(op+" with a canceled context", fmt.Sprint(err), "an error that wraps context.Canceled")
			}
		}
		c.holds("operations with a done context", &s.KVStore, "secret", "1")
		c.holds("operations with a done context", &s.KVStore, "new", absent)
	}},
}

func last[T, U any](_ T, _ U, err error) error { return err }

// increments contains each operation that adds to a counter. A backend may have a separate method
// for each.
var increments = map[string]func(s *adaptor.AtomicKVStore, key string, by int64) (int64, error){
	"Incr": func(s *adaptor.AtomicKVStore, key string, by int64) (int64, error) {
		return s.Incr(background, key, by)
	},
	"Incr with a TTL": func(s *adaptor.AtomicKVStore, key string, by int64) (int64, error) {
		return s.Incr(background, key, by, adaptor.WithTTL(time.Minute))
	},
	"IncrTTL": func(s *adaptor.AtomicKVStore, key string, by int64) (int64, error) {
		sum, _, err := s.IncrTTL(background, key, by, adaptor.WithTTL(time.Minute))
		return sum, err
	},
}

func (c *check) incr(s *adaptor.AtomicKVStore, key string, by, want int64, opts ...adaptor.Option) {
	sum, err := s.Incr(background, key, by, opts...)
	c.must("Incr", err)
	c.equal(fmt.Sprintf("Incr %q by %d", key, by), sum, want)
}

// incrTTL adds 1.
func (c *check) incrTTL(s *adaptor.AtomicKVStore, key string, want int64, left time.Duration, opts ...adaptor.Option) {
	sum, ttl, err := s.IncrTTL(background, key, 1, opts...)
	c.must("IncrTTL", err)
	c.equal(fmt.Sprintf("IncrTTL %q by 1: sum", key), sum, want)
	c.near(fmt.Sprintf("IncrTTL %q by 1: TTL", key), ttl, left)
}

func (c *check) setNX(s *adaptor.AtomicKVStore, key string, value any, want bool, opts ...adaptor.Option) {
	stored, err := s.SetNX(background, key, value, opts...)
	c.must("SetNX", err)
	c.equal(fmt.Sprintf("SetNX %q %v: stored", key, value), stored, want)
}

func (c *check) swap(s *adaptor.AtomicKVStore, key string, old, new any, want bool, opts ...adaptor.Option) {
	swapped, err := s.CompareAndSwap(background, key, old, new, opts...)
	c.must("CompareAndSwap", err)
	c.equal(fmt.Sprintf("CompareAndSwap %q %v by %v: swapped", key, old, new), swapped, want)
}

func (c *check) remove(s *adaptor.AtomicKVStore, key string, old any, want bool) {
	deleted, err := s.CompareAndDelete(background, key, old)
	c.must("CompareAndDelete", err)
	c.equal(fmt.Sprintf("CompareAndDelete %q %v: deleted", key, old), deleted, want)
}

// goroutines is the number of goroutines that a case runs concurrently.
const goroutines = 8

// concurrently runs f in as many goroutines, and waits for them.
func (c *check) concurrently(f func(g int) error) {
	errs := make([]error, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() { errs[g] = f(g) })
	}
	wg.Wait()
	c.must("concurrent operations", errors.Join(errs...))
}
