package memory

import "sync/atomic"

// nextExpiry tells writers, without a lock, whether an entry may have expired.
type nextExpiry struct {
	all    atomic.Int64   // no entry expires before this time
	shards []atomic.Int64 // no entry of the shard expires before this time; written under the shard's lock
}

func (n *nextExpiry) init(shards int) {
	n.shards = make([]atomic.Int64, shards)
	for i := range n.shards {
		n.shards[i].Store(never)
	}
	n.all.Store(never)
}

// add takes a new deadline of a shard into account.
func (n *nextExpiry) add(shard int, deadline int64) {
	if deadline < n.shards[shard].Load() {
		n.shards[shard].Store(deadline)
		n.lower(deadline)
	}
}

// set sets the time before which no entry of a shard expires.
func (n *nextExpiry) set(shard int, t int64) { n.shards[shard].Store(t) }

func (n *nextExpiry) lower(t int64) {
	for {
		all := n.all.Load()
		if t >= all || n.all.CompareAndSwap(all, t) {
			return
		}
	}
}

// recompute computes the first time from the shards. A concurrent add is not lost: either recompute
// reads its deadline from the shard, or add lowers the new value.
func (n *nextExpiry) recompute() {
	n.all.Store(never)
	for i := range n.shards {
		n.lower(n.shards[i].Load())
	}
}
