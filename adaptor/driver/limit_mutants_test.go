package driver_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/zelt-go/kv/internal/mutant"
)

// The exact model finds errors of the arithmetic, planted one at a time.
func TestExactModelFindsBugs(t *testing.T) {
	t.Parallel()
	for _, m := range []struct{ bug, old, new string }{
		{"fractions are dropped", "	sum := Span{a.NS + b.NS, a.Part + b.Part}", "	sum := Span{a.NS + b.NS, 0}"},
		{"fractions do not carry", "sum.NS, sum.Part = sum.NS+1, sum.Part-r.den", "sum.NS, sum.Part = sum.NS, sum.Part-r.den"},
		{"times are rounded down", "	if s.Part > 0 {\n		ns++", "	if s.Part > 0 {\n		ns += 0"},
		{"more is given back than was taken", "	if d.NS < 0 {\n		return Span{}", "	if d.NS < -1e18 {\n		return Span{}"},
		{"the age of events does not count", "sub(l.rates[i].cost(c.Give), Span{NS: int64(c.Age)})", "sub(l.rates[i].cost(c.Give), Span{})"},
		{"an event is taken from the first rate only", "			debts[i] = r.add(debts[i], r.costOf(taken))", "			debts[i] = r.add(debts[i], r.costOf(taken*int64(1-min(i, 1))))"},
		{"the wait is for one event", "r.add(debts[i], r.costOf(c.Need))", "r.add(debts[i], r.costOf(1))"},
		{"a longer deadline moves the other rates", "whole - int64(left)", "0*whole"},
		{"other rates are forgotten", "!known && before.NS < left", "!known && false"},
	} {
		t.Run(m.bug, func(t *testing.T) {
			output, failed := mutant.Test(t, "limit.go", m.old, m.new, "-run", "^TestDecide", ".")
			assert.True(t, failed, "planted, and not found: %s\n%s", m.bug, output)
		})
	}
}
