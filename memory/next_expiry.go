package memory

import "sync/atomic"

// nextExpiry knows when work on deadlines may begin, without a lock: writers ask it each time.
type nextExpiry struct {
	all    atomic.Int64   // no entry is due before
	shards []atomic.Int64 // no entry of a shard is; written with the shard's lock
}

func (n *nextExpiry) init(shards int) {
	n.shards = make([]atomic.Int64, shards)
	for i := range n.shards {
		n.shards[i].Store(never)
	}
	n.all.Store(never)
}

// add notes a deadline in a shard.
func (n *nextExpiry) add(shard int, deadline int64) {
	if deadline < n.shards[shard].Load() {
		n.shards[shard].Store(deadline)
		n.lower(deadline)
	}
}

// set notes that no entry of a shard is due before t.
func (n *nextExpiry) set(shard int, t int64) { n.shards[shard].Store(t) }

func (n *nextExpiry) lower(t int64) {
	for {
		all := n.all.Load()
		if t >= all || n.all.CompareAndSwap(all, t) {
			return
		}
	}
}

// recompute finds out anew when the first entry is due. A deadline that is added meanwhile is
// seen here in its shard, or else lowers what is stored here first.
func (n *nextExpiry) recompute() {
	n.all.Store(never)
	for i := range n.shards {
		n.lower(n.shards[i].Load())
	}
}
