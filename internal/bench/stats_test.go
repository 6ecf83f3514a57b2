package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestSummarize(t *testing.T) {
	assert.Equal(t, summary{2, 1, 9}, summarize([]float64{9, 1, 2}))
	assert.Equal(t, summary{2.5, 1, 9}, summarize([]float64{9, 1, 2, 3}))
	assert.Equal(t, summary{4, 4, 4}, summarize([]float64{4}))
	assert.True(t, math.IsNaN(summarize(nil).median))
}

// A quantile is never below the exact one, and at most an eighth above.
func TestHistogram(t *testing.T) {
	var h histogram
	assert.True(t, math.IsNaN(h.quantile(0.5)))
	var all []float64
	for n := 1.0; n < 1e10; n *= 1.01 {
		h.add(time.Duration(n))
		all = append(all, math.Floor(n))
	}
	slices.Sort(all)
	for _, q := range []float64{0.001, 0.1, 0.5, 0.9, 0.999, 1} {
		real := all[int(math.Ceil(q*float64(len(all))))-1]
		assert.GreaterOrEqual(t, h.quantile(q), real)
		assert.LessOrEqual(t, h.quantile(q), real*1.125)
	}
	h.add(math.MaxInt64)
	h.add(-1)
}

func TestNumber(t *testing.T) {
	for text, x := range map[string]float64{
		"0": 0, "0.00123": 0.001234, "0.5": 0.5, "1.23": 1.234, "12.3": 12.34, "123": 123.4,
		"1,234": 1234, "-1,234,568": -1234567.8, "-123": -123, "10": 10,
	} {
		assert.Equal(t, text, number(x))
	}
	assert.Equal(t, "0", number(math.Copysign(0, -1)))
	assert.Equal(t, "5,000,000", count(5*million))
}
