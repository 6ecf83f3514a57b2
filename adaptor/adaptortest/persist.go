package adaptortest

import (
	"errors"
	"fmt"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// persistCases are the rules of Persist, which a backend may lack.
var persistCases = []testCase{
	{"Persist/takes_the_deadline", "Persist makes an entry never expire, and reports whether the entry exists; it creates nothing", func(c *check) {
		s := c.store("ns")
		c.persist(s, "k", false)
		c.holds("Persist of a missing key", s, "k", absent)
		c.set(s, "k", 1, adaptor.WithTTL(time.Second))
		c.persist(s, "k", true)
		c.ttlIs("Persist", s, "k", 0)
		c.persist(s, "k", true)
		c.pass(time.Second + c.margin)
		c.holds("Persist, and the TTL is over", s, "k", "1")
	}},
	{"Persist/after_the_deadline", "an expired entry is missing for Persist", func(c *check) {
		s := c.store("ns")
		for i, over := range []bool{false, true} {
			key := fmt.Sprint(i)
			c.set(s, key, 1, adaptor.WithTTL(time.Second))
			c.toDeadline()
			if over {
				c.overDeadline()
			}
			c.persist(s, key, !over)
		}
	}},
}

func (c *check) persist(s *adaptor.KVStore, key string, want bool) {
	found, err := s.Persist(background, key)
	c.able("Persist", err)
	c.must("Persist", err)
	c.equal(fmt.Sprintf("Persist %q", key), found, want)
}

// able ends a case if the backend does not support the operation.
func (c *check) able(done string, err error) {
	if errors.Is(err, errors.ErrUnsupported) {
		c.refused(done, err, adaptor.CodeStoreOperationFailed)
		c.Logf("not checked: %v", err)
		panic(enough{})
	}
}
