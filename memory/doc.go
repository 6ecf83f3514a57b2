// Package memory keeps namespaced key-value stores in the memory of one process.
//
//	kv, err := memory.New(memory.Config{})
//	store, err := kv.Namespace("cache")
//
// A [MemoryKV] implements the whole contract of package adaptor, including the atomic operations. It
// evicts nothing: an entry stays until it expires or is deleted. An entry is absent from its
// deadline on, exact to the nanosecond. Deadlines use Go's monotonic clock, so steps of the wall
// clock have no effect. [Config].MaxBytes limits the memory. A write beyond the limit returns an
// error that wraps [ErrFull].
//
// # Map
//
//   - [New] returns a [MemoryKV] from a [Config]. The zero Config works.
//   - [MemoryKV.Namespace] opens a store. Package adaptor describes its operations.
//   - [MemoryKV.Start] and [MemoryKV.Stop] run the collector of expired entries. In an fx app,
//     kvmodule.Module calls them.
//   - [Config].MaxBytes and [Config].MaxValueBytes limit the memory.
//   - [MemoryKV.Stats] returns counters and the bytes in use.
//
// # Memory
//
// Without MaxBytes, the store holds every entry until it expires or is deleted. With MaxBytes, it
// refuses a write that needs more memory when no expired entry is left. Deletes and writes that
// need no more memory still work. Stats().Bytes is the memory in use, and never more than MaxBytes.
//
// Go's garbage collector needs room beside the store. With GOGC=100 the process may use twice as
// much memory before a collection starts. GOMEMLIMIT sets a limit for this.
//
// # The engine
//
// The hash of a key chooses one of 64 shards. There are fewer shards if MaxBytes is less than
// 64 MiB. Each MemoryKV has its own random seed for the hashes. A shard has a lock for writers and
// three parts: an index, a log and a wheel. All parts store entries as bytes and numbers. Go's
// garbage collector therefore follows only one pointer per 32 KiB of entries, or per large value.
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
// A record (record.go) stores one entry as bytes: a header of 24 bytes, the physical key with its
// namespace, and the value. A value that is the text of an int64 is stored as an int64, so counters
// need no parsing. The index finds a record by its hash. A comparison of the whole key then decides.
//
// The index consists of buckets. A bucket is one cache line with 7 slots, and has a tag for each
// slot: one byte of the hash. The tags exclude most other entries without a look at their records.
//
// The log appends records to segments of at most 32 KiB. The space of removed records is garbage.
// To clean a segment, the log copies the live records to another segment. It cleans in four cases:
//
//   - before it grows, if more than a twelfth of the log is garbage
//   - after a write, if more than half of the log is garbage
//   - in a sweep and in Clear, if more than an eighth is garbage
//   - before it refuses a write, if more than a sixteenth is garbage
//
// A record of more than 4 KiB has its own segment and never moves.
//
// Reads take no lock. They use a view of the shard (view.go), in which every word that may change is
// accessed atomically. The memory of a cleaned segment is never used again. Go's garbage collector
// frees it after the last reader has finished. Keys never change.
//
// A text that is often written is overwritten in place, and read under the lock. A text that is read
// twice between two writes is sealed: from then on, a write replaces the record. Texts that are often
// read therefore need no lock, and texts that are often written leave no garbage. A reader that
// finds an expired record, or a record that is being moved, looks again under the lock.
//
// Keys and Clear (scan.go, clear.go) visit the hashes of each shard in ranges. A resize of the index
// does not change hashes. Keys holds the lock only while it collects pointers to the records of a
// range.
//
// The wheel is a timing wheel with eight levels, from a millisecond to 146 years. It finds expired
// entries by their deadlines, without a look at the others. The collector removes at most 64 entries
// at a time, and then releases the lock and the processor. Each write also removes a few expired
// entries. A MemoryKV that was never started therefore frees memory as well.
//
// An operation reads the clock only if a deadline matters. A reader reads the clock after it has
// loaded the deadline, and a writer reads it under the lock. An entry that one operation has found
// expired is therefore absent for every later operation.
//
// The budget (budget.go) counts segments and indexes before they are allocated, so Stats().Bytes
// never exceeds MaxBytes. Three things are not counted:
//
//   - the memory of an empty MemoryKV, about 170 KB
//   - a cleaned segment, until Go's garbage collector has freed it
//   - lists that shrink only when a shard is empty: about 1 % of the largest memory so far
//
// The longest wait for a lock is the wait for a shard whose index is copied. The index is copied when
// it grows, and when segment numbers are recycled. That takes about 0.1 ms at 1M entries in all
// shards, and 2 ms at 10M. Reads continue in the meantime.
package memory
