package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBars(t *testing.T) {
	for _, b := range bars {
		assert.Contains(t, workloads, b.workload, b.title)
		assert.LessOrEqual(t, b.aim, b.atMost, b.title)
		assert.Positive(t, b.entries, b.title)
		assert.NotContains(t, b.title, "|", "it is a cell of a Markdown table")
		assert.Len(t, verdict{bar: b}.row(), len(verdictHead))
		_, known := contenderOf(b.peer)
		assert.Equal(t, b.peer != "", known, b.title)
		assert.Equal(t, b.peer != "", b.peerMetric != "", b.title)
	}
}

func TestVerdict(t *testing.T) {
	b := bar{title: "w", workload: "k", entries: 1, peer: "p", metric: opTime, peerMetric: opTime, atMost: 0.5, aim: 0.4}
	for text, ours := range map[string][]float64{
		"pass, aim reached": {30, 80, 400},
		"pass, aim missed":  {30, 90, 400},
		"**FAIL**":          {30, 102, 400},
	} {
		v := b.judge(outcomes{
			b.jobs()[0]: rounded(ours...),
			b.jobs()[1]: rounded(100, 200, 400),
		})
		assert.Equal(t, text, v.String())
		assert.Equal(t, text != "**FAIL**", v.passes())
	}
	v := b.judge(outcomes{
		b.jobs()[0]: rounded(30, 80, 400),
		b.jobs()[1]: rounded(100, 200, 400),
	})
	assert.Equal(t, "w | 80 ns/op | p 200 ns/op | 0.4× (0.3–1) | 0.5× | 0.4× | pass, aim reached", strings.Join(v.row(), " | "))

	v = b.judge(outcomes{b.jobs()[0]: rounded(1), b.jobs()[1]: {err: errors.New("broken")}})
	assert.EqualError(t, v.err, "broken")
	v = b.judge(outcomes{b.jobs()[0]: rounded(1)})
	assert.EqualError(t, v.err, "k p 1 was not measured")

	alone := bar{title: "w", workload: "k", entries: 1, metric: worstBoth, atMost: 10}
	v = alone.judge(outcomes{alone.jobs()[0]: rounded(3, 4, 50)})
	assert.Equal(t, "w | 4 ms (3–50) |  | – | 10 ms | – | pass", strings.Join(v.row(), " | "))
}

// rounded returns the outcome of rounds that took the given times, in ns.
func rounded(values ...float64) *outcome {
	o := &outcome{}
	for _, v := range values {
		o.results = append(o.results, result{Values: map[metric]float64{opTime: v, worstBoth: v}})
	}
	return o
}
