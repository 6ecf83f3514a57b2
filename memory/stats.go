package memory

import "time"

// Stats contains the counters of a MemoryKV. They start at 0 in [New].
type Stats struct {
	Entries   int           // stored entries, including expired entries that are not removed yet
	Bytes     int64         // memory of the entries and their index, in bytes; limited by Config.MaxBytes
	Hits      uint64        // reads (Get, GetRaw, GetExpire, Has) that found an entry
	Misses    uint64        // reads that found no entry
	Expired   uint64        // entries removed because their deadline had passed
	Sweeps    uint64        // sweeps of the collector
	LastSweep time.Duration // duration of the last sweep; 0 before the first
}

// Stats returns a snapshot of the counters. It reads the shards one after the other, so Entries and
// Expired of different shards are from different moments.
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
