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
// A key's hash, seeded anew for each MemoryKV, chooses one of 64 shards; each has a lock
// and three parts, none of which holds a pointer per entry, so Go's collector has nothing
// to follow:
//
//	 hash of a=1          index (index.go)            log (log.go)
//	┌───────┬──────┐     ┌──────────────────┐       ┌─────────────────────── segment 1 ─┐
//	│ shard │ slot ├──┐  │ hash │ ref 1:0   │   ┌──▶│ record "app:a" │ record "app:b" … │
//	└───────┴──────┘  └─▶│ hash │ ref 1:104 ├───┘   ├─────────────────────── segment 2 ─┤
//	                     │      │ free      │       │ record │ ░░░░░ garbage │ record … │
//	                     │ hash │ ref 2:0   │       └────────▲──────────────────────────┘
//	                     └──────────────────┘                │
//	                      wheel (wheel.go)                   │
//	                     ┌──────────────────┐   next   ┌─────┴──┐  next  ┌────────┐
//	                     │ ms │ ms │ 67 ms…  ├────────▶│ record ├───────▶│ record │
//	                     └──────────────────┘          └────────┘        └────────┘
//
// A record (record.go) is an entry as bytes: a header of 24, the physical key with its
// namespace, the value. A value that is the text of an int64 is kept as one, so that
// counters count without parsing. A record is found by its hash, and its whole key decides.
//
// The log appends records to segments of at most 32 KiB. A value that changes is written in
// place where it fits. Space that is not used any more is garbage, and a segment is cleaned,
// its live records put together, before the log grows while a sixteenth of it is garbage, when
// removals leave more than half of it, and after a sweep. Segments that are empty are given
// back. A record of more than 4 KiB has a segment to itself, is written and read without
// the lock, and is never moved.
//
// The wheel is a timing wheel of eight levels, from a millisecond to 146 years: what expires
// is found by its deadline, and not by looking at what doesn't. The collector takes 64
// entries at a time and lets go of lock and processor in between; each write removes
// a few too, so a MemoryKV that was never started frees as well.
//
// Reads take the lock for reading, and change nothing but a counter. An operation reads
// the clock at most once, and only if it meets a deadline.
//
// The bound (bound.go) counts every segment and index before it is allocated, which is
// why Stats().Bytes never exceeds MaxBytes.
package memory
