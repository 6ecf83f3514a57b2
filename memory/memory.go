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

// MemoryKV is an [adaptor.AtomicKVAdaptor] in memory. It is made by [New], and may
// be used by many goroutines at once.
type MemoryKV struct {
	shards     []shard      // a power of two of them
	keys       maphash.Seed // of the hashes of keys, and of namespaces: two, or a key that
	names      maphash.Seed // is its namespace's name would cancel it out
	epoch      time.Time    // deadlines are nanoseconds since then, on the monotonic clock
	config     Config
	adaptor    adaptor.AtomicKVAdaptor
	budget     budget
	nextExpiry nextExpiry
	collector  collector
	reads      stripedCounter
}

var _ adaptor.AtomicKVAdaptor = (*MemoryKV)(nil)

// New returns an empty MemoryKV. It starts no goroutine; see [MemoryKV.Start]. The
// error, of no code, says which field of the configuration can't be.
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

// shardCount is a power of two: enough that writers seldom meet, and no more than one
// for each MiB that the store may hold, since each has segments that are not full.
func shardCount(maxBytes int64) int {
	const most = 1 << maxShardBits
	if maxBytes == 0 || maxBytes >= most<<20 {
		return most
	}
	return 1 << (bits.Len64(uint64(max(maxBytes>>20, 1))) - 1)
}

// Namespace returns the store of the given name; an empty name is
// [adaptor.ErrEmptyNamespace]. It works before Start and after Stop as well. On a
// MemoryKV that New did not make, it is [adaptor.ErrStoreOperationFailed].
func (m *MemoryKV) Namespace(name string) (*adaptor.AtomicKVStore, error) {
	if m == nil || m.adaptor == nil {
		return adaptor.NewAtomic(opener{}).Namespace(name)
	}
	return m.adaptor.Namespace(name)
}

// opener opens the stores of a MemoryKV, which thus has no Open of its own.
type opener struct{ m *MemoryKV }

// OpenAtomic implements [driver.AtomicOpener].
func (o opener) OpenAtomic(path []string) (driver.AtomicStore, error) {
	if o.m == nil {
		return nil, errNotMade
	}
	return o.m.open(driver.Key(path, "")), nil
}

// open opens the store of a namespace by its name as it stands before a key.
func (m *MemoryKV) open(name string) *store {
	return &store{kv: m, namespace: newNamespace(name, maphash.String(m.names, name)), shards: m.shards, keys: m.keys}
}

var errNotMade = driver.Reason(errors.New("memory: not made by New"), "the MemoryKV was not made by memory.New")

// slotHash is what locate returns for a record.
func (m *MemoryKV) slotHash(r *record) uint32 {
	physical := r.key()
	n := bytes.IndexByte(physical, ':') + 1 // the first one ends the namespace
	return slotHash(maphash.Bytes(m.names, physical[:n]) ^ maphash.Bytes(m.keys, physical[n:]))
}

// slotHash is the part of a hash that an index goes by; a shard is chosen by the other.
func slotHash(hash uint64) uint32 { return uint32(hash) }

const maxShardBits = 6

// A clock is read when it is first asked, and not again: an operation that meets no
// deadline does not pay for it.
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

// now is the time since m was made, in nanoseconds, and never 0.
func (m *MemoryKV) now() int64 { return int64(time.Since(m.epoch)) + 1 }
