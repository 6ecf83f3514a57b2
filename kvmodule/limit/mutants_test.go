package limit_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/zelt-go/kv/internal/mutant"
)

// The tests find the bugs that hide best, planted one at a time.
func TestLimiterTestsFindBugs(t *testing.T) {
	t.Parallel()
	for _, m := range []struct{ bug, file, old, new, run string }{
		{"a lease does not age", "lease.go",
			"e.unused-l.regained(age(e.taken, now))", "e.unused", "TestLeasesNeverAllowMore"},
		{"a lease is given back without its age", "lease.go",
			"Give: e.unused, Age: age(e.taken, now)", "Give: e.unused", "TestLeasesNeverAllowMore"},
		{"a refund beside leases ignores the age of events", "lease.go",
			"c.Age = max(c.Age, age(u.at, now))", "c.Age = min(0, age(u.at, now))", "TestRefundOfRegainedEventsBesideLeases"},
		{"a refusal is remembered too long", "lease.go",
			"now.Add(res.RetryAfter)", "now.Add(res.RetryAfter + 1)", "TestLeasesRememberARefusalUntilItsRetryAfter"},
		{"the caller's context is an outage", "outage.go",
			"case limited.Err() != nil && ctx.Err() == nil &&", "case limited.Err() != nil &&", "TestCallersContextIsNoOutage"},
		{"each call waits for the store again", "outage.go",
			"now >= probe && o.probe", "o.probe", "TestOneProbePerSecond"},
		{"Local remembers the outage before", "outage.go",
			"	if o.local.Load() != nil {\n		o.local.Store(nil)", "	if o.local.Load() != nil {\n		o.local.Load()", "TestLocalCountsUntilTheStoreAnswers"},
		{"Wait waits for its context", "wait.go",
			"ok && time.Until(end) <= v.RetryAfter", "ok && false && time.Until(end) <= v.RetryAfter", "TestRules"},
		{"Retry-After is rounded down", "http.go",
			"max(1, seconds(v.RetryAfter))", "max(1, int64(v.RetryAfter/time.Second))", "TestMiddlewareAnswers"},
		{"the first untrusted address is the client", "address.go",
			"slices.Backward(lines)", "slices.All(lines)", "TestByAddress"},
	} {
		t.Run(m.bug, func(t *testing.T) {
			output, failed := mutant.Test(t, m.file, m.old, m.new, "-run", "^"+m.run+"$", ".")
			assert.True(t, failed, "planted, and not found: %s\n%s", m.bug, output)
		})
	}
}
