package redis

import (
	"context"
	"errors"
	"hash/maphash"
	"strings"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Scanner = (*store)(nil)

// pageSize is how many keys the server looks at for one SCAN, about.
const pageSize = 1000

// Keys implements [driver.Scanner]. SCAN returns a key twice when the server's table of keys shrinks, so
// Keys remembers 128 bits of each key that it has yielded: 35 to 56 bytes in all. Two keys of 10^9 have
// the same with a probability of 10^-20.
//
// A cursor means nothing to another server. So after a connection was lost, and in a Cluster whose slots
// have moved, Keys ends with an error rather than leave keys out.
func (s *store) Keys(ctx context.Context, below bool, yield func(path []string, key string) bool) error {
	c, err := s.kv.running()
	if err != nil {
		return err
	}
	seen := newKeySet()
	more := true
	err = c.scan(ctx, pattern(s.prefix, below), func(physical []string) error {
		for _, p := range physical {
			path, key, ok := driver.Under(s.prefix, p)
			if !ok || len(path) > 0 && !below || !seen.add(p) {
				continue
			}
			if more = yield(path, key); !more {
				return errStopScan
			}
		}
		return nil
	})
	if !more {
		return nil
	}
	return err
}

// errEnough ends a scan.
var errStopScan = errors.New("redis: stop the scan")

// scan calls f with each page of the keys that match, of all nodes. The error is around errChanged if the servers
// were not the same all the time.
func (c *client) scan(ctx context.Context, pattern string, f func(physical []string) error) error {
	nodes, slots, err := c.nodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		dials := c.dialCount(n.address)
		before := dials.Load()
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			var page rueidis.ScanEntry
			page, err = c.scanPage(ctx, n, cursor, pattern)
			for first && err == nil && dials.Load() != before { // it had to connect
				before = dials.Load()
				page, err = c.scanPage(ctx, n, cursor, pattern)
			}
			if err != nil {
				return err
			}
			if dials.Load() != before {
				return topologyChanged("the connection to " + n.address + " was lost during the scan; start again")
			}
			if err := f(page.Elements); err != nil {
				return err
			}
			cursor = page.Cursor
		}
		if err := c.checkSlots(ctx, n, slots); err != nil {
			return err
		}
	}
	_, now, err := c.nodes(ctx)
	if err == nil && !slots.equal(now) {
		err = topologyChanged("slots of the Cluster moved during the scan; start again")
	}
	return err
}

func (c *client) scanPage(ctx context.Context, n node, cursor uint64, pattern string) (page rueidis.ScanEntry, err error) {
	c.doMany(ctx, n.rueidis, 1,
		func(int) rueidis.Completed {
			return c.rueidis.B().Scan().Cursor(cursor).Match(pattern).Count(pageSize).Build()
		},
		func(_ int, m rueidis.RedisMessage, replyErr error) {
			if err = replyErr; err != nil {
				return
			}
			if page, err = m.AsScanEntry(); err != nil {
				err = errMalformedReply
			}
		})
	return page, err
}

// pattern matches the physical keys of a namespace, and, if below, of those below it.
func pattern(prefix string, below bool) string {
	if below {
		return globEscaper.Replace(prefix[:len(prefix)-1]) + "[:/]*"
	}
	return globEscaper.Replace(prefix) + "*"
}

var globEscaper = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `\`, `\\`)

// A memo remembers strings by two hashes.
type keySet struct {
	seeds  [2]maphash.Seed
	hashes map[[2]uint64]struct{}
}

func newKeySet() *keySet {
	return &keySet{[2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, map[[2]uint64]struct{}{}}
}

// add reports whether s is new.
func (k *keySet) add(text string) bool {
	h := [2]uint64{maphash.String(k.seeds[0], text), maphash.String(k.seeds[1], text)}
	before := len(k.hashes)
	k.hashes[h] = struct{}{}
	return len(k.hashes) > before
}
