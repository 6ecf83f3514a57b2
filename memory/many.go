package memory

import (
	"context"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Batch = (*store)(nil)

// GetMany implements [driver.Batch]. Most reads take no lock, so it calls Get for each key.
func (s *store) GetMany(ctx context.Context, keys []string) []driver.Got {
	got := make([]driver.Got, len(keys))
	var err error
	for i, key := range keys {
		if i%batchLimit == 0 {
			err = ctx.Err()
		}
		if g := &got[i]; err != nil {
			g.Err = err
		} else {
			g.Value, g.Found, g.Err = s.Get(ctx, key)
		}
	}
	return got
}

// SetMany implements [driver.Batch].
func (s *store) SetMany(ctx context.Context, keys []string, values [][]byte, ttl time.Duration) []error {
	return s.writeMany(ctx, keys, func(w *writeOp, i int) error {
		w.value, w.ttl = newValue(values[i]), ttl
		w.size = recordSize(len(s.namespace.name)+len(w.key), w.value)
		if w.size <= maxSmall && s.kv.config.allows(w.value.text) {
			if w.shard.lookUp(w); w.shard.put(w) {
				return nil
			}
		}
		// A large record is written before the lock is taken. Reclaiming memory needs the lock to
		// be free.
		w.shard.mu.Unlock()
		err := s.Set(ctx, w.key, values[i], ttl)
		w.shard.mu.Lock()
		w.clock = s.kv.clock()
		return err
	})
}

// DelMany implements [driver.Batch].
func (s *store) DelMany(ctx context.Context, keys []string) []error {
	return s.writeMany(ctx, keys, func(w *writeOp, _ int) error {
		if w.shard.lookUp(w); w.at != 0 {
			w.remove()
		}
		return nil
	})
}

// batchLimit is the largest number of keys that a batch writes before it unlocks a shard, so that
// other writers do not wait for long.
const batchLimit = 32

// writeMany calls f for each key, shard by shard, under the lock of the shard. Keys of one shard
// keep their order. writeMany returns an error for each key, or nil if no key has an error.
func (s *store) writeMany(ctx context.Context, keys []string, f func(w *writeOp, i int) error) []error {
	var errs []error
	fail := func(i int, err error) {
		if errs == nil {
			errs = make([]error, len(keys))
		}
		errs[i] = err
	}
	hashes := make([]uint64, len(keys))
	w := writeOp{store: s}
	for number, indexes := range s.byShard(keys, hashes) {
		w.shard = &s.kv.shards[number]
		for len(indexes) > 0 {
			some := indexes[:min(batchLimit, len(indexes))]
			indexes = indexes[len(some):]
			if err := ctx.Err(); err != nil {
				for _, i := range some {
					fail(i, err)
				}
				continue
			}
			w.shard.mu.Lock()
			w.clock = s.kv.clock()
			for _, i := range some {
				w.key, w.hash = keys[i], indexHash(hashes[i])
				if err := f(&w, i); err != nil {
					fail(i, err)
				}
				w.shard.compact(2, minGarbage)
			}
			w.shard.mu.Unlock()
			s.kv.expireSome(&w.clock)
		}
	}
	return errs
}

// byShard returns, for each shard, the indexes of its keys in their order. It also sets hashes.
func (s *store) byShard(keys []string, hashes []uint64) [][]int {
	shards := make([][]int, len(s.kv.shards))
	counts := make([]int, len(shards))
	for i, key := range keys {
		hashes[i] = s.hash(key)
		counts[s.shardOf(hashes[i]).number]++
	}
	all := make([]int, len(keys))
	for number, n := range counts {
		shards[number], all = all[:0:n], all[n:]
	}
	for i, hash := range hashes {
		number := s.shardOf(hash).number
		shards[number] = append(shards[number], i)
	}
	return shards
}
