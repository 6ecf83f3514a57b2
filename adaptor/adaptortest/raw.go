package adaptortest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// rawCases are the rules about texts that are not values of the front: placeholders, and text of other
// programs.
var rawCases = []testCase{
	{"Raw/begins_with_space", "a value is bytes to a backend: text that begins with a space survives every operation unchanged", func(c *check) {
		s := c.driverStore("ns")
		for _, text := range []string{driver.PlaceholderPrefix + `none"`, driver.PlaceholderPrefix + `load ABC shared"`, ` "x "`, `  {"a":1}`, ` 5`} {
			raw := func() []byte { return []byte(text) }
			must := func(done string, err error) { c.must(fmt.Sprintf("%s of %q", done, text), err) }
			same := func(done string, got []byte, found bool) {
				if !found || string(got) != text {
					c.fail(fmt.Sprintf("%s, which stored %q", done, text), fmt.Sprintf("%q, found: %v", got, found), fmt.Sprintf("%q, found", text))
				}
			}
			get := func(done, key string) {
				got, found, err := s.Get(background, key)
				must("Get", err)
				same(done+", then Get", got, found)
			}
			yes := func(done string, got bool, err error) {
				must(done, err)
				c.equal(fmt.Sprintf("%s of %q", done, text), got, true)
			}

			must("Set", s.Set(background, "set", raw(), driver.NoTTL))
			get("Set", "set")
			must("Del", s.Del(background, "nx"))
			stored, err := s.SetNX(background, "nx", raw(), time.Hour)
			yes("SetNX of a missing key", stored, err)
			get("SetNX", "nx")
			swapped, err := s.CompareAndSwap(background, "nx", raw(), raw(), time.Hour)
			yes("CompareAndSwap with the stored text as old and new", swapped, err)
			get("CompareAndSwap", "nx")
			swapped, err = s.CompareAndSwap(background, "nx", bytes.TrimSpace(raw()), []byte("1"), driver.NoTTL)
			must("CompareAndSwap", err)
			c.equal(fmt.Sprintf("CompareAndSwap of %q with old without the space", text), swapped, false)
			old, found, err := driver.Swap(background, s, "nx", raw(), driver.NoTTL)
			must("Swap", err)
			same("Swap of a key", old, found)
			get("Swap", "nx")
			for i, got := range driver.GetMany(background, s, []string{"nx", "set"}) {
				must("GetMany", got.Err)
				same(fmt.Sprintf("Set and Swap, then GetMany, result %d", i), got.Value, got.Found)
			}
			for _, err := range driver.SetMany(background, s, []string{"many"}, [][]byte{raw()}, driver.NoTTL) {
				must("SetMany", err)
			}
			get("SetMany", "many")
			old, found, err = driver.GetDel(background, s, "many")
			must("GetDel", err)
			same("GetDel of a key", old, found)
			deleted, err := s.CompareAndDelete(background, "nx", raw())
			yes("CompareAndDelete with the stored text", deleted, err)
		}
	}},
	{"Raw/lengths", "a value of any length passes every operation unchanged, also if a value of the same length replaces it", func(c *check) {
		s := c.driverStore("ns")
		for _, n := range []int{3, 255, 256, 257, 4095, 4096, 4097, 65535, 65536} {
			text := func(fill, last string) []byte { return []byte(`"` + strings.Repeat(fill, n-3) + last + `"`) }
			first, second, nearly := text("a", "a"), text("b", "b"), text("a", "b") // nearly differs from first near its end
			must := func(done string, err error) { c.must(fmt.Sprintf("%s of %d bytes", done, n), err) }
			same := func(done string, got []byte, found bool, want []byte) {
				if !found || !bytes.Equal(got, want) {
					c.fail(fmt.Sprintf("%s, with %d bytes", done, n), fmt.Sprintf("%s, found: %v", got, found), fmt.Sprintf("%s, found", want))
				}
			}
			holds := func(done string, want []byte) {
				got, found, err := s.Get(background, "k")
				must("Get", err)
				same(done+", then Get", got, found, want)
			}
			reports := func(done string, got, want bool, err error) {
				must(done, err)
				c.equal(fmt.Sprintf("%s, with %d bytes", done, n), got, want)
			}
			raw := bytes.Clone // the backend owns each value

			must("Set", s.Set(background, "k", raw(first), driver.NoTTL))
			holds("Set", first)
			must("Set", s.Set(background, "k", raw(second), time.Hour))
			holds("a second Set", second)
			old, found, err := driver.Swap(background, s, "k", raw(first), driver.NoTTL)
			must("Swap", err)
			same("Swap", old, found, second)
			holds("Swap", first)
			done, err := s.CompareAndSwap(background, "k", raw(nearly), raw(second), driver.NoTTL)
			reports("CompareAndSwap with another old", done, false, err)
			holds("CompareAndSwap with another old", first)
			done, err = s.CompareAndSwap(background, "k", raw(first), raw(nearly), driver.KeepTTL)
			reports("CompareAndSwap", done, true, err)
			holds("CompareAndSwap", nearly)
			done, err = s.CompareAndDelete(background, "k", raw(first))
			reports("CompareAndDelete with another old", done, false, err)
			done, err = s.SetNX(background, "k", raw(second), driver.NoTTL)
			reports("SetNX of an existing key", done, false, err)
			holds("SetNX of an existing key", nearly)
			value, found, err := driver.GetExpire(background, s, "k", time.Hour)
			must("GetExpire", err)
			same("GetExpire", value, found, nearly)
			holds("GetExpire", nearly)
			done, err = s.CompareAndDelete(background, "k", raw(nearly))
			reports("CompareAndDelete", done, true, err)
			done, err = s.SetNX(background, "k", raw(second), time.Hour)
			reports("SetNX", done, true, err)
			holds("SetNX", second)
			keys := []string{"k", "l"}
			for _, err := range driver.SetMany(background, s, keys, [][]byte{raw(first), raw(nearly)}, driver.NoTTL) {
				must("SetMany", err)
			}
			got := driver.GetMany(background, s, keys)
			for i, want := range [][]byte{first, nearly} {
				must("GetMany", got[i].Err)
				same(fmt.Sprintf("SetMany, then GetMany, result %d", i), got[i].Value, got[i].Found, want)
			}
			value, found, err = driver.GetDel(background, s, "k")
			must("GetDel", err)
			same("GetDel", value, found, first)
		}
	}},
	{"Raw/placeholder", `a key whose load found nothing is a missing key to every method that returns a value, and never the value "kv:none"`, func(c *check) {
		s := c.atomicStore("ns")
		h := adaptor.Of[string](s, adaptor.NoneTTL(time.Hour))
		remember := func() {
			_, found, err := h.GetOrLoad(background, "k", func(context.Context) (adaptor.Loaded[string], error) {
				return adaptor.Loaded[string]{None: true}, nil
			})
			c.must("GetOrLoad", err)
			c.equal("GetOrLoad of a key that has no value: found", found, false)
		}
		const done = "GetOrLoad finds that there is no value"
		remember()
		c.equal(done+", then GetRaw", c.raw(&s.KVStore, "k"), absent)
		c.hasMany(done, &s.KVStore, []string{"k"}, []string{absent})
		_, found, err := h.GetOrLoad(background, "k", func(context.Context) (adaptor.Loaded[string], error) {
			return adaptor.Loaded[string]{Value: "loaded again"}, nil
		})
		c.must("GetOrLoad", err)
		c.equal(done+", then GetOrLoad: found", found, false)
		c.getDel(s, "k", absent)
		c.holds(done+", GetDel", &s.KVStore, "k", absent)
		remember()
		c.exchange(s, "k", 1, absent)
		c.holds(done+", Swap", &s.KVStore, "k", "1")
		c.del(&s.KVStore, "k")
		remember()
		stored, err := h.SetNX(background, "k", "value")
		c.must("SetNX of a handle", err)
		c.equal(done+", then SetNX of a handle: stored", stored, true)
		c.holds(done+", SetNX of a handle", &s.KVStore, "k", `"value"`)
	}},
}

// driverStore opens a namespace of the backend below the adaptor.
func (c *check) driverStore(name string) driver.AtomicStore {
	s, err := adaptor.Driver(c.atomic).OpenAtomic([]string{name})
	c.must(fmt.Sprintf("OpenAtomic %q", name), err)
	return s
}
