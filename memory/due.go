package memory

import "sync/atomic"

// due knows when work on deadlines may begin, without a lock: writers ask it each time.
type due struct {
	all    atomic.Int64   // no entry is due before
	shards []atomic.Int64 // no entry of a shard is; written with the shard's lock
}

func (d *due) init(shards int) {
	d.shards = make([]atomic.Int64, shards)
	for i := range d.shards {
		d.shards[i].Store(never)
	}
	d.all.Store(never)
}

// add notes a deadline in a shard.
func (d *due) add(shard int, deadline int64) {
	if deadline < d.shards[shard].Load() {
		d.shards[shard].Store(deadline)
		d.lower(deadline)
	}
}

// set notes that no entry of a shard is due before t.
func (d *due) set(shard int, t int64) { d.shards[shard].Store(t) }

func (d *due) lower(t int64) {
	for {
		all := d.all.Load()
		if t >= all || d.all.CompareAndSwap(all, t) {
			return
		}
	}
}

// raise finds out anew when the first entry is due. A deadline that is added meanwhile is
// seen here in its shard, or else lowers what is stored here first.
func (d *due) raise() {
	d.all.Store(never)
	for i := range d.shards {
		d.lower(d.shards[i].Load())
	}
}
