package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPicturesAreWellFormed(t *testing.T) {
	done := outcomes{}
	for _, j := range plotJobs() {
		o := rounded(1, 3, 2)
		for _, r := range o.results {
			r.Values[heapEntry], r.Values[gcAdded], r.Values[worstGet] = 100, -1, r.Values[opTime]
		}
		for i := range o.results {
			o.results[i].Series = map[string][]float64{"Get": {1e3, 2e9}, "Set": {0, 5}}
		}
		done[j] = o
	}
	for _, c := range []chart{
		expiryChart(done, rounds{span: time.Second}, `a "caption" & more`),
		heapChart(done, "<caption>"),
		gcChart(done, "caption"),
	} {
		picture := c.svg()
		assert.NotContains(t, picture, "NaN")
		assert.NotContains(t, picture, "Inf")
		decoder := xml.NewDecoder(strings.NewReader(picture))
		for {
			_, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
		}
	}
}

func TestMedianResult(t *testing.T) {
	assert.Equal(t, 2.0, medianResult(rounded(3, 1, 2).results, opTime).Values[opTime])
}

func TestAxis(t *testing.T) {
	linear := axis{min: -0.7, max: 2}
	assert.InDeltaSlice(t, []float64{-0.5, 0, 0.5, 1, 1.5, 2}, linear.ticks(), 1e-9)
	assert.Equal(t, 0.0, linear.share(-5))
	assert.Equal(t, 1.0, linear.share(5))
	log := axis{min: 0.01, max: 100, log: true}
	assert.InDeltaSlice(t, []float64{0.01, 0.1, 1, 10, 100}, log.ticks(), 1e-9)
	assert.InDelta(t, 0.5, log.share(1), 1e-9)
	assert.Equal(t, "5M", tickLabel(5*million))
	assert.Equal(t, "100k", tickLabel(100*thousand))
	assert.Equal(t, "0.01", tickLabel(0.01))
}
