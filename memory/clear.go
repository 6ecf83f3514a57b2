package memory

import (
	"context"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Clearer = (*store)(nil)

// clearBuckets is the number of buckets that Clear examines in one step under the lock.
const clearBuckets = 8

// Clear implements [driver.Clearer]. It visits the shards in the same way as Keys.
func (s *store) Clear(ctx context.Context, below bool) error {
	began := false
	for i := range s.kv.shards {
		sh := &s.kv.shards[i]
		for r := range sh.hashRanges(clearBuckets) {
			for from := r.first; from < r.end; {
				if err := ctx.Err(); err != nil {
					if began {
						err = driver.Unknown(err)
					}
					return err
				}
				sh.mu.Lock()
				from = sh.eachInRange(hashRange{from, r.end}, clearBuckets, func(hash uint32, pos position) {
					if r := sh.log.at(pos.ref()); s.includes(r, below) {
						sh.remove(hash, r, pos)
						began = true
					}
				})
				sh.compact(2, minGarbage)
				sh.mu.Unlock()
			}
		}
		for more := true; more; { // give the memory back
			sh.mu.Lock()
			more = sh.compact(8, 0)
			sh.mu.Unlock()
		}
	}
	return nil
}
