// Package adaptortest is the conformance suite of adaptors. The test of an adaptor runs it in one
// line:
//
//	func TestConformance(t *testing.T) {
//		adaptortest.TestAtomicAdaptor(t, adaptortest.Harness[adaptor.AtomicKVAdaptor]{New: newMine})
//	}
//
// Each rule of the contract that a backend can break is one case, and runs as a subtest. A failing
// case prints the rule, the operations, their results and the promised results. A case about an
// operation that the backend does not support (errors.ErrUnsupported) passes.
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

// Harness makes the adaptors of the suite and controls their time. A is adaptor.KVAdaptor or
// adaptor.AtomicKVAdaptor.
type Harness[A any] struct {
	// New returns an adaptor that contains no data and is ready to serve. The suite calls it once
	// per case, and again if it repeats the case (see Margin). New may call t.Cleanup and t.Fatal.
	New func(t testing.TB) A

	// Advance waits until d has passed by the clock of the adaptor that New returned last. For a
	// server it usually calls time.Sleep. Nil means that the adaptor uses package time in this
	// process. Each case, with its call of New, then runs in a bubble of testing/synctest, where
	// waiting takes no time.
	Advance func(t testing.TB, d time.Duration)

	// Margin is the distance from a deadline at which the suite looks at an entry. Zero means one
	// nanosecond before the deadline, and the deadline itself, which a clock in this process can
	// keep. A server needs some milliseconds. With Advance, the suite repeats a failed case at most
	// twice if the machine was late by the margin, because the failure then says nothing about the
	// adaptor.
	Margin time.Duration
}

// TestAdaptor runs the cases of the operations of [adaptor.KVStore]. Each case is a subtest with
// the name of its rule.
func TestAdaptor(t *testing.T, h Harness[adaptor.KVAdaptor]) {
	t.Helper()
	for _, c := range allPlainCases() {
		report(t, c, h.clock(), func(t testing.TB) (adaptor.KVAdaptor, adaptor.AtomicKVAdaptor) { return h.New(t), nil })
	}
}

// TestAtomicAdaptor runs the cases of TestAdaptor and the cases of the atomic operations.
func TestAtomicAdaptor(t *testing.T, h Harness[adaptor.AtomicKVAdaptor]) {
	t.Helper()
	for _, c := range allCases() {
		report(t, c, h.clock(), both(h))
	}
}

// both returns a function that makes the plain and the atomic view of one adaptor.
func both(h Harness[adaptor.AtomicKVAdaptor]) func(testing.TB) (adaptor.KVAdaptor, adaptor.AtomicKVAdaptor) {
	return func(t testing.TB) (adaptor.KVAdaptor, adaptor.AtomicKVAdaptor) {
		a := h.New(t)
		return adaptor.WithoutAtomic(a), a
	}
}

// A testCase is one rule.
type testCase struct {
	name string // in subtests: Group/rule
	rule string // the promise, in a sentence
	run  func(*check)
}

func allPlainCases() []testCase {
	return slices.Concat(plainCases, persistCases, manyCases, keysCases, clearCases, pingCases)
}

func allCases() []testCase {
	return slices.Concat(allPlainCases(), atomicCases, takeCases, getExpireCases, rawCases, limitCases)
}

func report(t *testing.T, c testCase, k clock, newAdaptors func(testing.TB) (adaptor.KVAdaptor, adaptor.AtomicKVAdaptor)) {
	t.Helper()
	t.Run(c.name, func(t *testing.T) {
		for _, failure := range runCase(t, c, k, newAdaptors) {
			t.Errorf("rule: %s\n%s", c.rule, failure)
		}
	})
}

// runCase runs one case and returns its failures without failing t.
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

// clock is the part of a harness that controls time.
type clock struct {
	advance func(t testing.TB, d time.Duration)
	margin  time.Duration
}

func (h Harness[A]) clock() clock { return clock{h.Advance, h.Margin} }

// enough ends a case that cannot continue.
type enough struct{}

// check is the context of a case. Its helpers do one operation each. They end the case if the
// operation returns an error that the rule does not allow.
type check struct {
	testing.TB
	clock
	plain    adaptor.KVAdaptor
	atomic   adaptor.AtomicKVAdaptor
	failures []string
	passed   time.Duration // by Advance
}

var background = context.Background()

// fail records the operations, the result and the promised result.
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

// equal records a failure if got is not want.
func (c *check) equal(done string, got, want any) {
	if g, w := fmt.Sprintf("%v", got), fmt.Sprintf("%v", want); g != w {
		c.fail(done, g, w)
	}
}

// must ends the case if err is not nil.
func (c *check) must(done string, err error) {
	if err != nil {
		c.fail(done, "error: "+err.Error(), "no error")
		panic(enough{})
	}
}

// refused records a failure unless err has the code, is surely not applied, and contains no secret.
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

// pass waits until d has passed.
func (c *check) pass(d time.Duration) {
	if c.advance != nil {
		c.advance(c.TB, d)
		c.passed += d
		return
	}
	time.Sleep(d)
	synctest.Wait()
}

// toDeadline waits for one second minus the margin: the time to live of an entry that a case lets
// expire is one second.
func (c *check) toDeadline() { c.pass(time.Second - c.before()) }

// overDeadline waits from the margin before the deadline until the margin after it.
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

// raw returns the JSON text at key, or absent.
func (c *check) raw(s *adaptor.KVStore, key string) string {
	text, found, err := s.GetRaw(background, key)
	c.must(fmt.Sprintf("GetRaw %q", brief(key)), err)
	if !found {
		return absent
	}
	return string(text)
}

// holds records a failure unless the text at key is want.
func (c *check) holds(after string, s *adaptor.KVStore, key, want string) {
	c.equal(fmt.Sprintf("%s, then GetRaw %q", after, brief(key)), c.raw(s, key), want)
	has, err := s.Has(background, key)
	c.must("Has", err)
	c.equal(fmt.Sprintf("%s, then Has %q", after, brief(key)), has, want != absent)
}

// ttlIs records a failure unless key has ttl left. On a real clock, some time may have passed.
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

// near compares times left. On a real clock, the time left may be shorter by the tolerance.
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
