package memory

// How many entries are looked at, at most, before others get the lock: by the collector,
// and by a write, which does it for the sake of stores whose collector never started.
// More than one, so that a store shrinks faster than it grows.
const (
	sweepBatch = 64
	writeBatch = 4
)

// reclaim does a batch of what there is to free in a shard: it removes entries that are
// due, and gives back what removed entries took, as long as it is more than a part-th
// of all. It returns how many it removed, and whether there may be more to do.
func (s *shard) reclaim(c *clock, part int) (removed uint64, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.expired
	if s.kv.nextExpiry.shards[s.number].Load() <= c.now() {
		more = s.expire(c, sweepBatch)
	}
	return s.expired - before, s.compact(part, 0) || more
}

// expireSome removes a few entries that are due, wherever they are.
func (m *MemoryKV) expireSome(c *clock) {
	if m.nextExpiry.all.Load() == never || m.nextExpiry.all.Load() > c.now() {
		return
	}
	waiting := false
	first := int(uint64(c.now()) * 0x9e3779b97f4a7c15 >> 48) // any: the clock's own low bits may stand still
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

// reclaim frees something, for a write that the bound has refused, and reports whether
// it could. c is the same for all tries of a write, or entries that expire meanwhile
// might keep it trying.
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
