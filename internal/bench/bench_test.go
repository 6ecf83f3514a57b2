package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The test binary also serves as the child process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-workload" {
		main()
		return
	}
	os.Exit(m.Run())
}

// shrunk returns j for a store of at most 100 entries.
func shrunk(j job) job {
	j.Entries = min(j.Entries, 100)
	return j
}

// Each job of each report runs, and measures every metric that the bars compare.
func TestJobs(t *testing.T) {
	done := outcomes{}
	for _, jobs := range [][]job{barJobs(bars), peerJobs(), growthJobs(), collectionJobs(), plotJobs()} {
		for _, j := range jobs {
			if j = shrunk(j); j.Workload != "expiry" && done[j] == nil {
				done.add(j, func() (result, error) { return measure(j, time.Millisecond) })
				require.NoError(t, done[j].err, j)
			}
		}
	}
	for _, b := range bars {
		if b.workload != "expiry" {
			b.entries = min(b.entries, 100)
			v := b.judge(done)
			assert.NoError(t, v.err)
			assert.NotContains(t, strings.Join(v.row(), " "), "NaN")
		}
	}
}

func TestExpiry(t *testing.T) {
	for _, name := range expiring {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := measure(job{"expiry", name, 1000}, 10*time.Millisecond)
			require.NoError(t, err)
			assert.NotEmpty(t, r.Series["Get"])
			assert.NotEmpty(t, r.Series["Set"])
			assert.Positive(t, r.Values[worstBoth])
			_, counts := r.Values[goneAfter]
			assert.Equal(t, name != "fiber", counts, "fiber can't tell when they are gone")
		})
	}
}

func newRounds(t *testing.T, n int) rounds {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise the race detector sleeps for a second in each child
	program, err := os.Executable()
	require.NoError(t, err)
	return rounds{program: program, n: n, span: time.Millisecond, progress: io.Discard}
}

func TestRounds(t *testing.T) {
	b := bar{title: "w", workload: "has-hot", entries: 10, peer: "xsync", metric: opTime, peerMetric: opTime, atMost: 1e6, aim: 1e-6}
	done := newRounds(t, 3).run(context.Background(), b.jobs())
	v := b.judge(done)
	require.NoError(t, v.err)
	assert.True(t, v.passes())
	assert.Equal(t, "pass, aim missed", v.String())
	for _, j := range b.jobs() {
		assert.Len(t, done[j].results, 3)
	}
}

// If a child process fails, its bar fails. The error contains the cause and the command to repeat
// it.
func TestChildFails(t *testing.T) {
	b := bar{title: "w", workload: "typed-get", entries: 10, peer: "xsync", metric: opTime, peerMetric: opTime, atMost: 1}
	v := b.judge(newRounds(t, 2).run(context.Background(), b.jobs()))
	assert.ErrorContains(t, v.err, "-workload typed-get -peer xsync -entries 10")
	assert.ErrorContains(t, v.err, "interface conversion")
	assert.Equal(t, "**FAIL**: not measured", v.String())
	assert.Len(t, v.row(), len(verdictHead))
}

func TestComparisons(t *testing.T) {
	a1, a2, b1, big := job{"a", "1", 1}, job{"a", "2", 1}, job{"b", "1", 1}, job{"a", "1", 9}
	assert.Equal(t, [][]job{{a1, a2}, {b1}, {big}}, groupByWorkload([]job{a1, b1, a2, a1, big, b1}))
}
