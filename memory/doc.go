// Package memory keeps namespaced key-value stores in the memory of one process.
//
//	kv, err := memory.New(memory.Config{})
//	store, err := kv.Namespace("cache")
//
// It holds the whole contract of package adaptor, the atomic operations included, and
// evicts nothing: what was stored stays until it expires or is deleted. An entry is
// absent from its deadline on, to the nanosecond, by Go's monotonic clock: steps of the
// wall clock change nothing. [Config].MaxBytes bounds the memory; a write beyond it is
// refused around [ErrFull].
//
// # The engine, on one page
//
// A key's hash, seeded anew for each MemoryKV, chooses one of 64 shards (fewer for a MaxBytes
// of less than 64 MiB). Each has a lock for writers and three parts, in which entries are bytes and
// numbers: Go's collector has one pointer to follow per 32 KiB of them, or per large value.
//
//	 hash of a key        index (view.go, index.go)     log (log.go)
//	┌───────┬──────┐     ┌────────┬─────────────┐     ┌─────────────────────── segment 1 ─┐
//	│ shard │ slot ├──┐  │ tags   │ hash, 2:904 │ ┌──▶│ record "app:a" │ record "app:b" … │
//	└───────┴──────┘  │  │        │ hash, 1:0   ├─┘   ├─────────────────────── segment 2 ─┤
//	                  │  ├────────┼─────────────┤     │ record │ ░░░░░ garbage │ record … │
//	                  └─▶│ tags   │ hash, 2:0   │     └────────▲──────────────────────────┘
//	                     └────────┴─────────────┘              │
//	                      wheel (wheel.go)                     │
//	                     ┌──────────────────┐   next     ┌─────┴──┐  next  ┌────────┐
//	                     │ ms │ ms │ 67 ms… ├───────────▶│ record ├───────▶│ record │
//	                     └──────────────────┘            └────────┘        └────────┘
//
// A record (record.go) is an entry as bytes: a header of 24, the physical key with its
// namespace, the value. A value that is the text of an int64 is kept as one, so that
// counters count without parsing. A record is found by its hash, and its whole key decides.
//
// The index is buckets of a cache line, of 7 slots each, and a byte of the hash for each slot that
// tells most others away at one look.
//
// The log appends records to segments of at most 32 KiB. Space that is not used any more is
// garbage, and a segment is cleaned, its live records put into another one, before the log grows while
// a twelfth of it is garbage, when removals leave more than half of it, and after a sweep. A
// record of more than 4 KiB has a segment to itself, and never moves.
//
// Reads take no lock. They look at a view of the shard (view.go), in which all words that may change
// are atomic ones, and the memory of a cleaned segment is not used again: it is garbage to Go's
// collector, which frees it when the last reader is gone. Keys never change. A text
// that is written again and again is written in place, and read with the lock; one that is read
// twice in between is sealed, and is replaced from then on. So what many read, nobody waits
// for, and what many write leaves no garbage. A reader who meets what has expired, or is just being
// moved, looks again with the lock.
//
// Keys and Clear (scan.go) go through each shard by hash, which resizing does not change: a bounded
// range at a time, with the lock for as long as it takes to note where its records are.
//
// The wheel is a timing wheel of eight levels, from a millisecond to 146 years: what expires
// is found by its deadline, and not by looking at what doesn't. The collector takes 64
// entries at a time and lets go of lock and processor in between; each write removes
// a few too, so a MemoryKV that was never started frees as well.
//
// The clock is read only where a deadline matters, by a reader after the deadline and by a writer
// with the lock, so that no entry comes back that another operation has found expired.
//
// The bound (bound.go) counts segments and indexes before they are allocated, which is why
// Stats().Bytes never exceeds MaxBytes. What an empty MemoryKV takes, some 170 KB, is
// not counted; nor is a segment that was cleaned, until Go's collector has freed it, nor some 1 % of
// the most that was ever held, in lists that shrink only when a shard is empty.
//
// What waits longest for a lock is a write to a shard whose index is copied, when it grows or when the
// segments have been renewed: that takes about 0.1 ms at 1M entries in all shards, and 2 ms
// at 10M. Reads go on.
package memory
