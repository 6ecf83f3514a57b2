package memory

// The largest number of records that the collector, or a write, changes before it unlocks the
// shard. A write removes expired entries for a store without a running collector. It removes more
// than one entry, so that the store shrinks faster than it grows.
const (
	sweepBatch = 64
	writeBatch = 4
)

// reclaim removes a batch of expired entries, and gives back memory of removed entries if that is
// more than 1/divisor of the log. It returns the number of removed entries, and whether more may be
// left.
func (s *shard) reclaim(c *clock, divisor int) (removed uint64, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.expired
	if s.kv.nextExpiry.shards[s.number].Load() <= c.now() {
		more = s.expire(c, sweepBatch)
	}
	return s.expired - before, s.compact(divisor, 0) || more
}

// expireSome removes a few expired entries of any shard.
func (m *MemoryKV) expireSome(c *clock) {
	if m.nextExpiry.all.Load() == never || m.nextExpiry.all.Load() > c.now() {
		return
	}
	waiting := false
	first := int(uint64(c.now()) * 0x9e3779b97f4a7c15 >> 48) // mixed, because the low bits of the clock may never change
	for i := range m.shards {
		s := &m.shards[(first+i)%len(m.shards)]
		if m.nextExpiry.shards[s.number].Load() > c.now() {
			continue
		}
		waiting = true
		if s.mu.TryLock() {
			s.expire(c, writeBatch)
			s.compact(2, minGarbage)
			s.mu.Unlock()
			return
		}
	}
	if !waiting {
		m.nextExpiry.recompute()
	}
}

// reclaim frees some memory after the budget has refused a write, and reports whether it succeeded.
// All attempts of one write use the same clock. Otherwise, entries that expire in the meantime
// could prolong the write without end.
func (m *MemoryKV) reclaim(c *clock) bool {
	used := m.budget.used.Load()
	for i := range m.shards {
		for more := true; more; {
			var removed uint64
			removed, more = m.shards[i].reclaim(c, 16)
			if removed > 0 || m.budget.used.Load() < used {
				return true
			}
		}
	}
	return false
}
