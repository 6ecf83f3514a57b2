// Bench measures MemoryKV and other stores under the same conditions, and compares the results with
// the bars. See README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options contains the values of the flags.
type options struct {
	bar         string
	table       bool
	growth      bool
	collections bool
	plot        string
	rounds      int
	span        time.Duration
	workload    string
	peer        string
	entries     int
}

const usage = `Usage: bench [flags]

Without -table, -growth, -collections or -plot, it measures the bars and prints them as a Markdown
table; it exits with 1 if one of them is missed. Progress goes to stderr.

`

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.bar, "bar", "", "measure only the bars whose work or peer this `regexp` matches")
	flags.BoolVar(&o.table, "table", false, "measure all stores: Get, Has, Miss, Set and a mix of them")
	flags.BoolVar(&o.growth, "growth", false, "measure ours from 10,000 to 10,000,000 entries")
	flags.BoolVar(&o.collections, "collections", false, "measure loads, batches and lists of keys")
	flags.StringVar(&o.plot, "plot", "", "draw the pictures into this `folder`")
	flags.IntVar(&o.rounds, "rounds", 6, "how often each measurement is repeated; at least 6 for a claim")
	flags.DurationVar(&o.span, "time", 700*time.Millisecond, "how long a timed part takes")
	flags.StringVar(&o.workload, "workload", "", "measure one `workload` in this process and print JSON, as a child process does")
	flags.StringVar(&o.peer, "peer", ours, "with -workload: the `store` to measure")
	flags.IntVar(&o.entries, "entries", million, "with -workload: how many `entries` it holds")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	modes, child := 0, false
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "bar", "table", "growth", "collections", "plot", "workload":
			modes++
		case "peer", "entries":
			child = true
		}
	})
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q; see -h", flags.Arg(0))
	case modes > 1:
		return o, errors.New("-bar, -table, -growth, -collections, -plot and -workload exclude each other")
	case child && o.workload == "":
		return o, errors.New("-peer and -entries belong to -workload; see -h")
	case o.rounds < 1:
		return o, fmt.Errorf("-rounds must be at least 1, got %d", o.rounds)
	case o.span <= 0:
		return o, fmt.Errorf("-time must be positive, got %v", o.span)
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.workload != "" {
		r, err := measure(job{o.workload, o.peer, o.entries}, o.span)
		if err != nil {
			return err
		}
		return json.NewEncoder(stdout).Encode(r)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	r := rounds{program: program, n: o.rounds, span: o.span, progress: stderr}
	switch {
	case o.table:
		return reportPeers(ctx, r, stdout)
	case o.growth:
		return reportGrowth(ctx, r, stdout)
	case o.collections:
		return reportCollections(ctx, r, stdout)
	case o.plot != "":
		return plot(ctx, r, o.plot, stdout)
	}
	only, err := regexp.Compile(o.bar)
	if err != nil {
		return fmt.Errorf("-bar: %w", err)
	}
	return reportBars(ctx, r, only, stdout)
}
