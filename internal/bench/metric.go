package main

import "strings"

// A metric names a measured value. Its last word is the unit.
type metric string

func (m metric) unit() string { return string(m[strings.LastIndexByte(string(m), ' ')+1:]) }

// The metrics of the workloads.
const (
	opTime          metric = "time ns/op"
	hits            metric = "hits %"
	heapEntry       metric = "heap B/entry"
	gcAdded         metric = "added to runtime.GC ms"
	sweepTime       metric = "idle sweep ms"
	worstGet        metric = "worst Get ms"
	worstSet        metric = "worst Set ms"
	worstBoth       metric = "worst Get or Set ms"
	baselineSet     metric = "worst Set before that ms"
	baselineBoth    metric = "worst Get or Set before the expiry ms"
	p999Get         metric = "p99.9 Get µs"
	p999Set         metric = "p99.9 Set µs"
	goneAfter       metric = "all gone after ms"
	interceptRatio  metric = "Has through Intercept, against without ×"
	interceptAllocs metric = "Has through Intercept allocs/op"
	heapGrown       metric = "heap at the end, against the first load ×"
	hasAllocs       metric = "Has allocs/op"
	incrAllocs      metric = "Incr allocs/op"
	expireAllocs    metric = "Expire allocs/op"
	getAllocs       metric = "GetRaw allocs/op"
	setAllocs       metric = "Set allocs/op"
	hasTime         metric = "Has ns/op"
	getTime         metric = "Get ns/op"
	missTime        metric = "Miss ns/op"
	setTime         metric = "Set with TTL ns/op"
	mixedTime       metric = "90/10 ns/op"
	allowAllocs     metric = "Allow allocs/op"
	clientBytes     metric = "bytes of a client, against a counter ×"
)
