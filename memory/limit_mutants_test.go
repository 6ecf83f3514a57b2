package memory_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/zelt-go/kv/internal/mutant"
)

// The exact model finds the bugs of the short way and of the long one, planted one at a time.
func TestLimitModelFindsBugs(t *testing.T) {
	t.Parallel()
	for _, m := range []struct{ bug, file, old, new string }{
		{"the short way allows one event more", "../adaptor/driver/limit.go", "	if n < need {", "	if n+1 < need {"},
		{"the short way waits 1 ns too short", "../adaptor/driver/limit.go", "res.RetryAfter = time.Duration(r.costOf(need).NS - free)", "res.RetryAfter = time.Duration(r.costOf(need).NS - free - 1)"},
		{"the short way forgets the debt", "limit.go", "deadlineAfter(c.now(), res.ResetIn)", "deadlineAfter(c.now(), res.ResetIn/2)"},
		{"the deadline stays when the text changes", "limit.go", "		sh.setDeadline(r, pos.ref(), deadlineAfter(c.now(), ttl))", "		_ = ttl"},
		{"an entry whose bursts are whole stays", "limit.go", "		if w.at != 0 {\n			w.remove()", "		if w.at != 0 && false {\n			w.remove()"},
	} {
		t.Run(m.bug, func(t *testing.T) {
			output, failed := mutant.Test(t, m.file, m.old, m.new, "-run", "^TestLimitEqualsTheExactModel$", ".")
			assert.True(t, failed, "planted, and not found: %s\n%s", m.bug, output)
		})
	}
}
