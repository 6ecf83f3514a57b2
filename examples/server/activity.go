package main

import "sync/atomic"

// Activity counts the work of this replica, for the page and for /metrics.
type Activity struct {
	Allowed, Refused         atomic.Int64 // by the rate limit
	FailedOpen, FailedClosed atomic.Int64 // requests that passed, or were refused, while the store was down

	CacheHits, CacheMisses, CacheBypassed atomic.Int64

	Logins, Logouts atomic.Int64

	JobsRun, JobsBusy, JobsFailed atomic.Int64
}

// NewActivity returns an Activity whose counters are zero.
func NewActivity() *Activity { return &Activity{} }
