package redis_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/redistest"
	"github.com/zelt-go/kv/kvmodule/limit"
)

var (
	limitFor     = flag.Duration("limit.for", 2*time.Second, "how long TestLimitOfTwoProcesses lets its clients ask")
	limitClients = flag.Int("limit.clients", 20_000, "how many clients TestLimitLeavesNothing has")
)

const limitClientsPerProcess = 200

// A limitLoad is what a child process of TestLimitOfTwoProcesses does.
type limitLoad struct {
	URL    string
	Keys   int
	Rate   limit.Rate
	Lease  int64
	Begin  time.Time // when the clients begin to ask
	Lasts  time.Duration
	Report limitReport
}

// A limitReport is what happened in a process.
type limitReport struct {
	Begin, End     time.Time
	Asked          int
	Allowed, Tried []int // per key
}

const limitLoadEnv = "ZELT_TEST_LIMIT_LOAD"

// TestLimitProcess is a child process of TestLimitOfTwoProcesses.
func TestLimitProcess(t *testing.T) {
	var load limitLoad
	text := os.Getenv(limitLoadEnv)
	if text == "" {
		t.Skip("it runs as a child process only")
	}
	require.NoError(t, json.Unmarshal([]byte(text), &load))
	kv := start(t, redis.Config{URL: load.URL, Timeout: 20 * time.Second})
	l, err := limit.New(kv, limit.Config{Name: "load", Rates: []limit.Rate{load.Rate}, Timeout: 20 * time.Second, Lease: load.Lease})
	require.NoError(t, err)
	var mu sync.Mutex
	report := limitReport{Allowed: make([]int, load.Keys), Tried: make([]int, load.Keys)}
	var wg sync.WaitGroup
	time.Sleep(time.Until(load.Begin))
	report.Begin = time.Now()
	for range limitClientsPerProcess {
		wg.Go(func() {
			allowed, tried := make([]int, load.Keys), make([]int, load.Keys)
			for n := 0; time.Since(report.Begin) < load.Lasts; n++ {
				key := rand.IntN(load.Keys)
				d, err := l.Allow(ctx, strconv.Itoa(key))
				if !assert.NoError(t, err) {
					return
				}
				if tried[key]++; d.Allowed {
					allowed[key]++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for key := range allowed {
				report.Allowed[key] += allowed[key]
				report.Tried[key] += tried[key]
			}
		})
	}
	wg.Wait()
	report.End = time.Now()
	require.NoError(t, l.Close(ctx))
	require.NoError(t, json.NewEncoder(os.Stderr).Encode(report))
}

// runLimitProcesses runs two processes and returns what they did.
func runLimitProcesses(t *testing.T, load limitLoad) (reports [2]limitReport) {
	t.Helper()
	load.Begin, load.Lasts = time.Now().Add(time.Second), *limitFor
	text, err := json.Marshal(load)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i := range reports {
		wg.Go(func() {
			var out bytes.Buffer
			cmd := exec.Command(os.Args[0], "-test.run", "^TestLimitProcess$")
			cmd.Env, cmd.Stderr = append(os.Environ(), limitLoadEnv+"="+string(text)), &out
			if assert.NoError(t, cmd.Run(), out.String()) {
				assert.NoError(t, json.NewDecoder(&out).Decode(&reports[i]))
			}
		})
	}
	wg.Wait()
	return reports
}

// Two processes with 200 clients each get exactly as many events as the rates allow.
func TestLimitOfTwoProcesses(t *testing.T) {
	for _, c := range []struct {
		name  string
		keys  int
		lease int64
		rate  limit.Rate
	}{
		{"one key", 1, 0, limit.Rate{Events: 300, Per: time.Second, Burst: 100}},
		{"10k keys", 10_000, 0, limit.Rate{Events: 1, Per: 2 * time.Second, Burst: 3}},
		{"leases", 1, 100, limit.Rate{Events: 300, Per: time.Second, Burst: 1000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := redistest.Start(t)
			start(t, redis.Config{URL: s.URL()}) // loads the scripts
			before := commandCalls(t, s)
			reports := runLimitProcesses(t, limitLoad{URL: s.URL(), Keys: c.keys, Rate: c.rate, Lease: c.lease})
			if t.Failed() {
				return
			}
			a, b := reports[0], reports[1]
			longest := max(a.End.Sub(b.Begin), b.End.Sub(a.Begin), a.End.Sub(a.Begin), b.End.Sub(b.Begin))
			shortest := min(a.End.Sub(b.Begin), b.End.Sub(a.Begin), *limitFor)
			regained := func(d time.Duration) int { return int(d.Seconds() * float64(c.rate.Events) / c.rate.Per.Seconds()) }
			total, asked := 0, 0
			for key := range c.keys {
				allowed, tried := a.Allowed[key]+b.Allowed[key], a.Tried[key]+b.Tried[key]
				total, asked = total+allowed, asked+tried
				require.LessOrEqual(t, allowed, int(c.rate.Burst)+regained(longest)+1, "key %d in %v", key, longest)
				require.GreaterOrEqual(t, allowed, min(tried, int(c.rate.Burst)), "key %d", key)
			}
			trips := commandCalls(t, s) - before
			t.Logf("%d calls in %v, %d allowed, %d round trips", asked, longest, total, trips)
			if c.keys == 1 && c.lease == 0 {
				// On a busy machine, no call may come in the last moment.
				assert.GreaterOrEqual(t, total, int(c.rate.Burst)+regained(shortest-250*time.Millisecond)-1)
			}
			if c.lease > 0 {
				assert.LessOrEqual(t, trips, asked/50+10)
			}
		})
	}
}

// After kill -9 of the server, or when it hangs, each mode decides as documented, no call waits longer than Timeout, and the
// limiter recovers.
func TestLimitInOutages(t *testing.T) {
	outages := map[string][2]func(*redistest.Server){
		"killed": {(*redistest.Server).Kill, (*redistest.Server).Restart},
		"hangs":  {(*redistest.Server).Freeze, (*redistest.Server).Thaw},
	}
	for name, mode := range map[string]limit.Outage{"Fail": limit.Fail, "Open": limit.Open, "Closed": limit.Closed, "Local": limit.Local} {
		for kind, outage := range outages {
			t.Run(name+" "+kind, func(t *testing.T) { limitInOutage(t, mode, outage[0], outage[1]) })
		}
	}
}

func limitInOutage(t *testing.T, mode limit.Outage, begin, end func(*redistest.Server)) {
	const timeout, slack = 300 * time.Millisecond, 700 * time.Millisecond // the machine may be busy
	s := redistest.Start(t)
	kv := start(t, redis.Config{URL: s.URL()})
	l, err := limit.New(kv, limit.Config{Name: "k", Rates: []limit.Rate{limit.PerHour(50)}, OnOutage: mode, Timeout: timeout})
	require.NoError(t, err)
	var stop, down atomic.Bool
	var calls, failed, allowed, degraded, waited atomic.Int64
	var longest atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for !stop.Load() {
				wasDown := down.Load()
				begin := time.Now()
				d, err := l.Allow(ctx, fmt.Sprint("client-", g%2))
				took := time.Since(begin)
				if !wasDown {
					continue // it may have met either
				}
				calls.Add(1)
				if took > timeout/2 {
					waited.Add(1)
				}
				if err != nil {
					failed.Add(1)
				} else if d.Allowed {
					allowed.Add(1)
				}
				if d.Degraded {
					degraded.Add(1)
				}
				for old := longest.Load(); int64(took) > old && !longest.CompareAndSwap(old, int64(took)); old = longest.Load() {
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	begin(s)
	down.Store(true)
	time.Sleep(2500 * time.Millisecond)
	stop.Store(true)
	wg.Wait()
	n := calls.Load()
	t.Logf("%d calls: %d failed, %d allowed, %d degraded, %d waited; longest %v", n, failed.Load(), allowed.Load(), degraded.Load(), waited.Load(), time.Duration(longest.Load()))
	assert.Less(t, time.Duration(longest.Load()), timeout+slack)
	assert.Less(t, waited.Load(), int64(8+8+4), "after the first calls, one per second waits")
	switch mode {
	case limit.Fail:
		assert.Equal(t, n, failed.Load())
	case limit.Open:
		assert.Equal(t, [2]int64{n, n}, [2]int64{allowed.Load(), degraded.Load()})
	case limit.Closed:
		assert.Equal(t, [2]int64{0, n}, [2]int64{allowed.Load(), degraded.Load()})
	case limit.Local:
		assert.Equal(t, n, degraded.Load())
		assert.Positive(t, allowed.Load())
		assert.LessOrEqual(t, allowed.Load(), int64(2*50))
	}
	end(s)
	require.Eventually(t, func() bool {
		d, err := l.Allow(ctx, "new")
		return err == nil && !d.Degraded
	}, 20*time.Second, 50*time.Millisecond)
}

// After the period of a rate, nothing of any client is left on the server.
func TestLimitLeavesNothing(t *testing.T) {
	s := redistest.Start(t)
	kv := start(t, redis.Config{URL: s.URL(), Timeout: 20 * time.Second})
	l, err := limit.New(kv, limit.Config{Name: "k", Rates: []limit.Rate{{Events: 10, Per: time.Second, Burst: 1000}, limit.PerSecond(100)}, Timeout: 20 * time.Second})
	require.NoError(t, err)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(*limitClients); i = next.Add(1) {
				if _, err := l.Allow(ctx, fmt.Sprint("client-", i)); !assert.NoError(t, err) {
					return
				}
			}
		})
	}
	wg.Wait()
	require.Eventually(t, func() bool { return s.Do("DBSIZE") == "0" }, time.Minute, 100*time.Millisecond)
}
