package memory

import (
	"bytes"
	"errors"
	"hash/maphash"
	"math/bits"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// MemoryKV is an [adaptor.AtomicKVAdaptor] that stores its entries in memory. [New] makes one. All
// methods may be called concurrently from several goroutines.
type MemoryKV struct {
	shards []shard // their number is a power of two
	// Keys and namespaces are hashed with two seeds. With one seed, the two hashes of a key that is
	// equal to its namespace would cancel each other out.
	keys, names maphash.Seed

	epoch      time.Time // the zero of all deadlines, which count nanoseconds on the monotonic clock
	config     Config
	adaptor    adaptor.AtomicKVAdaptor
	budget     budget
	nextExpiry nextExpiry
	collector  collector
	reads      stripedCounter
}

var _ adaptor.AtomicKVAdaptor = (*MemoryKV)(nil)

// New returns an empty MemoryKV. It starts no goroutine; see [MemoryKV.Start]. If a field of config
// is invalid, New returns an error that names the field. That error has no [adaptor.Code].
func New(config Config) (*MemoryKV, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &MemoryKV{
		config: config,
		shards: make([]shard, shardCount(config.MaxBytes)),
		keys:   maphash.MakeSeed(),
		names:  maphash.MakeSeed(),
		epoch:  time.Now(),
	}
	m.adaptor = adaptor.NewAtomic(opener{m})
	m.budget.init(config.MaxBytes)
	m.nextExpiry.init(len(m.shards))
	for i := range m.shards {
		m.shards[i].init(m, i)
	}
	return m, nil
}

// shardCount returns the number of shards, a power of two. There are enough shards that writers
// seldom wait for each other. There is at most one shard per MiB of maxBytes, because each shard
// has partly filled segments.
func shardCount(maxBytes int64) int {
	const most = 1 << maxShardBits
	if maxBytes == 0 || maxBytes >= most<<20 {
		return most
	}
	return 1 << (bits.Len64(uint64(max(maxBytes>>20, 1))) - 1)
}

// Namespace returns the store of the given name. It returns [adaptor.ErrEmptyNamespace] if name is
// empty, and [adaptor.ErrStoreOperationFailed] if m was not made by [New]. Namespace works before
// Start and after Stop.
func (m *MemoryKV) Namespace(name string) (*adaptor.AtomicKVStore, error) {
	if m == nil || m.adaptor == nil {
		return adaptor.NewAtomic(opener{}).Namespace(name)
	}
	return m.adaptor.Namespace(name)
}

// Driver returns the backend below m, for [adaptor.Driver] and wrappers.
func (m *MemoryKV) Driver() driver.AtomicOpener { return opener{m} }

// opener implements [driver.AtomicOpener], so that MemoryKV itself needs no exported method
// OpenAtomic.
type opener struct{ m *MemoryKV }

// OpenAtomic implements [driver.AtomicOpener]. It returns an error if New did not make the
// MemoryKV.
func (o opener) OpenAtomic(path []string) (driver.AtomicStore, error) {
	if o.m == nil {
		return nil, errNotMade
	}
	return o.m.open(driver.Key(path, "")), nil
}

// open returns the store of a namespace. name is the namespace's prefix in a physical key, with the
// colon at its end.
func (m *MemoryKV) open(name string) *store {
	return &store{kv: m, namespace: newNamespace(name, maphash.String(m.names, name)), shards: m.shards, keys: m.keys}
}

var errNotMade = driver.Reason(errors.New("memory: not made by New"), "the MemoryKV was not made by memory.New")

// recordHash computes the index hash of a record from its physical key.
func (m *MemoryKV) recordHash(r *record) uint32 {
	physical := r.key()
	n := bytes.IndexByte(physical, ':') + 1 // the first colon ends the namespace
	return indexHash(maphash.Bytes(m.names, physical[:n]) ^ maphash.Bytes(m.keys, physical[n:]))
}

// indexHash returns the low half of a hash, which the index uses. The high bits choose the shard.
func indexHash(hash uint64) uint32 { return uint32(hash) }

const maxShardBits = 6

// A clock reads the time when an operation first asks for it, and then keeps that time. An
// operation that meets no deadline does not read the clock.
type clock struct {
	kv   *MemoryKV
	read int64
}

func (m *MemoryKV) clock() clock { return clock{kv: m} }

func (c *clock) now() int64 {
	if c.read == 0 {
		c.read = c.kv.now()
	}
	return c.read
}

// now returns the time since New, in nanoseconds. It is never 0.
func (m *MemoryKV) now() int64 { return int64(time.Since(m.epoch)) + 1 }
