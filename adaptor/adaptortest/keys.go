package adaptortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// keysCases are the rules of Keys and Tree, which a backend may lack.
var keysCases = []testCase{
	{"Keys/own_keys", "Keys lists each key of the namespace once, and no key of its children, its parent or a sibling", func(c *check) {
		c.family()
		c.keysAre("a family of namespaces", c.store("users"), "", "a", "b:c", "child", "child:k")
		c.keysAre("a family of namespaces", c.store("usersAbc"), "k")
		c.keysAre("a family of namespaces", c.store("users", "child"), "a", "k")
		c.keysAre("a family of namespaces", c.store("empty"))
	}},
	{"Keys/any_bytes", "Keys returns each key with the bytes with which it was stored, regardless of the bytes of the key and of the namespace's name", func(c *check) {
		for _, name := range []string{"ns", "*", "?", "[a-z]", `\*`, "a%:{}/b", "\x00\xff"} {
			s := c.store(name)
			for _, key := range oddStrings {
				c.set(s, key, 1)
			}
		}
		for _, name := range []string{"ns", "*", "?", "[a-z]", `\*`, "a%:{}/b", "\x00\xff"} {
			c.keysAre("Set of odd keys in odd namespaces", c.store(name), oddStrings...)
		}
	}},
	{"Keys/live_only", "Keys lists no deleted or expired key, and lists a key whose deadline was moved", func(c *check) {
		s := c.store("ns")
		for _, key := range []string{"stays", "deleted", "expires", "put off"} {
			c.set(s, key, 1)
		}
		c.del(s, "deleted")
		for _, key := range []string{"expires", "put off"} {
			c.set(s, key, 1, adaptor.WithTTL(time.Second))
		}
		c.set(s, "put off", 2)
		c.overDeadline()
		c.pass(time.Second)
		c.keysAre("Del, and a TTL that is over", s, "put off", "stays")
	}},
	{"Keys/many", "Keys lists each of many keys exactly once, also while other keys are stored and deleted", func(c *check) {
		s := c.store("ns")
		const stable, passing = 3000, 600
		var entries []adaptor.Entry
		for i := range stable {
			entries = append(entries, adaptor.Entry{Key: fmt.Sprint("stable-", i), Value: i})
		}
		c.setMany(s, entries)
		stop := make(chan struct{})
		var writer sync.WaitGroup
		var failed error
		writer.Go(func() {
			for i := 0; failed == nil; i++ {
				select {
				case <-stop:
					return
				default:
				}
				keys := make([]string, 0, passing)
				var some []adaptor.Entry
				for k := range passing {
					keys = append(keys, fmt.Sprint("passing-", k))
					some = append(some, adaptor.Entry{Key: keys[k], Value: i}, adaptor.Entry{Key: fmt.Sprint("stable-", (i*passing+k)%stable), Value: strings.Repeat("x", k%90)})
				}
				failed = errors.Join(s.SetMany(background, some), s.DelMany(background, keys))
			}
		})
		for range 3 {
			seen := map[string]int{}
			var scanErr error
			for key, err := range s.Keys(background) {
				if scanErr = err; err == nil {
					seen[key]++
				}
			}
			if scanErr != nil {
				close(stop)
				writer.Wait()
				c.able("Keys", scanErr)
				c.must("Keys", scanErr)
			}
			once, twice := 0, 0
			for key, n := range seen {
				if strings.HasPrefix(key, "stable-") {
					once++
				}
				if n > 1 {
					twice++
				}
			}
			c.equal("Keys while others write: keys that were there throughout, keys that came twice", fmt.Sprint(once, twice), fmt.Sprint(stable, 0))
		}
		close(stop)
		writer.Wait()
		c.must("SetMany and DelMany", failed)
	}},
	{"Keys/loop_uses_the_store", "the loop may use the store, and may end at any key", func(c *check) {
		s := c.store("ns")
		for i := range 100 {
			c.set(s, fmt.Sprint(i), i)
		}
		n := 0
		for key, err := range s.Keys(background) {
			c.able("Keys", err)
			c.must("Keys", err)
			c.del(s, key)
			if n++; n == 60 {
				break
			}
		}
		left := 0
		for _, err := range s.Keys(background) {
			c.must("Keys", err)
			left++
		}
		c.equal("Keys of 100, a Del of each, and a break after 60: keys left", left, 40)
	}},
	{"Keys/tree", "Tree lists the keys of the namespace and of all namespaces below, with the names that lead to them", func(c *check) {
		c.family()
		var got []string
		for place, err := range c.store("users").Tree(background) {
			c.able("Tree", err)
			c.must("Tree", err)
			got = append(got, fmt.Sprintf("%q %q", place.Path, place.Key))
		}
		slices.Sort(got)
		want := []string{
			`[] ""`, `[] "a"`, `[] "b:c"`, `[] "child"`, `[] "child:k"`, `["a/b%:" "{x}"] "k:/"`, `["child"] "a"`, `["child"] "k"`, `["child" "deeper"] "k"`,
		}
		slices.Sort(want)
		c.equal("Tree of a family of namespaces", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}},
	{"Keys/done_context", "a context that is done before or during the loop causes one STORE_OPERATION_FAILED, and ends the loop", func(c *check) {
		s := c.store("ns")
		for i := range 10 {
			c.set(s, fmt.Sprint("secret", i), i)
		}
		for _, after := range []int{0, 3} {
			ctx, cancel := context.WithCancel(background)
			if after == 0 {
				cancel()
			}
			var keys, errs []string
			for key, err := range s.Keys(ctx) {
				if err != nil {
					c.able("Keys", err)
					c.refused("Keys with a context that ends", err, adaptor.CodeStoreOperationFailed)
					errs = append(errs, fmt.Sprint(key, errors.Is(err, context.Canceled)))
					continue
				}
				if keys = append(keys, key); len(keys) == after {
					cancel()
				}
			}
			cancel()
			c.equal(fmt.Sprintf("Keys with a context that ends after %d keys: keys, errors", after), fmt.Sprint(len(keys), errs), fmt.Sprint(after, []string{"true"}))
		}
	}},
}

// family fills namespaces with similar names.
func (c *check) family() {
	for _, p := range []struct {
		path []string
		keys []string
	}{
		{[]string{"users"}, []string{"", "a", "b:c", "child", "child:k"}},
		{[]string{"usersAbc"}, []string{"k"}},
		{[]string{"user"}, []string{"s", "s:a"}},
		{[]string{"users", "child"}, []string{"a", "k"}},
		{[]string{"users", "child", "deeper"}, []string{"k"}},
		{[]string{"users", "a/b%:", "{x}"}, []string{"k:/"}},
		{[]string{"users/child"}, []string{"k"}},
		{[]string{"users:"}, []string{"k"}},
		{[]string{"other", "users"}, []string{"a"}},
	} {
		for _, key := range p.keys {
			c.set(c.store(p.path...), key, "x")
		}
	}
}

// keysAre records a failure unless Keys lists each key of want exactly once.
func (c *check) keysAre(after string, s *adaptor.KVStore, want ...string) {
	var got []string
	for key, err := range s.Keys(background) {
		c.able("Keys", err)
		c.must(after+", then Keys", err)
		got = append(got, key)
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		c.fail(after+", then Keys", fmt.Sprintf("%d: %q", len(got), got), fmt.Sprintf("%d: %q", len(want), want))
	}
}
