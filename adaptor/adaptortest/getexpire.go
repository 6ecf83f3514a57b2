package adaptortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// getExpireCases are the rules of GetExpire.
var getExpireCases = []testCase{
	{"GetExpire/sets_the_deadline", "GetExpire returns the value and sets the deadline to now + ttl; it creates nothing", func(c *check) {
		s := c.atomicStore("ns")
		c.getExpire(s, time.Hour, absent)
		c.holds("GetExpire of a missing key", &s.KVStore, "k", absent)
		for _, text := range []string{`"session"`, `null`, `-7`, `""`, `{"a":[1.50]}`, `"long` + fmt.Sprintf("%0300d", 0) + `"`} {
			c.set(&s.KVStore, "k", json.RawMessage(text))
			c.set(&s.KVStore, "other", 1)
			for _, ttl := range []time.Duration{time.Hour, time.Minute, 2 * time.Hour} { // first, shorter, longer
				c.getExpire(s, ttl, text)
				c.ttlIs("GetExpire", &s.KVStore, "k", ttl)
			}
			c.holds("three GetExpire", &s.KVStore, "k", text)
			c.ttlIs("GetExpire of another key", &s.KVStore, "other", 0)
		}
	}},
	{"GetExpire/slides", "an entry lives as long as the calls of GetExpire come in time, and expires ttl after the last call", func(c *check) {
		s := c.atomicStore("ns")
		c.set(&s.KVStore, "k", 1, adaptor.WithTTL(time.Second))
		for range 3 {
			c.toDeadline()
			c.getExpire(s, time.Second, "1")
		}
		c.toDeadline()
		c.holds("GetExpire, just before its deadline", &s.KVStore, "k", "1")
		c.overDeadline()
		c.holds("GetExpire, at its deadline", &s.KVStore, "k", absent)
	}},
	{"GetExpire/after_the_deadline", "an expired entry is missing for GetExpire", func(c *check) {
		s := c.atomicStore("ns")
		c.set(&s.KVStore, "k", 1, adaptor.WithTTL(time.Second))
		c.toDeadline()
		c.overDeadline()
		c.getExpire(s, time.Hour, absent)
		c.holds("GetExpire of an expired entry", &s.KVStore, "k", absent)
	}},
	{"GetExpire/placeholder", "a placeholder of GetOrLoad is a missing key for GetExpire, and keeps its deadline", func(c *check) {
		s := c.atomicStore("ns")
		h := adaptor.Of[int](s, adaptor.NoneTTL(time.Minute))
		_, found, err := h.GetOrLoad(background, "k", func(context.Context) (adaptor.Loaded[int], error) {
			return adaptor.Loaded[int]{None: true}, nil
		})
		c.must("GetOrLoad", err)
		c.equal("GetOrLoad that finds none: found", found, false)
		c.getExpire(s, time.Hour, absent)
		c.ttlIs("GetOrLoad that finds none, GetExpire", &s.KVStore, "k", time.Minute)
		found, err = h.Expire(background, "k", time.Hour)
		c.must("Expire of a handle", err)
		c.equal("Expire of a handle: found", found, false)
		c.ttlIs("GetOrLoad that finds none, Expire of a handle", &s.KVStore, "k", time.Minute)
	}},
	{"GetExpire/atomic", "GetExpire loses no write of another caller, and brings no deleted key back", func(c *check) {
		s := c.atomicStore("ns")
		const rounds = 50
		c.concurrently(func(g int) error {
			for i := range rounds {
				var err error
				if g%2 == 0 {
					_, err = s.Incr(background, "n", 1)
				} else {
					_, _, err = s.GetExpire(background, "n", time.Hour)
				}
				if err != nil {
					return err
				}
				key := fmt.Sprint(i)
				switch g {
				case 0:
					err = s.Set(background, key, 1)
				case 2:
					err = s.Del(background, key)
				default:
					_, _, err = s.GetExpire(background, key, time.Hour)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		c.holds("4 goroutines, 50 Incr each, beside 4 with GetExpire", &s.KVStore, "n", fmt.Sprint(goroutines/2*rounds))
	}},
	{"GetExpire/output_is_the_callers", "the caller owns the slice of GetExpire", func(c *check) {
		s := c.atomicStore("ns")
		c.set(&s.KVStore, "k", "value")
		text, _, err := s.GetExpire(background, "k", time.Hour)
		c.must("GetExpire", err)
		copy(text, "xxxxxxx")
		c.holds("GetExpire, and a change of its slice", &s.KVStore, "k", `"value"`)
	}},
	{"GetExpire/wrong_type", "GetExpire[T] of a value that does not decode into T: INVALID_VALUE; the value remains, with the new deadline", func(c *check) {
		s := c.atomicStore("ns")
		c.set(&s.KVStore, "secret", "secret")
		_, _, err := adaptor.GetExpire[int](background, s, "secret", time.Hour)
		c.refused("GetExpire[int] of a string", err, adaptor.CodeInvalidValue)
		c.holds("GetExpire[int] of a string", &s.KVStore, "secret", `"secret"`)
		c.ttlIs("GetExpire[int] of a string", &s.KVStore, "secret", time.Hour)
	}},
	{"GetExpire/bad_calls", "a TTL that is not positive is INVALID_TTL, a done context is STORE_OPERATION_FAILED, and nothing happens", func(c *check) {
		s := c.atomicStore("ns")
		c.set(&s.KVStore, "secret", 1)
		done, cancel := context.WithCancel(background)
		cancel()
		for _, ttl := range []time.Duration{0, -1} {
			c.refused(fmt.Sprintf("GetExpire with a TTL of %v", ttl), third(s.GetExpire(done, "secret", ttl)), adaptor.CodeInvalidTTL)
		}
		err := third(s.GetExpire(done, "secret", time.Hour))
		c.refused("GetExpire with a context that is done", err, adaptor.CodeStoreOperationFailed)
		if !errors.Is(err, context.Canceled) {
			c.fail("GetExpire with a canceled context", fmt.Sprint(err), "an error that errors.Is finds context.Canceled in")
		}
		c.ttlIs("refused GetExpire", &s.KVStore, "secret", 0)
	}},
}

func (c *check) getExpire(s *adaptor.AtomicKVStore, ttl time.Duration, want string) {
	text, found, err := s.GetExpire(background, "k", ttl)
	c.taken(fmt.Sprintf("GetExpire %v", ttl), text, found, err, want)
}
