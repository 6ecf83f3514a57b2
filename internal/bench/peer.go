package main

import "time"

// store is what is measured. A method that fails panics: the child process then ends
// with the reason.
type store interface {
	// Set stores a copy of value. A ttl of 0 means for ever.
	Set(key string, value []byte, ttl time.Duration)

	// Get returns the value, which may be the store's own.
	Get(key string) (value []byte, found bool)

	Has(key string) bool
}

// What only some stores can do.
type (
	// counter adds 1 to the number at key.
	counter interface{ Incr(key string) int64 }

	// typed stores values of a Go type as JSON.
	typed interface {
		SetUser(key string, u user)
		GetUser(key string) (u user, found bool)
	}

	// lister tells how many entries it holds, the expired ones that were not removed yet
	// included.
	lister interface{ Len() int }

	// sweeper looks for expired entries once, and tells how long that took.
	sweeper interface{ Sweep() time.Duration }

	// settler applies what Set has left for later.
	settler interface{ Settle() }
)

// config is what a store is opened with.
type config struct {
	entries int // that it will hold, for stores that must know
	// sweep is the time between two searches for expired entries. 0 means none but by
	// Sweep, as far as the store allows.
	sweep time.Duration
}

// contender is a store that can be measured, and what one has to know about it to read
// its figures.
type contender struct {
	name   string
	module string
	owned  bool // Get returns a copy, which is the caller's
	lossy  bool // may drop what was stored
	noTTL  bool // entries never expire by themselves: a ttl is ignored
	note   string
	open   func(config) store
}

// ours is the name of the store that the bars are about.
const ours = "zelt"

var contenders = []contender{
	{name: ours, module: "github.com/zelt-go/kv", owned: true, open: openZelt},
	{name: "go-cache", module: "github.com/patrickmn/go-cache", open: openGoCache},
	{name: "ttlcache", module: "github.com/jellydator/ttlcache/v3", open: openTTLCache},
	{name: "otter", module: "github.com/maypok86/otter/v2", note: "unbounded, a TTL per key", open: openOtter},
	{name: "ristretto", module: "github.com/dgraph-io/ristretto/v2", lossy: true, note: "keys kept as hashes", open: openRistretto},
	{name: "xsync", module: "github.com/puzpuzpuz/xsync/v4", noTTL: true, open: openXsync},
	{name: "sync.Map", noTTL: true, open: openSyncMap},
	{name: "bigcache", module: "github.com/allegro/bigcache/v3", owned: true, lossy: true, noTTL: true, note: "one lifetime for all entries", open: openBigcache},
	{name: "freecache", module: "github.com/coocood/freecache", owned: true, lossy: true, note: "presized", open: openFreecache},
	{name: "fastcache", module: "github.com/VictoriaMetrics/fastcache", owned: true, lossy: true, noTTL: true, note: "presized, memory outside Go's heap", open: openFastcache},
	{name: "fiber", module: "github.com/gofiber/storage/memory/v2", note: "TTL in whole seconds", open: openFiber},
	{name: "gomap", module: "github.com/philippgille/gokv/gomap", owned: true, noTTL: true, note: "values through encoding/json", open: openGomap},
}

// contenderOf finds a contender by its name.
func contenderOf(name string) (contender, bool) {
	for _, c := range contenders {
		if c.name == name {
			return c, true
		}
	}
	return contender{}, false
}

// must is for calls that can't fail here.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
