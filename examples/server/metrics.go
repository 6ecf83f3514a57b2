package main

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/zelt-go/kv/memory"
)

// Metrics is what Prometheus reads.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// NewMetrics returns Metrics of activity, of the store, and of the requests that Observe is told of.
func NewMetrics(activity *Activity, backend Backend) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests answered."}, []string{"route", "code"}),
		seconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "http_request_seconds", Help: "Time to answer.", Buckets: prometheus.DefBuckets}, []string{"route"}),
	}
	m.registry.MustRegister(m.requests, m.seconds,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, c := range []struct {
		name, help, label, value string
		count                    *atomic.Int64
	}{
		{"ratelimit_requests_total", "Requests, by what the rate limit decided.", "decision", "allowed", &activity.Allowed},
		{"ratelimit_requests_total", "Requests, by what the rate limit decided.", "decision", "refused", &activity.Refused},
		{"ratelimit_requests_total", "Requests, by what the rate limit decided.", "decision", "failed_open", &activity.FailedOpen},
		{"ratelimit_requests_total", "Requests, by what the rate limit decided.", "decision", "failed_closed", &activity.FailedClosed},
		{"cache_reads_total", "Reads of users, by what the cache had.", "result", "hit", &activity.CacheHits},
		{"cache_reads_total", "Reads of users, by what the cache had.", "result", "miss", &activity.CacheMisses},
		{"cache_reads_total", "Reads of users, by what the cache had.", "result", "bypass", &activity.CacheBypassed},
		{"sessions_total", "Sessions begun and ended.", "event", "login", &activity.Logins},
		{"sessions_total", "Sessions begun and ended.", "event", "logout", &activity.Logouts},
		{"jobs_total", "Jobs asked for, by what became of them.", "result", "run", &activity.JobsRun},
		{"jobs_total", "Jobs asked for, by what became of them.", "result", "busy", &activity.JobsBusy},
		{"jobs_total", "Jobs asked for, by what became of them.", "result", "failed", &activity.JobsFailed},
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Name: c.name, Help: c.help, ConstLabels: prometheus.Labels{c.label: c.value}},
			func() float64 { return float64(c.count.Load()) }))
	}
	if backend.Stats != nil {
		m.registry.MustRegister(storeCollector(backend.Stats))
	}
	return m
}

// ServeHTTP answers with everything, as text.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

// Observe counts a request that was answered.
func (m *Metrics) Observe(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// storeCollector reads the statistics of a store once per scrape.
type storeCollector func() memory.Stats

func desc(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

var (
	storeEntries   = desc("kv_entries", "Entries held, expired ones that are not removed yet included.")
	storeBytes     = desc("kv_bytes", "Memory that the entries and their index take.")
	storeHits      = desc("kv_hits_total", "Reads that found an entry.")
	storeMisses    = desc("kv_misses_total", "Reads that found none.")
	storeExpired   = desc("kv_expired_total", "Entries removed because their time was over.")
	storeSweeps    = desc("kv_sweeps_total", "Sweeps of the collector.")
	storeLastSweep = desc("kv_last_sweep_seconds", "How long the last sweep took.")
)

// Describe implements [prometheus.Collector].
func (c storeCollector) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, to) }

// Collect implements [prometheus.Collector].
func (c storeCollector) Collect(to chan<- prometheus.Metric) {
	s := c()
	for _, m := range []struct {
		desc  *prometheus.Desc
		kind  prometheus.ValueType
		value float64
	}{
		{storeEntries, prometheus.GaugeValue, float64(s.Entries)},
		{storeBytes, prometheus.GaugeValue, float64(s.Bytes)},
		{storeHits, prometheus.CounterValue, float64(s.Hits)},
		{storeMisses, prometheus.CounterValue, float64(s.Misses)},
		{storeExpired, prometheus.CounterValue, float64(s.Expired)},
		{storeSweeps, prometheus.CounterValue, float64(s.Sweeps)},
		{storeLastSweep, prometheus.GaugeValue, s.LastSweep.Seconds()},
	} {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value)
	}
}
