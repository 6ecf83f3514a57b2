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

// Metrics holds the metrics for Prometheus.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// NewMetrics returns Metrics of activity, of the database, of the store and of the observed requests.
func NewMetrics(activity *Activity, database *Database, backend Backend) *Metrics {
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
		{"ratelimit_requests_total", "Requests by the decision of the rate limit.", "decision", "allowed", &activity.Allowed},
		{"ratelimit_requests_total", "Requests by the decision of the rate limit.", "decision", "refused", &activity.Refused},
		{"ratelimit_requests_total", "Requests by the decision of the rate limit.", "decision", "failed_open", &activity.FailedOpen},
		{"ratelimit_requests_total", "Requests by the decision of the rate limit.", "decision", "failed_closed", &activity.FailedClosed},
		{"cache_reads_total", "Reads of users by the result of the cache.", "result", "hit", &activity.CacheHits},
		{"cache_reads_total", "Reads of users by the result of the cache.", "result", "miss", &activity.CacheMisses},
		{"cache_reads_total", "Reads of users by the result of the cache.", "result", "bypass", &activity.CacheBypassed},
		{"sessions_total", "Logins and logouts.", "event", "login", &activity.Logins},
		{"sessions_total", "Logins and logouts.", "event", "logout", &activity.Logouts},
		{"jobs_total", "Requests for jobs by their result.", "result", "run", &activity.JobsRun},
		{"jobs_total", "Requests for jobs by their result.", "result", "busy", &activity.JobsBusy},
		{"jobs_total", "Requests for jobs by their result.", "result", "failed", &activity.JobsFailed},
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Name: c.name, Help: c.help, ConstLabels: prometheus.Labels{c.label: c.value}},
			func() float64 { return float64(c.count.Load()) }))
	}
	m.registry.MustRegister(prometheus.NewCounterFunc(
		prometheus.CounterOpts{Name: "database_reads_total", Help: "Reads of the database."},
		func() float64 { return float64(database.reads.Load()) }))
	if backend.Stats != nil {
		m.registry.MustRegister(storeCollector(backend.Stats))
	}
	return m
}

// ServeHTTP answers with all metrics as text.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

// Observe counts an answered request.
func (m *Metrics) Observe(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// storeCollector reads the statistics of a store once per scrape.
type storeCollector func() memory.Stats

func desc(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

var (
	storeEntries   = desc("kv_entries", "Entries, including expired entries that no sweep has removed yet.")
	storeBytes     = desc("kv_bytes", "Memory of the entries and their index.")
	storeHits      = desc("kv_hits_total", "Reads that found an entry.")
	storeMisses    = desc("kv_misses_total", "Reads that found no entry.")
	storeExpired   = desc("kv_expired_total", "Expired entries that were removed.")
	storeSweeps    = desc("kv_sweeps_total", "Sweeps of the collector.")
	storeLastSweep = desc("kv_last_sweep_seconds", "Duration of the last sweep.")
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
