package main

import (
	"slices"
	"time"
)

// A store is a store under test. If a method fails, it panics. The child process then ends with the
// reason.
type store interface {
	// Set stores a copy of value. A ttl of 0 means that the entry never expires.
	Set(key string, value []byte, ttl time.Duration)

	// Get returns the value. The bytes may belong to the store.
	Get(key string) (value []byte, found bool)

	Has(key string) bool
}

// Interfaces that only some stores implement.
type (
	// A counter adds 1 to the number at key and returns the sum.
	counter interface{ Incr(key string) int64 }

	// A typed store stores values of a Go type as JSON.
	typed interface {
		SetUser(key string, u user)
		GetUser(key string) (u user, found bool)
	}

	// A lister returns the number of stored entries, including expired entries that are not removed
	// yet.
	lister interface{ Len() int }

	// A sweeper removes expired entries once, and returns the duration.
	sweeper interface{ Sweep() time.Duration }

	// A settler completes the work that Set has deferred.
	settler interface{ Settle() }
)

// A config configures a store under test.
type config struct {
	entries int // the number of entries, for stores that need it
	// sweep is the time between two searches for expired entries. 0 means that only Sweep searches,
	// if the store allows that.
	sweep time.Duration
}

// A contender is a store under test, with the properties that a reader of its figures must know.
type contender struct {
	name   string
	module string
	owned  bool // Get returns a copy that the caller owns
	lossy  bool // the store may drop entries
	noTTL  bool // entries never expire by themselves; a ttl is ignored
	remark string
	open   func(config) store
}

// ours is the name of MemoryKV among the contenders.
const ours = "zelt"

var contenders = []contender{
	{name: ours, module: "github.com/zelt-go/kv", owned: true, open: openZelt},
	{name: "go-cache", module: "github.com/patrickmn/go-cache", open: openGoCache},
	{name: "ttlcache", module: "github.com/jellydator/ttlcache/v3", open: openTTLCache},
	{name: "otter", module: "github.com/maypok86/otter/v2", remark: "unbounded, a TTL per key", open: openOtter},
	{name: "ristretto", module: "github.com/dgraph-io/ristretto/v2", lossy: true, remark: "keys kept as hashes", open: openRistretto},
	{name: "xsync", module: "github.com/puzpuzpuz/xsync/v4", noTTL: true, open: openXsync},
	{name: "sync.Map", noTTL: true, open: openSyncMap},
	{name: "bigcache", module: "github.com/allegro/bigcache/v3", owned: true, lossy: true, noTTL: true, remark: "one lifetime for all entries", open: openBigcache},
	{name: "freecache", module: "github.com/coocood/freecache", owned: true, lossy: true, remark: "presized", open: openFreecache},
	{name: "fastcache", module: "github.com/VictoriaMetrics/fastcache", owned: true, lossy: true, noTTL: true, remark: "presized, memory outside Go's heap", open: openFastcache},
	{name: "fiber", module: "github.com/gofiber/storage/memory/v2", remark: "TTL in whole seconds", open: openFiber},
	{name: "gomap", module: "github.com/philippgille/gokv/gomap", owned: true, noTTL: true, remark: "values through encoding/json", open: openGomap},
}

// contenderOf returns the contender with the given name.
func contenderOf(name string) (contender, bool) {
	for _, c := range slices.Concat(contenders, limiters) {
		if c.name == name {
			return c, true
		}
	}
	return contender{}, false
}

// must panics on an error of a call that cannot fail here.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
