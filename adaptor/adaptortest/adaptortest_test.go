package adaptortest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/internal/mutant"
)

func TestToy(t *testing.T) {
	TestAtomicAdaptor(t, toyHarness(func() *toy { return newToy("") }))
	TestAdaptor(t, Harness[adaptor.KVAdaptor]{New: func(testing.TB) adaptor.KVAdaptor {
		return adaptor.WithoutAtomic(adaptor.NewAtomic(newToy("")))
	}})
}

// mutants maps each bug of the toy to the case that must find it.
var mutants = map[string]string{
	"namespaces are concatenated":                       "Namespace/isolated",
	"path and key are joined by an unescaped separator": "Namespace/isolated",
	"sibling prefixes meet":                             "Namespace/isolated",
	"keys are cut at NUL":                               "Key/any_bytes",
	"bad UTF-8 in keys is replaced":                     "Key/any_bytes",
	"keys ignore case":                                  "Key/any_bytes",
	"the empty key is another":                          "Key/any_bytes",

	"keys are kept without a copy":           "Value/input_is_copied",
	"a miss is an error":                     "Value/get_set_del",
	"a miss is null":                         "Value/get_set_del",
	"Del does nothing":                       "Value/get_set_del",
	"Del of a missing key is an error":       "Value/get_set_del",
	"null is read as a miss":                 "Value/null_is_found",
	"Get returns the store's own bytes":      "Value/output_is_the_callers",
	"Get reuses its buffer":                  "Value/output_is_the_callers",
	"a stale tail from a reused buffer":      "Value/get_set_del",
	"text is replaced where it is not ASCII": "Value/text_is_exact",
	"numbers pass through a float":           "Value/int64_is_exact",
	"values of a MiB are cut":                "Value/text_is_exact",

	"an entry lives 1 ns too long":                           "TTL/deadline",
	"an entry dies 1 ns too early":                           "TTL/deadline",
	"Get takes an expired entry for a live one":              "TTL/deadline",
	"Has takes an expired entry for a live one":              "TTL/deadline",
	"TTL takes an expired entry for a live one":              "TTL/deadline",
	"Expire takes an expired entry for a live one":           "TTL/deadline",
	"a millisecond is rounded to none":                       "TTL/short",
	"a TTL below a second is none":                           "TTL/short",
	"a TTL is cut to whole seconds":                          "TTL/short",
	"Del keeps the deadline for the next entry":              "TTL/del_forgets",
	"a huge TTL wraps":                                       "TTL/huge",
	"a huge TTL is none":                                     "TTL/huge",
	"what is left is cut to whole milliseconds":              "TTL/never_zero",
	"a Set without a TTL keeps the old one":                  "TTL/set_replaces",
	"KeepTTL drops the TTL":                                  "TTL/set_keeps",
	"Expire creates the key":                                 "TTL/expire_creates_nothing",
	"Expire gives no deadline to an entry without":           "TTL/expire",
	"Expire never shortens":                                  "TTL/expire",
	"Incr takes an expired entry for a live one":             "Incr/after_the_deadline",
	"Incr gives a new counter no TTL":                        "Incr/fixed_window",
	"IncrTTL of a new counter says for ever":                 "Incr/fixed_window",
	"Incr moves the deadline":                                "Incr/fixed_window",
	"Incr drops the deadline":                                "Incr/fixed_window",
	"Incr gives a counter without TTL one":                   "Incr/fixed_window",
	`Incr takes "5" for 5`:                                   "Incr/not_an_integer",
	"Incr takes 5.0 for 5":                                   "Incr/not_an_integer",
	"Incr takes -0 for 0":                                    "Incr/not_an_integer",
	"Incr takes null for 0":                                  "Incr/not_an_integer",
	"a refused Incr drops the value":                         "Incr/not_an_integer",
	"a refused Incr moves the deadline":                      "Incr/not_an_integer",
	"not an integer is another code":                         "Incr/not_an_integer",
	"a refused Incr says that it may have happened":          "Incr/not_an_integer",
	"Incr goes through a float":                              "Incr/exact",
	"Incr wraps on overflow":                                 "Incr/overflow",
	"Incr saturates on overflow":                             "Incr/overflow",
	"Incr is not atomic":                                     "Incr/atomic",
	"Incr is not atomic if nobody asks":                      "Incr/atomic",
	"Incr gives a new counter no TTL if nobody asks":         "Incr/fixed_window",
	"Incr moves the deadline if nobody asks":                 "Incr/fixed_window",
	"Incr drops the deadline if nobody asks":                 "Incr/fixed_window",
	"Incr gives a counter without TTL one if nobody asks":    "Incr/fixed_window",
	"SetNX takes an expired entry for a live one":            "SetNX/after_the_deadline",
	"a SetNX that does not store changes the TTL":            "SetNX/first_wins",
	"a SetNX that does not store replaces the value":         "SetNX/first_wins",
	"SetNX takes null for missing":                           "SetNX/first_wins",
	"SetNX loses its TTL":                                    "SetNX/first_wins",
	"SetNX is not atomic":                                    "SetNX/atomic",
	"CompareAndSwap takes an expired entry for a live one":   "CompareAndSwap/after_the_deadline",
	"nil is taken for missing":                               "CompareAndSwap/compares_text",
	"values are compared by pointer":                         "CompareAndSwap/compares_text",
	"values are compared without case":                       "CompareAndSwap/compares_text",
	"values are compared as numbers":                         "CompareAndSwap/compares_text",
	"a CompareAndSwap that does not swap changes the TTL":    "CompareAndSwap/ttl",
	"CompareAndSwap ignores its TTL":                         "CompareAndSwap/ttl",
	"CompareAndSwap of an equal value does nothing":          "CompareAndSwap/ttl",
	"CompareAndSwap is not atomic":                           "CompareAndSwap/atomic",
	"CompareAndDelete deletes always":                        "CompareAndDelete/owner_only",
	"CompareAndDelete deletes nothing":                       "CompareAndDelete/owner_only",
	"CompareAndDelete takes an expired entry for a live one": "CompareAndDelete/after_the_deadline",

	"GetDel takes an expired entry for a live one":  "GetDel/after_the_deadline",
	"GetDel is not atomic":                          "GetDel/atomic",
	"GetDel takes null for missing":                 "GetDel/takes_the_entry",
	"GetDel deletes nothing":                        "GetDel/takes_the_entry",
	"GetDel keeps the deadline for the next entry":  "GetDel/takes_the_entry",
	"Swap takes an expired entry for a live one":    "Swap/after_the_deadline",
	"Swap is not atomic":                            "Swap/atomic",
	"Swap drops the deadline":                       "Swap/ttl",
	"Swap keeps the deadline":                       "Swap/ttl",
	"Swap only replaces":                            "Swap/returns_the_previous_value",
	"Swap takes null for missing":                   "Swap/returns_the_previous_value",
	"Swap returns the new value":                    "Swap/returns_the_previous_value",
	"Persist takes an expired entry for a live one": "Persist/after_the_deadline",
	"Persist creates the key":                       "Persist/takes_the_deadline",
	"Persist reports whether there was a deadline":  "Persist/takes_the_deadline",
	"Persist does nothing":                          "Persist/takes_the_deadline",

	"GetExpire takes an expired entry for a live one": "GetExpire/after_the_deadline",
	"GetExpire creates the key":                       "GetExpire/sets_the_deadline",
	"GetExpire takes null for missing":                "GetExpire/sets_the_deadline",
	"GetExpire leaves the deadline":                   "GetExpire/slides",
	"GetExpire gives no deadline to an entry without": "GetExpire/sets_the_deadline",
	"GetExpire never shortens":                        "GetExpire/sets_the_deadline",
	"GetExpire prolongs a placeholder":                "GetExpire/placeholder",
	"GetExpire is not atomic":                         "GetExpire/atomic",
	"GetExpire returns the store's own bytes":         "GetExpire/output_is_the_callers",

	"GetMany ignores the order":                            "Many/in_order",
	"GetMany leaves out what is missing":                   "Many/in_order",
	"GetMany takes an expired entry for a live one":        "Many/ttl",
	"GetMany returns one slice for a key that comes twice": "Many/copies",
	"SetMany stores the first of equal keys":               "Many/last_wins",
	"SetMany loses its TTL":                                "Many/ttl",
	"SetMany stores at most 256":                           "Many/in_order",
	"DelMany leaves the last":                              "Many/odd_keys",

	"values are compared up to 256 bytes":               "Raw/lengths",
	"Set of 4 KiB keeps a value of the same length":     "Raw/lengths",
	"Swap of more than 256 bytes returns the new value": "Raw/lengths",
	"GetMany cuts values at 4 KiB":                      "Raw/lengths",

	"Get trims white space":                   "Raw/begins_with_space",
	"GetMany trims white space":               "Raw/begins_with_space",
	"GetDel trims white space":                "Raw/begins_with_space",
	"Swap trims white space":                  "Raw/begins_with_space",
	"Set compacts the JSON text":              "Raw/begins_with_space",
	"SetNX compacts the JSON text":            "Raw/begins_with_space",
	"SetMany compacts the JSON text":          "Raw/begins_with_space",
	"CompareAndSwap compacts the JSON text":   "Raw/begins_with_space",
	"Swap compacts the JSON text":             "Raw/begins_with_space",
	"values are compared without white space": "Raw/begins_with_space",
	"Ping fails":                              "Ping/answers",
	"Ping stores its key":                     "Ping/answers",

	"Keys takes an expired entry for a live one": "Keys/live_only",
	"Keys takes siblings for its own":            "Keys/own_keys",
	"Keys takes children for its own":            "Keys/own_keys",
	"Keys cuts keys at a colon":                  "Keys/own_keys",
	"Keys replaces bad UTF-8":                    "Keys/any_bytes",
	"Keys ends after 1000":                       "Keys/many",
	"Keys comes twice at times":                  "Keys/many",
	"Keys skips a key after a Del in its loop":   "Keys/loop_uses_the_store",
	"Keys ignores that the context ends":         "Keys/done_context",
	"Tree has no path":                           "Keys/tree",
	"Tree leaves out grandchildren":              "Keys/tree",

	"Clear removes everything":             "Clear/own_keys",
	"Clear takes siblings for its own":     "Clear/own_keys",
	"Clear takes children for its own":     "Clear/own_keys",
	"ClearTree leaves children":            "Clear/tree",
	"Clear leaves the empty key":           "Clear/odd_names",
	"Clear leaves keys that are not UTF-8": "Clear/odd_names",
	"Clear ends after 1000":                "Clear/many",

	"Limit takes an expired entry for a live one": "Limit/deadline",
	"Limit is not atomic":                         "Limit/atomic",
	"Limit takes fewer events than are needed":    "Limit/every_rate",
	"Limit ignores the age of events":             "Limit/gives_back",
	"Limit takes what it only looks for":          "Limit/deadline",
	"Limit replaces other values":                 "Limit/other_values",
	"Limit keeps an entry whose bursts are whole": "Limit/gives_back",
	"Limit gives the entry a longer life":         "Limit/deadline",
	"a refused Limit prolongs the entry":          "Limit/deadline",
	"Limit forgets other rates":                   "Limit/other_rates",
	"Limit waits 1 ns too short":                  "Limit/burst",
}

// Each planted bug fails the case that must find it.
func TestMutants(t *testing.T) {
	for _, bug := range slices.Sorted(maps.Keys(mutants)) {
		t.Run(bug, func(t *testing.T) {
			i := slices.IndexFunc(allCases(), func(c testCase) bool { return c.name == mutants[bug] })
			if i < 0 {
				t.Fatalf("no case %s", mutants[bug])
			}
			// One run may not contain an interleaving that shows a race.
			for range 20 {
				found := runCase(t, allCases()[i], clock{}, both(toyHarness(func() *toy { return newToy(bug) })))
				if len(found) > 0 {
					t.Logf("caught by %s\n%s", mutants[bug], found[0])
					return
				}
			}
			t.Errorf("%s let it pass", mutants[bug])
		})
	}
}

// Every bug in the toy is in the table, and every bug in the table is in the toy.
func TestMutantsAreComplete(t *testing.T) {
	asked := map[string]bool{}
	for _, c := range allCases() {
		runCase(t, c, clock{}, both(toyHarness(func() *toy {
			toy := newToy("")
			toy.planted = asked
			return toy
		})))
	}
	for bug := range mutants {
		delete(asked, bug)
	}
	if len(asked) > 0 {
		t.Errorf("planted, but no case is meant for them: %q", slices.Sorted(maps.Keys(asked)))
	}
}

// The front can contain bugs too. Each bug is planted into a copy of a source file of the front,
// and the suite is built with the copy.
func TestFrontMutants(t *testing.T) {
	for _, m := range []struct {
		bug, file, old, new, meant string
	}{
		{"a TTL is rounded down", "../option.go", "ttl += time.Millisecond - part", "ttl -= part", "TTL/short"},
		{"a done context is ignored", "../store.go", "&& ctx.Err() == nil", "", "Error/done_context"},
		{"an error without its cause", "../error.go", "return e.Err\n}", "return nil\n}", "Error/done_context"},
		{"a key printed in an error", "../error.go", "b.WriteString(e.Op)", "b.WriteString(e.Op + e.Key)", "Value/wrong_type_stays"},
		{"a value printed in an error", "../error.go", "return c.Reason", "return c.Err.Error()", "Value/wrong_type_stays"},
		{"bad UTF-8 is replaced", "../../internal/codec/codec.go", "jsontext.AllowInvalidUTF8(false),", "", "Value/refused_changes_nothing"},
		{"a stale field from a reused target", "../../internal/codec/codec.go", "if err := jsonv2.Unmarshal(text, target, opts); err != nil {", reused, "Value/decodes_into_a_new_target"},
		{"what is left may read as 0", "../option.go", "return max(left, time.Millisecond)", "return left.Truncate(time.Millisecond)", "TTL/never_zero"},
		{"a batch with a bad value is stored as far as it is good", "../many.go", "return err\n\t\t}\n\t\tkeys[i] = e.Key", "keys, values = keys[:i], values[:i]\n\t\t\t_ = driver.SetMany(ctx, s.store, keys, values, ttl)\n\t\t\treturn err\n\t\t}\n\t\tkeys[i] = e.Key", "Many/refused_changes_nothing"},
		{"one bad value spoils a GetMany", "../many.go", "failed = failed || r.Err != nil", "if r.Err != nil {\n\t\t\treturn nil, r.Err\n\t\t}", "Many/wrong_type"},
		{"GetExpire without GetExpirer prolongs a placeholder", "../driver/fallback.go", "if IsPlaceholder(value) {", "if false {", "GetExpire/placeholder"},
		{"GetExpire without GetExpirer is not atomic", "../driver/fallback.go", "done, err := s.CompareAndSwap(ctx, key, bytes.Clone(value), bytes.Clone(value), ttl)", "done, err := true, s.Set(ctx, key, bytes.Clone(value), ttl)", "GetExpire/atomic"},
		{"an empty name is a name", "../store.go", `if name == "" {`, `if false {`, "Namespace/empty"},
	} {
		t.Run(m.bug, func(t *testing.T) {
			t.Parallel()
			out, _ := mutant.Test(t, m.file, m.old, m.new, "-run", "^TestToy(WithoutOptionalInterfaces)?$", ".")
			if !regexp.MustCompile(`--- FAIL: TestToy\w*/` + m.meant).MatchString(out) {
				t.Errorf("planted: %s\nmeant for %s, but:\n%s", m.bug, m.meant, shorten(out))
			}
		})
	}
}

// reused decodes into a target that still contains the previous value of its type.
const reused = `if last, found := shapes.Load(t.String()); found {
		reflect.ValueOf(target).Elem().Set(last.(reflect.Value))
	}
	defer func() { shapes.Store(t.String(), reflect.ValueOf(reflect.ValueOf(target).Elem().Interface())) }()
	if err := jsonv2.Unmarshal(text, target, opts); err != nil {`

// A failing case prints the rule, the operations, the result and the promised result.
func TestFailuresExplain(t *testing.T) {
	c := allCases()[slices.IndexFunc(allCases(), func(c testCase) bool { return c.name == "SetNX/first_wins" })]
	found := runCase(t, c, clock{}, both(toyHarness(func() *toy { return newToy("a SetNX that does not store replaces the value") })))
	want := "did:      two SetNX of an existing key, then GetRaw \"k\"\ngot:      \"third\"\npromised: \"first\""
	if c.rule == "" || len(found) == 0 || found[0] != want {
		t.Errorf("rule %q\n%s", c.rule, fmt.Sprint(found))
	}
}

// With Advance, a failed case is repeated only if the machine was late.
func TestCasesOnABusyMachine(t *testing.T) {
	for _, late := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond} {
		for _, failing := range []int{0, 1, 2, 3, 4} {
			synctest.Test(t, func(t *testing.T) {
				runs := 0
				c := testCase{run: func(c *check) {
					runs++
					c.pass(time.Second)
					time.Sleep(late)
					if runs <= failing {
						c.fail("this", "that", "the other")
					}
				}}
				k := clock{func(_ testing.TB, d time.Duration) { time.Sleep(d) }, 10 * time.Millisecond}
				found := runCase(t, c, k, both(toyHarness(func() *toy { return newToy("") })))
				repeats := 0
				if late > k.margin {
					repeats = min(failing, 2)
				}
				if want := failing > repeats; runs != 1+repeats || len(found) > 0 != want {
					t.Errorf("%v late, %d runs that fail: %d runs, found %v", late, failing, runs, found)
				}
			})
		}
	}
}

func BenchmarkToy(b *testing.B) {
	Benchmark(b, toyHarness(func() *toy { return newToy("") }))
}
