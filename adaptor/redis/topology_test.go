package redis_test

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/adaptortest"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/model"
	"github.com/zelt-go/kv/internal/redistest"
)

// The conformance suite and the histories pass on the topologies of production.
func TestConformanceOfTopologies(t *testing.T) {
	for name, begin := range map[string]func(t *testing.T) (config redis.Config, flush func()){
		"Cluster": func(t *testing.T) (redis.Config, func()) {
			c := redistest.StartCluster(t)
			return redis.Config{URL: c.URL()}, c.FlushAll
		},
		"Sentinel": func(t *testing.T) (redis.Config, func()) {
			w := redistest.StartSentinel(t)
			return redis.Config{URL: w.URL()}, func() { w.Primary().Do("FLUSHALL") }
		},
		"TLS and ACL": func(t *testing.T) (redis.Config, func()) {
			a := redistest.NewAuthority(t)
			client := a.Issue("client", time.Now().Add(time.Hour))
			s, addr := redistest.StartTLS(t, a)
			s.Do("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-@admin")
			return redis.Config{URL: "rediss://app:secret@" + addr, TLS: &tls.Config{RootCAs: a.Roots, Certificates: []tls.Certificate{client}}},
				func() { s.Do("FLUSHALL") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, flush := begin(t)
			t.Run("suite", func(t *testing.T) {
				adaptortest.TestAtomicAdaptor(t, adaptortest.Harness[adaptor.AtomicKVAdaptor]{
					New: func(t testing.TB) adaptor.AtomicKVAdaptor {
						flush()
						return start(t, config)
					},
					Advance: func(_ testing.TB, d time.Duration) { time.Sleep(d) },
					Margin:  200 * time.Millisecond, // three suites and ten servers share the machine's processors
				})
			})
			t.Run("histories", func(t *testing.T) {
				kv := start(t, config)
				for i := range *histories {
					store := open(t, kv, fmt.Sprint("history-", i))
					history, failures, _ := model.Load{Goroutines: 8, Operations: 120, TTLs: model.Mixed, Seed: rand.Uint64(), Slack: slack, Rests: i%2 == 0}.Record(store)
					require.Zero(t, failures)
					require.Equal(t, porcupine.Ok, model.Linearizable(history, time.Minute))
				}
			})
		})
	}
}
