package memory_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/zelt-go/kv/internal/mutant"
)

// yields lets others in between a read and the write that depends on it.
const yields = "sh.mu.Unlock()\n\ttime.Sleep(time.Nanosecond)\n\tsh.mu.Lock()\n"

// The models find the bugs that hide best, planted one at a time.
func TestModelsFindBugs(t *testing.T) {
	histories := []string{"-run", "^TestHistories$", "-histories", "100", "."}
	sequences := []string{"-run", "^TestSequences$", "-rapid.checks", "20000", "-rapid.nofailfile", "."}
	for _, m := range []struct {
		bug, file, old, new string
		run                 []string
	}{
		{"Incr is not atomic", "store.go",
			"e := sh.live(k, now)\n\tif e == nil {\n\t\te = sh.put", "e := sh.live(k, now)\n\t" + yields + "\tif e == nil {\n\t\te = sh.put", histories},
		{"SetNX is not atomic", "store.go",
			"if sh.live(k, now) != nil {\n", "there := sh.live(k, now)\n\t" + yields + "\tif there != nil {\n", histories},
		{"an entry lives 3 ms too long", "shard.go",
			"e.deadline <= now {\n\t\ts.remove(e)", "e.deadline+3_000_000 <= now {\n\t\ts.remove(e)", histories},
		{"an entry lives 1 ns too long", "shard.go",
			"e.deadline <= now {\n\t\ts.remove(e)", "e.deadline < now {\n\t\ts.remove(e)", sequences},
		{"KeepTTL drops the TTL", "shard.go",
			"\tcase driver.KeepTTL:\n", "\tcase driver.KeepTTL:\n\t\ts.setDeadline(e, 0)\n", sequences},
		{"Incr moves the deadline", "store.go",
			"strconv.AppendInt(nil, sum, 10), driver.KeepTTL, now)", "strconv.AppendInt(nil, sum, 10), ttl, now)", sequences},
		{"SetNX takes an expired entry for a live one", "store.go",
			"if sh.live(k, now) != nil {\n", "if sh.entries[k] != nil {\n", sequences},
	} {
		t.Run(m.bug, func(t *testing.T) {
			output, failed := mutant.Test(t, m.file, m.old, m.new, m.run...)
			assert.True(t, failed, "planted, and not found: %s\n%s", m.bug, output)
			// "flaky": which shard a key is in, and so who frees it when, differs per store.
			assert.Regexp(t, `not linearizable|\[rapid\] (failed|flaky)`, output)
		})
	}
}
