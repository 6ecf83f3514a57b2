package main

import (
	"flag"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	load   = flag.Duration("load", 0, "time that TestLoad measures each server in a round; 0 skips the test")
	rounds = flag.Int("rounds", 7, "rounds of TestLoad")
)

// TestLoad measures the cost of the rate limit. In each round it runs wrk on GET /users/1, which the cache
// answers, with the limit and without it. `make load` runs the test.
func TestLoad(t *testing.T) {
	if *load == 0 {
		t.Skip("only with -load")
	}
	everywhere(t, func(t *testing.T, env ...string) {
		limited := start(t, append(env, "RATE_LIMIT=1000000000", "RATE_WINDOW=1h", "CACHE_TTL=1h")...)
		open := start(t, append(env, "RATE_LIMIT=0", "CACHE_TTL=1h")...)
		for _, p := range []*process{limited, open} { // fill the cache
			_, err := send(newClient(t), "GET", p.url+"/users/1", "")
			require.NoError(t, err)
		}
		for _, connections := range []int{1, 32} {
			var with, without, overhead, cpu []float64
			for i := range *rounds + 1 {
				measure := func(p *process) cost { return wrk(t, p, connections) }
				var a, b cost
				if i%2 == 0 {
					a, b = measure(limited), measure(open)
				} else {
					b, a = measure(open), measure(limited)
				}
				if i > 0 { // the first round warms up
					with, without = append(with, a.time), append(without, b.time)
					overhead, cpu = append(overhead, a.time-b.time), append(cpu, a.cpu-b.cpu)
				}
			}
			t.Logf("%2d connections: %5.1f µs per request with the limit, %5.1f without; overhead %5.1f µs (%.1f to %.1f), of which %.1f µs (%.1f to %.1f) are processor time of the server; medians of %d rounds",
				connections, median(with), median(without), median(overhead), slices.Min(overhead), slices.Max(overhead),
				median(cpu), slices.Min(cpu), slices.Max(cpu), *rounds)
		}
	})
}

// cost is the time of a request, and its processor time in the server, in microseconds.
type cost struct{ time, cpu float64 }

func wrk(t *testing.T, p *process, connections int) cost {
	t.Helper()
	time.Sleep(50 * time.Millisecond) // the previous load ends
	before := p.cpu()
	out, err := exec.Command("wrk", "-t1", fmt.Sprint("-c", connections), fmt.Sprintf("-d%ds", int(load.Seconds())), p.url+"/users/1").CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), "Non-2xx")
	return cost{
		time: 1e6 / number(t, `Requests/sec: +([\d.]+)`, string(out)),
		cpu:  1e6 * (p.cpu() - before) / number(t, `(\d+) requests in`, string(out)),
	}
}

// cpu returns the processor time of the server in seconds. Its resolution is 10 ms.
func (p *process) cpu() float64 {
	p.t.Helper()
	got, err := send(newClient(p.t), "GET", p.url+"/metrics", "")
	require.NoError(p.t, err)
	return number(p.t, `process_cpu_seconds_total ([\d.e+]+)`, got.body)
}

// number returns the number that a pattern finds in a text.
func number(t *testing.T, pattern, text string) float64 {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(text)
	require.NotNil(t, match, "%s in\n%s", pattern, text)
	n, err := strconv.ParseFloat(match[1], 64)
	require.NoError(t, err)
	return n
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
