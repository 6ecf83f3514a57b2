package memory_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/zelt-go/kv/internal/mutant"
)

// yields lets other goroutines run between a read and the write that depends on the read.
const yields = "w.shard.mu.Unlock()\n\ttime.Sleep(time.Nanosecond)\n\tw.shard.mu.Lock()\n"

// TestHistories and TestSequences find bugs that are hard to find. Each is planted separately.
func TestModelsFindBugs(t *testing.T) {
	t.Parallel()
	histories := []string{"-run", "^TestHistories$", "-histories", "1000", "."}
	sequences := []string{"-run", "^TestSequences$", "-rapid.checks", "20000", "-rapid.nofailfile", "."}
	for _, m := range []struct {
		bug, file, old, new string
		run                 []string
	}{
		{"Incr is not atomic", "store.go",
			"sum, err = r.add(by)", `before := r.value()
		sh.mu.Unlock()
		time.Sleep(time.Nanosecond)
		sh.mu.Lock()
		now, _ := sh.find(hash, &s.namespace, key)
		if err = driver.ErrInvalidValue; now != nil && before.text == nil && now.value().text == nil {
			sum, err = before.n+by, nil
			now.setNumber(sum)
		}`, histories},
		{"SetNX is not atomic", "store.go",
			"stored = w.at == 0 && w.put()", "stored = w.at == 0\n\t\t" + yields + "stored = stored && w.put()", histories},
		{"an entry expires 3 ms too late", "record.go",
			"d != 0 && d <= c.now()", "d != 0 && d+3_000_000 <= c.now()", histories},
		{"an entry expires 1 ns too late", "record.go",
			"d != 0 && d <= c.now()", "d != 0 && d < c.now()", sequences},
		{"Has sees an entry for 1 ns too long", "store.go",
			"deadline > s.kv.now()", "deadline >= s.kv.now()", sequences},
		{"KeepTTL drops the TTL", "shard.go",
			"\tcase driver.KeepTTL:\n", "\tcase driver.KeepTTL:\n\t\ts.setDeadline(w.record, w.at, 0)\n", sequences},
		{"Incr moves the deadline", "store.go",
			"s.add(key, by); ok {", "s.add(key, by); ok {\n\t\tif ttl > 0 {\n\t\t\t_, _ = s.Expire(nil, key, ttl)\n\t\t}", sequences},
		{"SetNX takes an expired entry for a live one", "shard.go",
			"case r.expired(&w.clock):", "case false:", sequences},
		{"GetExpire sets no deadline", "getexpire.go",
			"if !driver.IsPlaceholder(v.text) {", "if driver.IsPlaceholder(v.text) {", sequences},
		{"GetExpire is not atomic", "getexpire.go",
			"w.shard.setDeadline(w.record, w.at, deadlineAfter(w.clock.now(), ttl))",
			"w.shard.mu.Unlock()\n\ttime.Sleep(time.Nanosecond)\n\t_, _ = s.Expire(nil, key, ttl)\n\tw.shard.mu.Lock()", histories},
		{"SetMany writes twice", "many.go",
			"if w.shard.lookUp(w); w.shard.put(w) {", "if w.shard.lookUp(w); w.shard.put(w) {\n" + yields + "w.shard.lookUp(w)\nw.shard.put(w)", histories},
		{"SetMany drops a deadline that it must keep", "many.go",
			"newValue(values[i]), ttl", "newValue(values[i]), max(ttl, driver.NoTTL)", sequences},
		{"DelMany deletes nothing", "many.go",
			"w.shard.lookUp(w); w.at != 0 {", "w.shard.lookUp(w); w.at != 0 && len(keys) == 0 {", sequences},
		{"Keys lists expired entries", "scan.go",
			"!s.includes(r, below) || !s.isLive(r) && !s.isLiveNow(r)", "!s.includes(r, below)", sequences},
		{"Keys omits every second shard", "scan.go",
			"for i := range s.kv.shards {\n\t\tsh := &s.kv.shards[i]", "for i := range s.kv.shards {\n\t\tsh := &s.kv.shards[i/2*2]", sequences},
		{"Clear reaches the namespaces below", "clear.go",
			"s.includes(r, below)", "s.includes(r, true)", sequences},
		{"ClearTree leaves the namespaces below", "clear.go",
			"s.includes(r, below)", "s.includes(r, false)", sequences},
	} {
		t.Run(m.bug, func(t *testing.T) {
			output, failed := mutant.Test(t, m.file, m.old, m.new, m.run...)
			assert.True(t, failed, "the planted bug was not found: %s\n%s", m.bug, output)
			// "flaky" is a failure: the shard of a key differs for each store, and with it the time
			// of removal.
			assert.Regexp(t, `not linearizable|\[rapid\] (failed|flaky)`, output)
		})
	}
}

// A hash finds a key, but only a comparison of the key decides: the tests pass with four hashes for
// all keys.
func TestHashesDoNotDecide(t *testing.T) {
	t.Parallel()
	output, failed := mutant.Test(t, "memory.go", "return uint32(hash) }", "return uint32(hash) % 4 }",
		"-run", "^(TestSequences|TestEngine|TestNamespacesAreIsolated)$/^MaxBytes=1048576", ".")
	assert.False(t, failed, output)
}
