package adaptortest

import (
	"context"
	"errors"
	"fmt"

	"github.com/zelt-go/kv/adaptor"
)

// clearCases are the rules of Clear and ClearTree, which a backend may lack.
var clearCases = []testCase{
	{"Clear/own_keys", "Clear removes all keys of the namespace, and no key of its children, its parent or a sibling", func(c *check) {
		c.family()
		c.able("Clear", c.store("users").Clear(background))
		c.must("Clear", c.store("users").Clear(background))
		c.keysAre("Clear", c.store("users"))
		c.keysAre("Clear of the parent", c.store("users", "child"), "a", "k")
		c.keysAre("Clear of the grandparent", c.store("users", "child", "deeper"), "k")
		c.siblings("Clear")
		c.set(c.store("users"), "a", 1)
		c.holds("Clear, then Set", c.store("users"), "a", "1")
	}},
	{"Clear/tree", "ClearTree removes all keys of the namespace and of all namespaces below, and no other keys", func(c *check) {
		c.family()
		c.able("ClearTree", c.store("users").ClearTree(background))
		c.must("ClearTree", c.store("users").ClearTree(background))
		for _, path := range [][]string{{"users"}, {"users", "child"}, {"users", "child", "deeper"}, {"users", "a/b%:", "{x}"}} {
			c.keysAre("ClearTree", c.store(path...))
		}
		c.siblings("ClearTree")
	}},
	{"Clear/odd_names", "Clear of a namespace whose name is a pattern removes only the keys of this namespace, including odd keys", func(c *check) {
		names := []string{"*", "?", "[a-z]", `\*`, "a", "{a}", "\x00"}
		for i, name := range names {
			for _, other := range names {
				for _, key := range oddStrings {
					c.set(c.store(other), key, 1)
				}
			}
			c.able("Clear", c.store(name).Clear(background))
			for k, other := range names {
				for _, key := range []string{"", "a", "\xff", `\`, "*"} {
					has, err := c.store(other).Has(background, key)
					c.must("Has", err)
					c.equal(fmt.Sprintf("Clear of %q, then Has %q in %q", name, key, other), has, k != i)
				}
			}
		}
	}},
	{"Clear/many", "Clear removes each of many keys", func(c *check) {
		s := c.store("ns")
		var entries []adaptor.Entry
		for i := range 3000 {
			entries = append(entries, adaptor.Entry{Key: fmt.Sprint(i), Value: i})
		}
		c.setMany(s, entries)
		c.setMany(c.store("ns2"), entries[:1000])
		c.able("Clear", s.Clear(background))
		c.keysAre("Clear of 3000 keys", s)
		n := 0
		for _, err := range c.store("ns2").Keys(background) {
			c.must("Keys", err)
			n++
		}
		c.equal("Clear of 3000 keys, then Keys of another namespace", n, 1000)
	}},
	{"Clear/done_context", "Clear with a done context returns STORE_OPERATION_FAILED that wraps the context's error, and does nothing", func(c *check) {
		s := c.store("ns")
		c.set(s, "secret", 1)
		done, cancel := context.WithCancel(background)
		cancel()
		for op, err := range map[string]error{"Clear": s.Clear(done), "ClearTree": s.ClearTree(done)} {
			c.able(op, err)
			c.refused(op+" with a context that is done", err, adaptor.CodeStoreOperationFailed)
			if !errors.Is(err, context.Canceled) {
				c.fail(op+" with a canceled context", fmt.Sprint(err), "an error that wraps context.Canceled")
			}
		}
		c.holds("Clear with a done context", s, "secret", "1")
	}},
}

// siblings records a failure unless the keys outside the namespace users are still stored.
func (c *check) siblings(after string) {
	for _, p := range []struct {
		path []string
		key  string
	}{
		{[]string{"usersAbc"}, "k"}, {[]string{"user"}, "s"}, {[]string{"user"}, "s:a"}, {[]string{"users/child"}, "k"},
		{[]string{"users:"}, "k"}, {[]string{"other", "users"}, "a"},
	} {
		c.holds(fmt.Sprintf("%s of users, then look at %q", after, p.path), c.store(p.path...), p.key, `"x"`)
	}
}
