package main

// A bar limits the cost of a workload for MemoryKV. With a peer, the limit is a ratio to the peer's
// cost. Without a peer, it is a value.
type bar struct {
	title      string
	workload   string
	entries    int
	peer       string
	metric     metric
	peerMetric metric
	atMost     float64
	aim        float64 // 0 means none beyond atMost
}

const (
	thousand = 1_000
	million  = 1_000_000
)

// bars contains the table of PERFORMANCE.md.
var bars = []bar{
	{"`Has` hit with TTL, zipf over 1M keys, 2 procs; otter: `GetIfPresent` with expiry", "has-ttl-zipf", million, "otter", opTime, opTime, 0.7, 0.5},
	{"`Has` hit without TTL, 1,000 hot keys, 1 proc; xsync: `Load`", "has-hot", thousand, "xsync", opTime, opTime, 2.0, 1.2},
	{"`Has` hit with TTL, 1,000 hot keys, 1 proc; go-cache: `Get`", "has-ttl-hot", thousand, "go-cache", opTime, opTime, 0.9, 0.6},
	{"`GetRaw` hit with TTL, zipf over 1M keys, 2 procs; otter: `GetIfPresent` and a copy of the value", "get-copy-zipf", million, "otter", opTime, opTime, 0.75, 0.6},
	{"`Set` of a `json.RawMessage` with TTL, 1M keys, 2 procs; go-cache: `json.Compact` and `Set`", "set-json", million, "go-cache", opTime, opTime, 0.8, 0.5},
	{"`Incr`, one hot key, 1 proc; go-cache: `IncrementInt64`", "incr-hot", 1, "go-cache", opTime, opTime, 1.1, 0.7},
	{"`Incr`, 100k keys, 2 procs; go-cache: `IncrementInt64`", "incr", 100 * thousand, "go-cache", opTime, opTime, 0.8, 0.4},
	{"`Get[T]` of a struct of 140 bytes, 1 proc; gokv gomap", "typed-get", thousand, "gomap", opTime, opTime, 0.6, 0.4},
	{"`Get[T]` of a struct of 140 bytes, 1 proc; fiber memory and encoding/json", "typed-get", thousand, "fiber", opTime, opTime, 0.6, 0.4},
	{"`Set` of a struct of 140 bytes, 1 proc; gokv gomap", "typed-set", thousand, "gomap", opTime, opTime, 0.9, 0.75},
	{"`Set` of a struct of 140 bytes, 1 proc; fiber memory and encoding/json", "typed-set", thousand, "fiber", opTime, opTime, 0.9, 0.75},
	{"heap per entry of 16 + 64 bytes with TTL, 1M", "fill", million, "go-cache", heapEntry, heapEntry, 0.7, 0.6},
	{"heap per entry of 16 + 64 bytes with TTL, 5M", "fill", 5 * million, "go-cache", heapEntry, heapEntry, 0.7, 0.6},
	{"time that 5M entries add to `runtime.GC()`", "fill", 5 * million, "go-cache", gcAdded, gcAdded, 0.02, 0.002},
	{"1M keys expire at the same time: longest stall of a Get or a Set; go-cache: of a Get", "expiry", million, "go-cache", worstBoth, worstGet, 0.1, 0.01},
	{"1M keys expire at the same time: longest stall of a Get or a Set", "expiry", million, "", worstBoth, "", 10, 0},
	{"idle sweep with 5M live keys; go-cache: `DeleteExpired`", "fill", 5 * million, "go-cache", sweepTime, sweepTime, 0.001, 0},
	{"churn: 100M deletes and sets, half each, over 1M keys, then 10M namespaces used once: heap against the first 1M", "churn", million, "", heapGrown, "", 1.2, 1.05},
	{"`Has` hit without TTL, 1,000 hot keys, 1 proc, through one `Intercept`, against without", "intercept", thousand, "", interceptRatio, "", 2.0, 0},
	{"`limit.Allow`, 100k keys, 2 procs; go-limiter: `Take`", "limit", 100 * thousand, "go-limiter", opTime, opTime, 0.5, 0.3},
	{"`limit.Allow`, 100k keys, 2 procs; ulule: `Get`", "limit", 100 * thousand, "ulule", opTime, opTime, 0.5, 0.3},
	{"`limit.Allow`, one hot key, 1 proc; x/time/rate in a map under a mutex", "limit-hot", 1, "x/time/rate", opTime, opTime, 1.0, 0.7},
	{"bytes of a client of `limit` in memory, against a counter with TTL, 1M", "limit-bytes", million, "", clientBytes, "", 1.5, 1.1},
	{"allocations of `limit.Allow`", "limit-allocs", thousand, "", allowAllocs, "", 0, 0},
	{"allocations of `Has`", "allocs", thousand, "", hasAllocs, "", 0, 0},
	{"allocations of `Has` through one `Intercept`", "allocs", thousand, "", interceptAllocs, "", 0, 0},
	{"allocations of `Incr`", "allocs", thousand, "", incrAllocs, "", 0, 0},
	{"allocations of `Expire`", "allocs", thousand, "", expireAllocs, "", 0, 0},
	{"allocations of `GetRaw`: the caller's copy", "allocs", thousand, "", getAllocs, "", 1, 0},
	{"allocations of `Set` of a small struct", "allocs", thousand, "", setAllocs, "", 2, 0},
}

// jobs returns the measurements that a bar compares. The first is for MemoryKV.
func (b bar) jobs() []job {
	jobs := []job{{b.workload, ours, b.entries}}
	if b.peer != "" {
		jobs = append(jobs, job{b.workload, b.peer, b.entries})
	}
	return jobs
}
