// Package adaptortest is the conformance suite that every adaptor runs: one line,
// and its author knows.
//
//	func TestConformance(t *testing.T) {
//		adaptortest.TestAtomicAdaptor(t, adaptortest.Harness[adaptor.AtomicKVAdaptor]{New: newMine})
//	}
//
// Each rule of the contract that a backend can break is a case of its own. A case
// that fails says which rule, what was done, what came back and what was promised.
package adaptortest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// Harness says how the suite gets adaptors, and how time passes for them. A is
// adaptor.KVAdaptor or adaptor.AtomicKVAdaptor.
type Harness[A any] struct {
	// New makes an adaptor that holds no data and is ready to serve. It is called
	// once per case, and again for one that is repeated (see Margin). It may call
	// t.Cleanup and t.Fatal.
	New func(t testing.TB) A

	// Advance lets d pass by the clock of the adaptor that New made last: for a
	// server, mostly time.Sleep. Nil means that the adaptor takes its time from
	// package time, in this process: each case then runs in a bubble of
	// testing/synctest, where New is called too, and hours pass at once.
	Advance func(t testing.TB, d time.Duration)

	// Margin is how far before and after a deadline the suite looks. Zero means one
	// nanosecond before and the deadline itself, which is what a clock in this
	// process can keep; a server needs some milliseconds. With Advance, a case that
	// fails after the machine was busy elsewhere for as long says nothing about the
	// adaptor, and is repeated, twice at most.
	Margin time.Duration
}

// TestAdaptor runs the cases of the operations of [adaptor.KVStore], each as a
// subtest named after its rule.
func TestAdaptor(t *testing.T, h Harness[adaptor.KVAdaptor]) {
	t.Helper()
	for _, c := range allPlainCases() {
		report(t, c, h.clock(), func(t testing.TB) (adaptor.KVAdaptor, adaptor.AtomicKVAdaptor) { return h.New(t), nil })
	}
}

// TestAtomicAdaptor runs the cases of TestAdaptor and those of the atomic operations.
func TestAtomicAdaptor(t *testing.T, h Harness[adaptor.AtomicKVAdaptor]) {
	t.Helper()
	for _, c := range allCases() {
		report(t, c, h.clock(), both(h))
	}
}

// both makes the two views of one atomic adaptor.
func both(h Harness[adaptor.AtomicKVAdaptor]) func(testing.TB) (adaptor.KVAdaptor, adaptor.AtomicKVAdaptor) {
	return func(t testing.TB) (adaptor.KVAdaptor, adaptor.AtomicKVAdaptor) {
		a := h.New(t)
		return adaptor.WithoutAtomic(a), a
	}
}

// A testCase is one rule.
type testCase struct {
	name string // in subtests: Group/rule
	rule string // what is promised, in a sentence
	run  func(*check)
}

func allPlainCases() []testCase {
	return slices.Concat(plainCases, persistCases, manyCases, keysCases, clearCases, pingCases)
}

func allCases() []testCase {
	return slices.Concat(allPlainCases(), atomicCases, takeCases, getExpireCases, rawCases)
}

func report(t *testing.T, c testCase, k clock, newAdaptors func(testing.TB) (adaptor.KVAdaptor, adaptor.AtomicKVAdaptor)) {
	t.Helper()
	t.Run(c.name, func(t *testing.T) {
		for _, failure := range runCase(t, c, k, newAdaptors) {
			t.Errorf("rule: %s\n%s", c.rule, failure)
		}
	})
}

// runCase runs one case and returns what it found, without failing t.
func runCase(t *testing.T, c testCase, k clock, newAdaptors func(testing.TB) (adaptor.KVAdaptor, adaptor.AtomicKVAdaptor)) (failures []string) {
	body := func(t *testing.T) (late time.Duration) {
		found := &check{TB: t, clock: k}
		var begin time.Time
		defer func() {
			r := recover()
			if _, enough := r.(enough); r != nil && !enough {
				found.failures = append(found.failures, fmt.Sprintf("panic: %v", r))
			}
			failures, late = found.failures, time.Since(begin)-found.passed
		}()
		found.plain, found.atomic = newAdaptors(t)
		begin = time.Now()
		c.run(found)
		return 0
	}
	if k.advance == nil {
		synctest.Test(t, func(t *testing.T) { body(t) })
		return failures
	}
	for range 3 {
		if late := body(t); len(failures) == 0 || late < k.margin {
			break
		}
	}
	return failures
}

// clock is the part of a harness that is about time.
type clock struct {
	advance func(t testing.TB, d time.Duration)
	margin  time.Duration
}

func (h Harness[A]) clock() clock { return clock{h.Advance, h.Margin} }

// enough ends a case that can't go on.
type enough struct{}

// check is what a case works with. Its helpers do one operation each, and end the
// case when that fails with an error that the rule does not expect.
type check struct {
	testing.TB
	clock
	plain    adaptor.KVAdaptor
	atomic   adaptor.AtomicKVAdaptor
	failures []string
	passed   time.Duration // by Advance
}

var background = context.Background()

// fail notes what was done, what came back and what was promised.
func (c *check) fail(done, got, want string) {
	c.failures = append(c.failures, fmt.Sprintf("did:      %s\ngot:      %s\npromised: %s", done, shorten(got), shorten(want)))
}

func shorten(s string) string {
	const most = 400
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// equal fails if got is not want.
func (c *check) equal(done string, got, want any) {
	if g, w := fmt.Sprintf("%v", got), fmt.Sprintf("%v", want); g != w {
		c.fail(done, g, w)
	}
}

// must ends the case on an error.
func (c *check) must(done string, err error) {
	if err != nil {
		c.fail(done, "error: "+err.Error(), "no error")
		panic(enough{})
	}
}

// refused fails unless err has the code, is surely not applied, and keeps secrets.
func (c *check) refused(done string, err error, code adaptor.Code) {
	switch {
	case adaptor.CodeOf(err) != code:
		c.fail(done, fmt.Sprintf("%q: %v", adaptor.CodeOf(err), err), string(code))
	case adaptor.OutcomeUnknown(err):
		c.fail(done, "outcome unknown: "+err.Error(), "surely not applied")
	case strings.Contains(err.Error(), "secret"):
		c.fail(done, err.Error(), "a text without key and value")
	}
}

// store opens a path of the plain adaptor.
func (c *check) store(path ...string) *adaptor.KVStore {
	s, err := c.plain.Namespace(path[0])
	for _, name := range path[1:] {
		c.must(fmt.Sprintf("Namespace %q", path), err)
		s, err = s.Namespace(name)
	}
	c.must(fmt.Sprintf("Namespace %q", path), err)
	return s
}

// atomicStore opens a namespace of the atomic adaptor.
func (c *check) atomicStore(name string) *adaptor.AtomicKVStore {
	s, err := c.atomic.Namespace(name)
	c.must(fmt.Sprintf("Namespace %q", name), err)
	return s
}

// pass lets d pass.
func (c *check) pass(d time.Duration) {
	if c.advance != nil {
		c.advance(c.TB, d)
		c.passed += d
		return
	}
	time.Sleep(d)
	synctest.Wait()
}

// toDeadline passes what is left of ttl except for the margin.
func (c *check) toDeadline(ttl time.Duration) { c.pass(ttl - c.before()) }

// overDeadline passes the rest.
func (c *check) overDeadline() { c.pass(c.before() + c.margin) }

func (c *check) before() time.Duration { return max(c.margin, time.Nanosecond) }

// The operations, each with a line for the failure.

func (c *check) set(s *adaptor.KVStore, key string, value any, opts ...adaptor.Option) {
	c.must(fmt.Sprintf("Set %q %s", brief(key), brief(value)), s.Set(background, key, value, opts...))
}

func (c *check) del(s *adaptor.KVStore, key string) {
	c.must(fmt.Sprintf("Del %q", brief(key)), s.Del(background, key))
}

const absent = "absent"

// raw is the JSON text at key, or absent.
func (c *check) raw(s *adaptor.KVStore, key string) string {
	text, found, err := s.GetRaw(background, key)
	c.must(fmt.Sprintf("GetRaw %q", brief(key)), err)
	if !found {
		return absent
	}
	return string(text)
}

// holds fails unless the text at key is want.
func (c *check) holds(after string, s *adaptor.KVStore, key, want string) {
	c.equal(fmt.Sprintf("%s, then GetRaw %q", after, brief(key)), c.raw(s, key), want)
	has, err := s.Has(background, key)
	c.must("Has", err)
	c.equal(fmt.Sprintf("%s, then Has %q", after, brief(key)), has, want != absent)
}

// ttlIs fails unless key has ttl left, where time may have passed up to slack since.
func (c *check) ttlIs(after string, s *adaptor.KVStore, key string, want time.Duration) {
	left, found, err := s.TTL(background, key)
	done := fmt.Sprintf("%s, then TTL %q", after, brief(key))
	c.must(done, err)
	if !found {
		c.fail(done, absent, want.String())
		return
	}
	c.near(done, left, want)
}

// near compares times left: equal, or up to the tolerance of a server less.
func (c *check) near(done string, left, want time.Duration) {
	late := time.Duration(0)
	if c.advance != nil && want > 0 {
		late = want/10 + 5*time.Second // a slow machine; the rules tell seconds from minutes
	}
	if left > want || left < want-late || want > 0 && left <= 0 {
		c.fail(done, left.String(), want.String())
	}
}

func brief(v any) string { return shorten(fmt.Sprintf("%v", v)) }
