package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var (
	// expiring lists the stores in the picture of the mass expiry. They have a TTL per entry and
	// drop nothing.
	expiring = []string{ours, "go-cache", "otter", "ttlcache", "fiber"}

	// growing lists the stores in the pictures of growth.
	growing = []string{ours, "go-cache", "otter", "ttlcache", "fiber", "xsync"}

	sizes = []int{10 * thousand, 100 * thousand, million, 5 * million}
)

// plot writes the pictures into a folder, and their figures to w.
func plot(ctx context.Context, r rounds, folder string, w io.Writer) error {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	writeHead(w, "The pictures")
	done := r.run(ctx, plotJobs())
	if errs := done.failures(); errs != nil {
		return errors.Join(errs...)
	}
	caption := "bench " + strings.Join(os.Args[1:], " ")
	charts := map[string]chart{
		"expiry.svg": expiryChart(done, r, caption),
		"heap.svg":   heapChart(done, caption),
		"gc.svg":     gcChart(done, caption),
	}
	for name, c := range charts {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(c.svg()), 0o666); err != nil {
			return err
		}
	}
	writeExpiries(w, done)
	fmt.Fprintln(w)
	writeSizes(w, done, heapEntry)
	writeSizes(w, done, gcAdded)
	return nil
}

func plotJobs() (jobs []job) {
	for _, name := range expiring {
		jobs = append(jobs, job{"expiry", name, million})
	}
	for _, entries := range sizes {
		for _, name := range growing {
			jobs = append(jobs, job{"fill", name, entries})
		}
	}
	return jobs
}

// expiryChart draws one round for each store: the round with the median of the longest Gets.
func expiryChart(done outcomes, r rounds, caption string) chart {
	c := chart{
		title:   "1M entries expire at the same time, while one goroutine gets and one sets",
		caption: caption,
		x:       axis{label: "seconds after the deadline", min: -r.span.Seconds(), max: 0},
		y:       axis{label: "longest latency in each 5 ms, in ms", min: 0.001, max: 10_000, log: true},
		legend:  []string{"Get", "Set"},
	}
	for _, name := range expiring {
		got := medianResult(done[job{"expiry", name, million}].results, worstGet)
		p := panel{title: name, height: 110}
		for _, op := range c.legend {
			p.lines = append(p.lines, latencyLine(got.Series[op], r))
		}
		c.panels = append(c.panels, p)
		c.x.max = max(c.x.max, p.lines[0][len(p.lines[0])-1].x)
	}
	return c
}

// medianResult returns the result with the median of a metric.
func medianResult(results []result, m metric) result {
	sorted := slices.SortedFunc(slices.Values(results), func(a, b result) int {
		return int(math.Copysign(1, a.Values[m]-b.Values[m]))
	})
	return sorted[len(sorted)/2]
}

func latencyLine(series []float64, r rounds) []point {
	var line []point
	for i, ns := range series {
		line = append(line, point{float64(i)*resolution.Seconds() - r.span.Seconds(), ns / 1e6})
	}
	return line
}

func heapChart(done outcomes, caption string) chart {
	c := sizesChart(done, heapEntry)
	c.title = "Heap for each entry: a key of 16 bytes, a value of 64, a TTL"
	c.caption = caption
	c.y = axis{label: "bytes", max: 0}
	for _, line := range c.panels[0].lines {
		for _, at := range line {
			c.y.max = max(c.y.max, 1.05*at.y)
		}
	}
	return c
}

func gcChart(done outcomes, caption string) chart {
	c := sizesChart(done, gcAdded)
	c.title = "What the entries add to each collection of Go's garbage"
	c.caption = caption
	c.y = axis{label: "ms that a forced runtime.GC() takes longer; 0.1 also stands for less", min: 0.1, max: 10_000, log: true}
	return c
}

// sizesChart draws a metric against the number of entries.
func sizesChart(done outcomes, m metric) chart {
	p := panel{height: 320, marks: true}
	for _, name := range growing {
		var line []point
		for _, entries := range sizes {
			values, _ := done.values(job{"fill", name, entries}, m)
			line = append(line, point{float64(entries), summarize(values).median})
		}
		p.lines = append(p.lines, line)
	}
	return chart{
		x:      axis{label: "entries", min: float64(sizes[0]), max: float64(sizes[len(sizes)-1]), log: true},
		legend: growing,
		panels: []panel{p},
	}
}

func writeSizes(w io.Writer, done outcomes, m metric) {
	head := []string{string(m)}
	for _, entries := range sizes {
		head = append(head, count(entries))
	}
	var rows [][]string
	for _, name := range growing {
		row := []string{name}
		for _, entries := range sizes {
			row = append(row, done.median(job{"fill", name, entries}, m))
		}
		rows = append(rows, row)
	}
	writeTable(w, head, rows)
	fmt.Fprintln(w)
}
