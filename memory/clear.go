package memory

import (
	"context"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Clearer = (*store)(nil)

// clearBuckets is of a step with the lock, in which the records are looked at.
const clearBuckets = 8

// Clear implements [driver.Clearer]. It goes through the shards as Keys does.
func (s *store) Clear(ctx context.Context, below bool) error {
	began := false
	for i := range s.kv.shards {
		sh := &s.kv.shards[i]
		for from := uint64(0); from <= maxHash; {
			if err := ctx.Err(); err != nil {
				if began {
					err = driver.Unknown(err)
				}
				return err
			}
			sh.mu.Lock()
			from = sh.eachInRange(uint32(from), clearBuckets, func(hash uint32, pos position) {
				if r := sh.log.at(pos.ref()); s.includes(r, below) {
					sh.remove(hash, r, pos)
					began = true
				}
			})
			sh.compact(2, minGarbage)
			sh.mu.Unlock()
		}
		for more := true; more; { // and give the memory back
			sh.mu.Lock()
			more = sh.compact(8, 0)
			sh.mu.Unlock()
		}
	}
	return nil
}
