package memory

import (
	"errors"
	"hash/maphash"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// MemoryKV is an [adaptor.AtomicKVAdaptor] in memory. It is made by [New], and may
// be used by many goroutines at once.
type MemoryKV struct {
	config    Config
	adaptor   adaptor.AtomicKVAdaptor
	shards    [shardCount]shard
	seed      maphash.Seed
	epoch     time.Time // deadlines are nanoseconds since then, on the monotonic clock
	collector collector
}

var _ adaptor.AtomicKVAdaptor = (*MemoryKV)(nil)

// New returns an empty MemoryKV. It starts no goroutine; see [MemoryKV.Start]. The
// error, of no code, says which field of the configuration can't be.
func New(config Config) (*MemoryKV, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &MemoryKV{config: config, seed: maphash.MakeSeed(), epoch: time.Now()}
	m.adaptor = adaptor.NewAtomic(opener{m})
	for i := range m.shards {
		m.shards[i].entries = make(map[entryKey]*entry)
	}
	return m, nil
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
	namespace := driver.Key(path, "")
	return &store{
		kv:        o.m,
		namespace: namespace,
		hash:      maphash.String(o.m.seed, namespace),
	}, nil
}

var errNotMade = driver.Reason(errors.New("memory: not made by New"), "the MemoryKV was not made by memory.New")

// now is the time since m was made, in nanoseconds, and never 0.
func (m *MemoryKV) now() int64 {
	return int64(time.Since(m.epoch)) + 1
}
