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

// pageSize is the approximate number of keys that the server examines for one SCAN.
const pageSize = 1000

// Keys implements [driver.Scanner].
//
// SCAN may return a key twice when the server's hash table shrinks. Keys therefore keeps a 128-bit hash
// of each yielded key, which takes 35 to 56 bytes. Among 10^9 keys, two have the same hash with a
// probability of 10^-20.
//
// A cursor is valid on one server only. After a lost connection, and after slots of a Cluster have
// moved, Keys returns an error rather than leave out keys.
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

// errStopScan ends a scan early. Keys does not return it.
var errStopScan = errors.New("redis: stop the scan")

// scan calls f with each page of matching keys from all nodes, until f returns an error. The error wraps
// errTopologyChanged if the topology changed during the scan.
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
			for first && err == nil && dials.Load() != before { // the first SCAN had to connect
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

// scanPage sends one SCAN to a node.
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

// pattern returns a glob pattern for the physical keys of a namespace. If below is true, the pattern also
// matches the keys of all descendant namespaces.
func pattern(prefix string, below bool) string {
	if below {
		return globEscaper.Replace(prefix[:len(prefix)-1]) + "[:/]*"
	}
	return globEscaper.Replace(prefix) + "*"
}

var globEscaper = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `\`, `\\`)

// A keySet is a set of strings that stores two 64-bit hashes per string.
type keySet struct {
	seeds  [2]maphash.Seed
	hashes map[[2]uint64]struct{}
}

func newKeySet() *keySet {
	return &keySet{[2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, map[[2]uint64]struct{}{}}
}

// add adds text and reports whether it is new.
func (k *keySet) add(text string) bool {
	h := [2]uint64{maphash.String(k.seeds[0], text), maphash.String(k.seeds[1], text)}
	before := len(k.hashes)
	k.hashes[h] = struct{}{}
	return len(k.hashes) > before
}
