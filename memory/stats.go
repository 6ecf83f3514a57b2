package memory

import "time"

// Stats is what a MemoryKV counts. Counters start at 0 with New.
type Stats struct {
	Entries   int           // entries held, the expired ones that were not removed yet included
	Bytes     int64         // all memory that they take, and their index: what Config.MaxBytes bounds
	Hits      uint64        // reads (Get, GetRaw, Has) that found an entry
	Misses    uint64        // reads that found none
	Expired   uint64        // entries removed because their deadline had passed
	Sweeps    uint64        // sweeps of the collector
	LastSweep time.Duration // how long the last sweep took; 0 before the first
}

// Stats returns the counters. Entries and Expired of each shard are taken at one moment, one
// shard after the other.
func (m *MemoryKV) Stats() Stats {
	var s Stats
	if m == nil {
		return s
	}
	for i := range m.shards {
		sh := &m.shards[i]
		sh.mu.Lock()
		s.Entries += sh.index.count
		s.Expired += sh.expired
		sh.mu.Unlock()
	}
	s.Hits, s.Misses = m.reads.sums()
	s.Bytes = m.budget.used.Load()
	s.Sweeps = m.collector.sweeps.Load()
	s.LastSweep = time.Duration(m.collector.lastSweep.Load())
	return s
}
