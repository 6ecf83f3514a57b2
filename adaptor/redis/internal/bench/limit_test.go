package bench

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/go-redis/redis_rate/v10"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	ulule "github.com/ulule/limiter/v3"
	ululeredis "github.com/ulule/limiter/v3/drivers/store/redis"

	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/redistest"
	"github.com/zelt-go/kv/kvmodule/limit"
)

// atLeastRedisRate is the smallest permitted ratio of the decisions per second of kvmodule/limit to redis_rate.
const atLeastRedisRate = 1.0

// TestLimiters compares kvmodule/limit with two other rate limiters on the same server. Every decision is allowed, so that each
// of them writes, and every decision of kvmodule/limit has the timeout of its Config.
func TestLimiters(t *testing.T) {
	server := redistest.Start(t)
	kv, err := redis.New(redis.Config{URL: server.URL()})
	require.NoError(t, err)
	require.NoError(t, kv.Start(background))
	t.Cleanup(func() { _ = kv.Stop(background) })
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr, MaxRetries: -1, PoolSize: 128})
	t.Cleanup(func() { _ = client.Close() })

	const events, per, burst = 100, time.Hour, 50_000_000
	ours, err := limit.New(kv, limit.Config{Name: "bench", Rates: []limit.Rate{{Events: events, Per: per, Burst: burst}}, Timeout: timeout})
	require.NoError(t, err)
	rates := redis_rate.NewLimiter(client)
	rateLimit := redis_rate.Limit{Rate: events, Period: per, Burst: burst}
	store, err := ululeredis.NewStore(client)
	require.NoError(t, err)
	windows := ulule.New(store, ulule.Rate{Period: per, Limit: burst})

	refused := fmt.Errorf("refused")
	contenders := []func(key string) error{
		func(key string) error {
			d, err := ours.Allow(background, key)
			if err == nil && !d.Allowed {
				return refused
			}
			return err
		},
		func(key string) error {
			r, err := rates.Allow(background, key, rateLimit)
			if err == nil && r.Allowed == 0 {
				return refused
			}
			return err
		},
		func(key string) error {
			c, err := windows.Get(background, key)
			if err == nil && c.Reached {
				return refused
			}
			return err
		},
	}
	n := max(*rounds, 1)
	if *rounds == 0 {
		*span = 20 * time.Millisecond
	}
	fmt.Printf("\n%s, %d processors, redis-server %s, median of %d rounds, thousands of decisions per second\n\n", runtime.Version(), runtime.GOMAXPROCS(0), version(server), n)
	fmt.Println("| goroutines | ours | redis_rate | ulule | ours / redis_rate (min–max) | ours / ulule |  |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, goroutines := range []int{1, 16, 128} {
		measured := make([][]float64, len(contenders))
		for round := range n {
			for i := range contenders {
				i = (i + round) % len(contenders)
				measured[i] = append(measured[i], rate(t, goroutines, contenders[i]))
			}
		}
		toRedisRate, verdict := ratios(measured[0], measured[1]), "pass"
		if median(toRedisRate) < atLeastRedisRate {
			verdict = "**FAIL**"
		}
		fmt.Printf("| %d | %.1f | %.1f | %.1f | %s | %.2f× | %s |\n", goroutines, median(measured[0])/1000, median(measured[1])/1000, median(measured[2])/1000,
			spread(toRedisRate), median(ratios(measured[0], measured[2])), verdict)
		if *rounds > 0 && verdict != "pass" {
			t.Errorf("limit.Allow at %d goroutines misses its bar", goroutines)
		}
	}
}
