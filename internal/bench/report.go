package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// reportBars measures the bars that match only. The error contains the number of missed bars.
func reportBars(ctx context.Context, r rounds, only *regexp.Regexp, w io.Writer) error {
	var chosen []bar
	for _, b := range bars {
		if only.MatchString(b.title) || only.MatchString(b.peer) {
			chosen = append(chosen, b)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("-bar: no bar matches %q", only)
	}
	writeHead(w, "The bars")
	done := r.run(ctx, barJobs(chosen))
	missed := 0
	var rows [][]string
	for _, b := range chosen {
		v := b.judge(done)
		rows = append(rows, v.row())
		if !v.passes() {
			missed++
		}
	}
	fmt.Fprintf(w, "Medians of %s; churn and allocations once. A ratio is ours to the peer's, of the same round.\n\n", plural(r.n, "round"))
	writeTable(w, verdictHead, rows)
	writeExpiries(w, done)
	err := errors.Join(done.failures()...)
	if missed > 0 {
		err = errors.Join(fmt.Errorf("%d of %s missed", missed, plural(len(chosen), "bar")), err)
	}
	return err
}

// writeExpiries writes more figures of the mass expiry, if it was measured.
func writeExpiries(w io.Writer, done outcomes) {
	var jobs []job
	for _, c := range contenders {
		if j := (job{"expiry", c.name, million}); done[j] != nil {
			jobs = append(jobs, j)
		}
	}
	if jobs == nil {
		return
	}
	fmt.Fprint(w, "\n1M entries expire at the same time:\n\n")
	done.writeMedians(w, "store", jobs, func(j job) string { return j.Store }, worstGet, worstSet, p999Get, p999Set, goneAfter, baselineBoth)
}

// writeMedians writes a table with a row for each job and a column for each metric.
func (o outcomes) writeMedians(w io.Writer, corner string, jobs []job, name func(job) string, metrics ...metric) {
	head := []string{corner}
	for _, m := range metrics {
		head = append(head, string(m))
	}
	var rows [][]string
	for _, j := range jobs {
		row := []string{name(j)}
		for _, m := range metrics {
			row = append(row, o.median(j, m))
		}
		rows = append(rows, row)
	}
	writeTable(w, head, rows)
}

func barJobs(bars []bar) (jobs []job) {
	for _, b := range bars {
		jobs = append(jobs, b.jobs()...)
	}
	return jobs
}

// reportPeers measures the operations that every store has.
func reportPeers(ctx context.Context, r rounds, w io.Writer) error {
	writeHead(w, "All stores")
	done := r.run(ctx, peerJobs())
	works := []metric{getTime, hasTime, missTime, setTime, mixedTime}
	head := []string{"store"}
	for _, m := range works {
		head = append(head, strings.TrimSuffix(string(m), " ns/op"))
	}
	head = append(head, "hits", "heap B/entry", "adds to `runtime.GC()`, ms", "remarks")
	var rows [][]string
	for _, c := range contenders {
		one, two, full := job{"peers-1", c.name, million}, job{"peers-2", c.name, million}, job{"fill", c.name, million}
		row := []string{c.title()}
		for _, m := range works {
			row = append(row, done.median(one, m)+" / "+done.median(two, m))
		}
		rows = append(rows, append(row, done.median(one, hits)+" %", done.median(full, heapEntry), done.median(full, gcAdded), c.remarks()))
	}
	fmt.Fprintf(w, "1M entries, keys of 16 bytes, values of 64; ns per operation on 1 / 2 processors; medians of %s.\n\n", plural(r.n, "round"))
	writeTable(w, head, rows)
	return errors.Join(done.failures()...)
}

func peerJobs() (jobs []job) {
	for _, workload := range []string{"peers-1", "peers-2", "fill"} {
		for _, c := range contenders {
			jobs = append(jobs, job{workload, c.name, million})
		}
	}
	return jobs
}

// remarks describes the properties in which a contender differs from the others.
func (c contender) remarks() string {
	var remarks []string
	if c.lossy {
		remarks = append(remarks, "may drop entries")
	}
	if c.noTTL {
		remarks = append(remarks, "no TTL")
	}
	if c.owned {
		remarks = append(remarks, "Get copies")
	}
	if c.remark != "" {
		remarks = append(remarks, c.remark)
	}
	return strings.Join(remarks, "; ")
}

// reportGrowth measures MemoryKV with several numbers of entries.
func reportGrowth(ctx context.Context, r rounds, w io.Writer) error {
	writeHead(w, "Growth")
	done := r.run(ctx, growthJobs())
	fmt.Fprintf(w, "Keys of 16 bytes asked for uniformly, values of 64, with TTL, 1 processor; medians of %s.\n\n", plural(r.n, "round"))
	done.writeMedians(w, "entries", growthJobs(), func(j job) string { return count(j.Entries) }, hasTime, getTime, heapEntry, gcAdded)
	return errors.Join(done.failures()...)
}

func growthJobs() (jobs []job) {
	for entries := 10 * thousand; entries <= 10*million; entries *= 10 {
		jobs = append(jobs, job{"growth", ours, entries})
	}
	return jobs
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}
