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
// operations on a key are linearizable. No operation is ever applied twice. An entry is gone at
// its deadline by the server's clock, at most a millisecond late.
//
// # Topologies
//
// Config.URL says whether it is one server, one that Sentinels watch, or a Cluster, and Start
// refuses what is another. After a failover, a slot that moves, or a restart of all servers one after
// the other, the stores go on by themselves. Seen in the tests, under load, on one machine:
//
//	Sentinel, down-after-milliseconds 1000   the primary is killed, hangs, or is cut off: no write for 2 to 3.5 s
//	Cluster, cluster-node-timeout 2000       the same: 4 to 5 s
//	a replica is promoted by hand            0.1 s (SENTINEL FAILOVER); up to 3 s (CLUSTER FAILOVER)
//	a slot of a Cluster moves                no error
//
// In the meantime operations fail, each by its own deadline: surely not applied where the
// connection is refused, of unknown outcome where the server is silent. All Sentinels that are known
// are asked for the primary five times a second, so that a failover is seen when it happens and
// not when it is over.
//
// # When something goes wrong
//
// An operation whose context has no deadline gets Config.Timeout. It returns when its time is
// over, whatever the server and the network do; a Timeout should be longer than the server's
// worst pause (a slow disk, a fork, a failover), and shorter than the patience of
// whoever waits for the service. A context that comes from a request has the right deadline
// already. On a Cluster two kinds of calls may end up to a second late: one that is sent on, by
// MOVED or ASK, to a node which is just being connected to and does not answer; and one for a
// slot that no node has, while the client asks the nodes who has it.
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
// While a connection is refused, operations fail at once; where nothing answers, at the end of
// their time. Each tries to connect, and the first to succeed ends the outage for all. A key or a value is never part of an error's text, and a
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
// Replicas follow a moment later, and a failover loses what they have not got: with Sentinel and
// with Cluster alike, a primary that is cut off from its replicas and then replaced takes
// with it all that it acknowledged meanwhile. In the tests 100 of 100 writes are lost so, and a lock
// is granted twice. A primary that was cut off from everybody, too, goes on
// to acknowledge until it hears of the other one. SENTINEL FAILOVER, on servers that are all well, loses
// what the old primary acknowledges until a Sentinel has seen the new one, for up to 2 s; CLUSTER
// FAILOVER loses nothing.
//
//	min-replicas-to-write 1                  ends that: the primary refuses (NOREPLICAS, surely not
//	min-replicas-max-lag 1                   applied) 1.5 to 2 s after it last heard of a replica. What
//	                                         it acknowledged in these 2 s may still be lost
//
// So a lock on Redis keeps most of the doubled work away, and is no proof. What must never
// happen twice needs a fence at the resource itself: a number that grows with each holder (an
// Incr beside the lock), which the resource compares with the greatest that it has seen.
//
// # Lists of keys
//
// Keys and Tree end with an error when a connection was lost, slots of a Cluster have moved or are just being
// moved, or one of its servers is not back yet, rather than leave keys out; Clear begins again. What they can't see
// is that a connection was lost by a client of the caller's (NewFromClient).
//
// # How it lies on the server
//
// A key is the namespace's path, a colon and the key: cache:user:42, sessions/admin:abc. In names,
// %, /, :, { and } are percent-encoded, so that no two pairs of namespace and key ever meet. A
// value is its JSON text, which redis-cli shows; a counter is a plain integer. Operations that need
// more than one command are Lua scripts. A user of the server's ACL needs, on its keys, the
// commands GET, GETDEL, SET, DEL, EXISTS, PEXPIRE, PERSIST, PTTL, INCRBY, EVALSHA and EVAL, and in general HELLO,
// PING and SCRIPT LOAD; SELECT if the URL names a database; CLUSTER SLOTS, CLUSTER SHARDS and ASKING in a Cluster;
// for Keys, Tree and Clear also SCAN and UNLINK, and CLUSTER NODES and CLUSTER INFO in a Cluster; INFO is not
// needed. A user of the Sentinels' own ACL needs HELLO, PING and SENTINEL.
package redis
