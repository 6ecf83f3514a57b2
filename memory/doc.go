// Package memory keeps namespaced key-value stores in the memory of one process.
//
//	kv, err := memory.New(memory.Config{})
//	store, err := kv.Namespace("cache")
//
// It holds the whole contract of package adaptor, the atomic operations included,
// and evicts nothing: what was stored stays until it expires or is deleted.
//
// Entries lie in shards, each a map behind a mutex with a heap of its deadlines.
// An entry is absent from its deadline on, to the nanosecond, by Go's monotonic
// clock: steps of the wall clock change nothing. Expired entries are removed by the
// collector, which runs between [MemoryKV.Start] and [MemoryKV.Stop], and by writes,
// each of which removes a few. A shard's map gives its own memory back when the shard
// is empty.
package memory
