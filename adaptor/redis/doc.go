// Package redis puts the stores on a Redis or Valkey server, of version 6.2 or later, which
// several processes share:
//
//	kv, err := redis.New(redis.Config{URL: "redis://localhost:6379"})
//	…
//	err = kv.Start(ctx)
//	defer kv.Stop(context.Background())
//	store, err := kv.Namespace("cache")
//
// In an fx app, package redismodule does this. Services see no difference to a MemoryKV: both
// pass the same suite, and the same checks of concurrent histories.
//
// # What is promised
//
// Each operation is one command on one key, and one step to all others: on one primary, the
// operations on a key are linearizable. No operation is ever sent twice. An entry is gone at
// its deadline by the server's clock, at most a millisecond late.
//
// # When something goes wrong
//
// An operation whose context has no deadline gets Config.Timeout. It returns when its time is
// over, whatever the server and the network do; a Timeout should be longer than the server's
// worst pause (a slow disk, a fork, a failover), and shorter than the patience of
// whoever waits for the service. A context that comes from a request has the right deadline
// already.
//
// A failed write is one of two things, and [adaptor.OutcomeUnknown] tells which:
//
//   - It surely did not happen: the server refused it, or there is no connection. It
//     may be tried again.
//   - It may have happened, or may happen yet: the time was over, or the connection was lost,
//     before the answer came. Trying again may do it twice. A Set or a Del can simply be
//     repeated, as long as nobody else writes that key. After a SetNX or a CompareAndSwap, read
//     the key: a value that only this caller writes (an owner's random token, say) tells. After an
//     Incr nobody can tell; a limiter counts it as done, an account needs a SetNX with an id of
//     the transaction before it.
//
// While there is no connection, operations fail at once; each tries to connect, and the first to
// succeed ends the outage for all. A key or a value is never part of an error's text, and a
// password never is.
//
// # What the server keeps
//
// What is acknowledged is as safe as the server's settings make it:
//
//	appendonly yes, appendfsync always     nothing is lost when the server dies
//	appendonly yes, appendfsync everysec   about the last second
//	save …, without appendonly             everything since the last snapshot
//	neither                                everything
//	maxmemory-policy other than noeviction any key may vanish when memory is full: locks and
//	                                       counters too. Use noeviction, and OOM is an error
//
// Replicas follow a moment later: a primary that dies may take the last writes with it, unless
// writes wait for replicas, which this package does not do.
//
// # How it lies on the server
//
// A key is the namespace's path, a colon and the key: cache:user:42, sessions/admin:abc. In names,
// %, /, :, { and } are percent-encoded, so that no two pairs of namespace and key ever meet. A
// value is its JSON text, which redis-cli shows; a counter is a plain integer. Operations that need
// more than one command are Lua scripts. A user of the server's ACL needs, on its keys, the
// commands GET, SET, DEL, EXISTS, PEXPIRE, PTTL, INCRBY, EVALSHA and EVAL, and in general HELLO,
// PING and SCRIPT LOAD.
package redis
