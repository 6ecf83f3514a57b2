// Package redis stores entries on a Redis or Valkey server, version 6.2 or later. Several
// processes can share the server.
//
//	kv, err := redis.New(redis.Config{URL: "redis://localhost:6379"})
//	…
//	err = kv.Start(ctx)
//	defer kv.Stop(context.Background())
//	store, err := kv.Namespace("cache")
//
// Where to begin:
//
//   - To connect to a server, to Sentinels or to a Cluster, set [Config.URL] and use [New].
//   - To use TLS, write the URL with rediss:// and set [Config.TLS] if necessary.
//   - To share a client that the program already has, use [NewFromClient].
//   - To connect and to close the connections, use [RedisKV.Start] and [RedisKV.Stop].
//   - To open a store, use [RedisKV.Namespace].
//   - To do all of this in an fx app, use package redismodule.
//   - To limit the time of operations, set deadlines on contexts or set [Config.Timeout].
//   - To learn whether a failed write may have happened, use [adaptor.OutcomeUnknown].
//
// A service that works with a MemoryKV works unchanged with a RedisKV. Both backends pass the same
// conformance suite and the same checks of concurrent histories.
//
// # Guarantees
//
// The server executes an operation on one key as one command or one script, so every operation is
// atomic. On one primary, the operations on a key are linearizable. No operation is applied twice.
// An entry expires at its deadline by the server's clock, at most one millisecond late.
//
// # Topologies
//
// [Config.URL] says whether the stores are on one server, on a primary that Sentinels watch, or on
// a Cluster. Start returns an error if the server belongs to another topology. The stores recover by
// themselves after a failover, after a slot has moved, and after a rolling restart of all servers.
// The tests, under load on one machine, show these outages:
//
//	Sentinel, down-after-milliseconds 1000   the primary is killed, hangs, or is cut off: no write for 2 to 3.5 s
//	Cluster, cluster-node-timeout 2000       the same: 4 to 5 s
//	a replica is promoted by hand            0.1 s (SENTINEL FAILOVER); up to 3 s (CLUSTER FAILOVER)
//	a slot of a Cluster moves                no error
//
// During an outage, each operation fails by its own deadline. If the connection is refused, a write
// is surely not applied. If the server is silent, the outcome of a write is unknown. The package asks
// all known Sentinels for the primary five times per second. It therefore notices a failover while
// the failover is still running.
//
// # Timeouts
//
// An operation whose context has no deadline ends after [Config.Timeout]. Every operation returns at
// its deadline, regardless of the server and the network. Timeout should be longer than the server's
// longest pause (a slow disk, a fork, a failover). It should be shorter than the time that a client
// of the service waits. The context of a request usually has the right deadline already.
//
// On a Cluster, two kinds of calls may return up to one second late:
//
//   - A call that MOVED or ASK redirects to another node, if the client is connecting to this node
//     without a reply.
//   - A call for a slot that no node owns, while the client asks the nodes for the owner.
//
// # Failed writes
//
// [adaptor.OutcomeUnknown] reports which of two outcomes a failed write has:
//
//   - The write surely did not happen. The server refused it, or there is no connection. The caller
//     may try again.
//   - The write may have happened, or may still happen. The deadline passed, or the connection was
//     lost, before the reply came. If the caller tries again, the write may happen twice.
//
// If the outcome is unknown, the next step depends on the operation:
//
//   - Set and Del can be repeated if no other caller writes the key.
//   - After a SetNX or a CompareAndSwap, read the key. The stored value shows the outcome if only
//     this caller writes it, for example the random token of a lock's owner.
//   - The outcome of an Incr cannot be found. A rate limiter can count the Incr as applied. An account
//     needs a SetNX with the ID of the transaction before the Incr.
//
// While the server refuses connections, operations fail immediately. While nothing answers,
// operations fail at their deadlines. Each operation tries to connect, and the first success ends the
// outage for all operations. An error text never contains a key, a value or a password.
//
// # Durability
//
// The settings of the server decide which acknowledged writes are lost when the server dies:
//
//	appendonly yes, appendfsync always       none
//	appendonly yes, appendfsync everysec     the writes of about the last second
//	save …, without appendonly               the writes since the last snapshot
//	neither                                  all
//
// If maxmemory-policy is not noeviction, the server may evict any key when its memory is full,
// including locks and counters. With noeviction, a write returns an error (OOM) instead.
//
// A primary acknowledges a write before its replicas receive it. A failover loses the writes that
// the new primary has not received. With Sentinel and with a Cluster, a primary may be cut off from
// its replicas and then be replaced. All writes that it acknowledged while it was cut off are lost. In
// the tests, 100 of 100 such writes are lost, and a lock is granted twice. Even a primary that is cut
// off from all other servers acknowledges writes until it hears of the new primary.
//
// SENTINEL FAILOVER, on healthy servers, also loses writes. They are the writes that the old primary
// acknowledges before a Sentinel has seen the new primary, for up to 2 s. CLUSTER FAILOVER loses
// nothing.
//
// Two settings of the server limit the loss:
//
//	min-replicas-to-write 1
//	min-replicas-max-lag 1
//
// With them, the primary refuses writes 1.5 to 2 s after it last heard from a replica. The error says
// NOREPLICAS, and the write is surely not applied. The writes that the primary acknowledged within
// these 2 s may still be lost.
//
// A lock on Redis therefore prevents most duplicate work, but gives no proof. An effect that must
// never happen twice needs a fencing token: a number that grows with each holder, for example by an
// Incr beside the lock. The protected resource compares the number with the greatest number that it
// has seen.
//
// # Lists of keys
//
// Keys and Tree return an error rather than leave out keys. They do so in these cases:
//
//   - A connection was lost.
//   - Slots of a Cluster have moved or are moving.
//   - A server of a Cluster has restarted and does not serve its slots yet.
//
// Clear starts again if the servers have changed, and returns the error only after several attempts.
// The package cannot see that a client given to [NewFromClient] has lost a connection.
//
// # Physical keys
//
// A physical key consists of the path of the namespace, a colon and the key. Examples are
// cache:user:42 and sessions/admin:abc. In the names of namespaces, the characters %, /, :, { and }
// are percent-encoded. Therefore no two pairs of namespace and key share a physical key. A value is
// its JSON text, which redis-cli shows. A counter is a plain integer. Operations that need more than
// one command are Lua scripts.
//
// # Permissions
//
// A user of the server's ACL needs these commands:
//
//   - on the keys: GET, GETDEL, SET, DEL, EXISTS, PEXPIRE, PERSIST, PTTL, INCRBY, EVALSHA and EVAL
//   - in general: HELLO, PING and SCRIPT LOAD
//   - if the URL names a database: SELECT
//   - in a Cluster: CLUSTER SLOTS, CLUSTER SHARDS and ASKING
//   - for Keys, Tree and Clear: SCAN and UNLINK, and in a Cluster also CLUSTER NODES and CLUSTER INFO
//
// The package does not need INFO. A user of the Sentinels' own ACL needs HELLO, PING and SENTINEL.
package redis
