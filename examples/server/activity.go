package main

import "sync/atomic"

// Activity counts what this replica has done, for the page and for /metrics alike.
type Activity struct {
	Allowed, Refused         atomic.Int64 // by the rate limit
	FailedOpen, FailedClosed atomic.Int64 // requests that passed, or did not, while the store was down

	CacheHits, CacheMisses, CacheBypassed atomic.Int64

	Logins, Logouts atomic.Int64

	JobsRun, JobsBusy, JobsFailed atomic.Int64
}

// NewActivity returns an Activity at zero.
func NewActivity() *Activity { return &Activity{} }
