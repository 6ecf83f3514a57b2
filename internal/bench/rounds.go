package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rounds runs each job in n child processes. Compared jobs take turns.
type rounds struct {
	program  string // the path of the program for the children: this program
	n        int
	span     time.Duration // of a timed part
	progress io.Writer
}

// outcomes contains the outcome of each job.
type outcomes map[job]*outcome

type outcome struct {
	results []result // by round
	err     error    // of the first failed child; no later child is started
}

// run measures jobs. It compares the jobs of one workload and size: each round runs every job once,
// and every other round runs them in reverse order.
func (r rounds) run(ctx context.Context, jobs []job) outcomes {
	done := outcomes{}
	groups := groupByWorkload(jobs)
	for i, group := range groups {
		n := r.n
		if workloads[group[0].Workload].once {
			n = 1
		}
		for round := range n {
			for _, j := range group {
				fmt.Fprintf(r.progress, "%d/%d, round %d/%d: %v\n", i+1, len(groups), round+1, n, j)
				done.add(j, func() (result, error) { return r.child(ctx, j) })
			}
			slices.Reverse(group)
		}
	}
	return done
}

// groupByWorkload groups the jobs that are compared with each other. Each job appears once.
func groupByWorkload(jobs []job) [][]job {
	var groups [][]job
	for _, j := range jobs {
		at := slices.IndexFunc(groups, func(g []job) bool { return g[0].Workload == j.Workload && g[0].Entries == j.Entries })
		switch {
		case at < 0:
			groups = append(groups, []job{j})
		case !slices.Contains(groups[at], j):
			groups[at] = append(groups[at], j)
		}
	}
	return groups
}

func (o outcomes) add(j job, run func() (result, error)) {
	if o[j] == nil {
		o[j] = &outcome{}
	}
	if o[j].err != nil {
		return
	}
	r, err := run()
	if err != nil {
		o[j].err = err
		return
	}
	o[j].results = append(o[j].results, r)
}

// child measures j in a child process.
func (r rounds) child(ctx context.Context, j job) (result, error) {
	cmd := exec.CommandContext(ctx, r.program,
		"-workload", j.Workload, "-peer", j.Store, "-entries", strconv.Itoa(j.Entries), "-time", r.span.String())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var got result
	err := cmd.Run()
	if err == nil {
		err = json.Unmarshal(stdout.Bytes(), &got)
	}
	if err != nil {
		return got, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.Bytes())
	}
	return got, nil
}

// values returns the value of a metric in each round of j.
func (o outcomes) values(j job, m metric) ([]float64, error) {
	if o[j] == nil {
		return nil, fmt.Errorf("%v was not measured", j)
	}
	if o[j].err != nil {
		return nil, o[j].err
	}
	var values []float64
	for _, r := range o[j].results {
		value, ok := r.Values[m]
		if !ok {
			return nil, fmt.Errorf("%v did not measure: %s", j, m)
		}
		values = append(values, value)
	}
	return values, nil
}

// median formats the median of a metric over the rounds of j, or a dash if there is none.
func (o outcomes) median(j job, m metric) string {
	values, err := o.values(j, m)
	if err != nil {
		return "–"
	}
	return number(summarize(values).median)
}

// failures returns the errors of all jobs.
func (o outcomes) failures() []error {
	var errs []error
	for _, outcome := range o {
		if outcome.err != nil {
			errs = append(errs, outcome.err)
		}
	}
	return errs
}
