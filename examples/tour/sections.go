package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/examples/cache"
	"github.com/zelt-go/kv/examples/lock"
	"github.com/zelt-go/kv/examples/ratelimit"
	"github.com/zelt-go/kv/examples/session"
	"github.com/zelt-go/kv/memory"
)

// tour holds the values that the app injects. Each section works on the adaptor of the app.
// Only the section about the collector needs the MemoryKV.
type tour struct {
	fx.In

	KV       adaptor.AtomicKVAdaptor
	Memory   *memory.MemoryKV `optional:"true"`
	Cache    *cache.CacheService
	Limiter  *ratelimit.RateLimiter
	Sessions *session.Sessions
	Locker   *lock.Locker
	People   adaptor.Typed[cache.User]
}

// sections has the sections of the documentation in their order.
var sections = []struct {
	title string
	walk  func(tour, *walk)
}{
	{"Basic usage: a cache of users", tour.basicUsage},
	{"KVStore methods: get, set, del, has", tour.methods},
	{"TTL: expire and touch", tour.timeToLive},
	{"Sessions: create, touch, end", tour.sessions},
	{"Atomic operations: incr", tour.incr},
	{"Rate limiting with incr", tour.rateLimit},
	{"Atomic operations: setnx", tour.setNX},
	{"Distributed locks with setnx", tour.locks},
	{"Namespacing", tour.namespaces},
	{"Typed handles", tour.typed},
	{"GetOrLoad: one load for all", tour.loads},
	{"One-time tokens: GetDel, Swap, Persist", tour.tokens},
	{"Many keys at once, and all of a namespace", tour.many},
	{"Error handling", tour.errors},
	{"MemoryKV: the collector", tour.collector},
}

const (
	short = 300 * time.Millisecond // a time to live whose end the tour waits for
	long  = 30 * time.Minute       // a time to live that is longer than the tour
)

func (t tour) basicUsage(w *walk) {
	ada := cache.User{ID: "42", Name: "Ada"}
	misses[cache.User](w, `cache.GetUser("42")`)(t.Cache.GetUser(w.ctx, "42"))
	w.ok(`cache.SetUser("42", Ada), for an hour`)(t.Cache.SetUser(w.ctx, "42", ada))
	finds(w, `cache.GetUser("42")`, ada)(t.Cache.GetUser(w.ctx, "42"))
	misses[cache.User](w, `cache.GetUser("43")`)(t.Cache.GetUser(w.ctx, "43"))

	store := t.open(w, "cache")
	w.within(`TTL("user:42")`, time.Hour)(store.TTL(w.ctx, "user:42"))
}

func (t tour) methods(w *walk) {
	type point struct{ X, Y int }
	store := t.open(w, "data")
	w.ok(`Set("point", point{1, 2})`)(store.Set(w.ctx, "point", point{1, 2}))
	finds(w, `Get[point]("point")`, point{1, 2})(adaptor.Get[point](w.ctx, store, "point"))
	text, found, err := store.GetRaw(w.ctx, "point")
	finds(w, `GetRaw("point")`, `{"X":1,"Y":2}`)(string(text), found, err)
	returns(w, `Has("point")`, true)(store.Has(w.ctx, "point"))
	finds(w, `TTL("point"): 0 means no deadline`, time.Duration(0))(store.TTL(w.ctx, "point"))
	w.ok(`Del("point")`)(store.Del(w.ctx, "point"))
	misses[point](w, `Get[point]("point")`)(adaptor.Get[point](w.ctx, store, "point"))
	returns(w, `Has("point")`, false)(store.Has(w.ctx, "point"))
	w.ok(`Del("point"), a second time`)(store.Del(w.ctx, "point"))

	const big = int64(1)<<53 + 1
	w.ok(`Set("big", 1<<53 + 1)`)(store.Set(w.ctx, "big", big))
	finds(w, `Get[int64]("big"): no digit lost`, big)(adaptor.Get[int64](w.ctx, store, "big"))
	w.ok(`Set("nil", nil)`)(store.Set(w.ctx, "nil", nil))
	finds[any](w, `Get[any]("nil"): null is found`, nil)(adaptor.Get[any](w.ctx, store, "nil"))
}

func (t tour) timeToLive(w *walk) {
	store := t.open(w, "sessions")
	w.ok(`Set("session:abc", …, WithTTL(300ms))`)(store.Set(w.ctx, "session:abc", "Ada", adaptor.WithTTL(short)))
	w.ok(`Set("session:def", …, WithTTL(300ms))`)(store.Set(w.ctx, "session:def", "Bob", adaptor.WithTTL(short)))
	w.within(`TTL("session:abc")`, short)(store.TTL(w.ctx, "session:abc"))
	returns(w, `Expire("session:abc", 30m), the touch`, true)(store.Expire(w.ctx, "session:abc", long))
	w.gone(`"session:def" expires`, store, "session:def")
	returns(w, `Has("session:abc"): touched, so it stays`, true)(store.Has(w.ctx, "session:abc"))
	w.within(`TTL("session:abc")`, long)(store.TTL(w.ctx, "session:abc"))
	returns(w, `Expire("session:def", 30m): nothing to touch`, false)(store.Expire(w.ctx, "session:def", long))
	returns(w, `Has("session:def"): not created by Expire`, false)(store.Has(w.ctx, "session:def"))

	w.ok(`Set("session:abc", …, WithKeepTTL())`)(store.Set(w.ctx, "session:abc", "Ada B.", adaptor.WithKeepTTL()))
	w.within(`TTL("session:abc"): kept`, long)(store.TTL(w.ctx, "session:abc"))
	w.ok(`Set("session:abc", …)`)(store.Set(w.ctx, "session:abc", "Ada L."))
	finds(w, `TTL("session:abc"): a plain Set never expires`, time.Duration(0))(store.TTL(w.ctx, "session:abc"))
}

func (t tour) sessions(w *walk) {
	ada := session.Session{UserID: "42"}
	id, err := t.Sessions.Create(w.ctx, ada)
	returns(w, `sessions.Create(user 42): letters in the id`, 26)(len(id), err)
	finds(w, `sessions.Get(id)`, ada)(t.Sessions.Get(w.ctx, id))
	returns(w, `sessions.Touch(id)`, true)(t.Sessions.Touch(w.ctx, id))
	w.ok(`sessions.End(id)`)(t.Sessions.End(w.ctx, id))
	misses[session.Session](w, `sessions.Get(id)`)(t.Sessions.Get(w.ctx, id))
	returns(w, `sessions.Touch(id): not restored`, false)(t.Sessions.Touch(w.ctx, id))
}

func (t tour) incr(w *walk) {
	store := t.open(w, "counters")
	returns(w, `Incr("hits", 1)`, int64(1))(store.Incr(w.ctx, "hits", 1))
	returns(w, `Incr("hits", 1)`, int64(2))(store.Incr(w.ctx, "hits", 1))
	returns(w, `Incr("hits", 5)`, int64(7))(store.Incr(w.ctx, "hits", 5))
	finds(w, `Get[int64]("hits")`, int64(7))(adaptor.Get[int64](w.ctx, store, "hits"))

	returns(w, `50 goroutines: Incr("many", 1); the sum`, int64(50))(fifty(w.ctx, store, "many"))

	returns(w, `Incr("window", 1, WithTTL(300ms))`, int64(1))(store.Incr(w.ctx, "window", 1, adaptor.WithTTL(short)))
	returns(w, `Incr("window", 1, WithTTL(30m))`, int64(2))(store.Incr(w.ctx, "window", 1, adaptor.WithTTL(long)))
	w.within(`TTL("window"): set by the first one only`, short)(store.TTL(w.ctx, "window"))
	w.gone(`"window" expires`, store, "window")
	n, left, err := store.IncrTTL(w.ctx, "window", 1, adaptor.WithTTL(long))
	returns(w, `IncrTTL("window", 1, WithTTL(30m)): a new window`, int64(1))(n, err)
	w.within(`the time left that it returned`, long)(left, true, err)
}

// fifty calls Incr in 50 goroutines and returns the counter.
func fifty(ctx context.Context, store *adaptor.AtomicKVStore, key string) (int64, error) {
	errs := make(chan error, 50)
	var wg sync.WaitGroup
	for range cap(errs) {
		wg.Go(func() {
			_, err := store.Incr(ctx, key, 1)
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return 0, err
		}
	}
	n, _, err := adaptor.Get[int64](ctx, store, key)
	return n, err
}

func (t tour) rateLimit(w *walk) {
	const limit = 3
	check := func(client string, want ratelimit.Decision) {
		got, err := t.Limiter.CheckLimit(w.ctx, client, limit)
		resetIn := got.ResetIn
		got.ResetIn = 0
		did := fmt.Sprintf(`ratelimit.CheckLimit(%q, %d)`, client, limit)
		text := fmt.Sprintf("allowed %v, %d more, reset in %v", got.Allowed, got.Remaining, resetIn.Round(time.Second))
		expected := fmt.Sprintf("allowed %v, %d more, reset in at most 1m0s", want.Allowed, want.Remaining)
		w.step(did, result(text, err), expected, err == nil && got == want && 0 < resetIn && resetIn <= time.Minute)
	}
	for remaining := range int64(limit) {
		check("alice", ratelimit.Decision{Allowed: true, Remaining: limit - 1 - remaining})
	}
	check("alice", ratelimit.Decision{})
	check("alice", ratelimit.Decision{})
	check("bob", ratelimit.Decision{Allowed: true, Remaining: limit - 1})
}

func (t tour) setNX(w *walk) {
	store := t.open(w, "data")
	returns(w, `SetNX("leader", "first")`, true)(store.SetNX(w.ctx, "leader", "first"))
	returns(w, `SetNX("leader", "second")`, false)(store.SetNX(w.ctx, "leader", "second"))
	finds(w, `Get[string]("leader"): the first value stays`, "first")(adaptor.Get[string](w.ctx, store, "leader"))
	returns(w, `CompareAndSwap("leader", "second", "third")`, false)(store.CompareAndSwap(w.ctx, "leader", "second", "third"))
	returns(w, `CompareAndSwap("leader", "first", "third")`, true)(store.CompareAndSwap(w.ctx, "leader", "first", "third"))
	finds(w, `Get[string]("leader")`, "third")(adaptor.Get[string](w.ctx, store, "leader"))
}

func (t tour) locks(w *walk) {
	ran, err := t.Locker.Run(w.ctx, "report", long, func(ctx context.Context, l *lock.Lock) error {
		returns(w, `while the report runs: locker.Run("report")`, false)(t.Locker.Run(ctx, "report", long, nothing))
		returns(w, `while the report runs: lock.Extend()`, true)(l.Extend(ctx))
		return nil
	})
	returns(w, `locker.Run("report", 30m, …)`, true)(ran, err)
	returns(w, `locker.Run("report"): released, so it runs again`, true)(t.Locker.Run(w.ctx, "report", long, nothing))

	store := t.open(w, "locks")
	const key = "lock:resource"
	returns(w, `SetNX("lock:resource", "ann", WithTTL(30m))`, true)(store.SetNX(w.ctx, key, "ann", adaptor.WithTTL(long)))
	returns(w, `SetNX("lock:resource", "ben", WithTTL(30m))`, false)(store.SetNX(w.ctx, key, "ben", adaptor.WithTTL(long)))
	returns(w, `ben: CompareAndDelete: only the owner releases it`, false)(store.CompareAndDelete(w.ctx, key, "ben"))
	returns(w, `ben: CompareAndSwap: only the owner extends it`, false)(store.CompareAndSwap(w.ctx, key, "ben", "ben", adaptor.WithTTL(long)))
	finds(w, `Get[string]("lock:resource")`, "ann")(adaptor.Get[string](w.ctx, store, key))
	returns(w, `ann: CompareAndDelete`, true)(store.CompareAndDelete(w.ctx, key, "ann"))

	returns(w, `ann: SetNX(…, WithTTL(300ms))`, true)(store.SetNX(w.ctx, key, "ann", adaptor.WithTTL(short)))
	w.gone(`ann's lock expires`, store, key)
	returns(w, `ben: SetNX(…, WithTTL(30m))`, true)(store.SetNX(w.ctx, key, "ben", adaptor.WithTTL(long)))
	returns(w, `ann: CompareAndSwap: ben holds it now`, false)(store.CompareAndSwap(w.ctx, key, "ann", "ann", adaptor.WithTTL(long)))
	returns(w, `ann: CompareAndDelete`, false)(store.CompareAndDelete(w.ctx, key, "ann"))
	returns(w, `ben: CompareAndDelete`, true)(store.CompareAndDelete(w.ctx, key, "ben"))
}

func nothing(context.Context, *lock.Lock) error { return nil }

func (t tour) namespaces(w *walk) {
	users, sessions := t.open(w, "users"), t.open(w, "sessions")
	w.ok(`users: Set("1", "Ada")`)(users.Set(w.ctx, "1", "Ada"))
	misses[string](w, `sessions: Get[string]("1")`)(adaptor.Get[string](w.ctx, sessions, "1"))

	admin, err := sessions.Namespace("admin")
	w.ok(`sessions.Namespace("admin")`)(err)
	returns(w, `sessions/admin: Incr("1", 1), atomic like its parent`, int64(1))(admin.Incr(w.ctx, "1", 1))
	returns(w, `sessions: Has("1"): a child's key is not in its parent`, false)(sessions.Has(w.ctx, "1"))

	a := t.open(w, "a")
	b, err := a.Namespace("b")
	w.ok(`a.Namespace("b")`)(err)
	w.ok(`a: Set("b:c", "in a")`)(a.Set(w.ctx, "b:c", "in a"))
	misses[string](w, `a/b: Get[string]("c")`)(adaptor.Get[string](w.ctx, b, "c"))
	w.ok(`a/b: Set("c", "in a/b")`)(b.Set(w.ctx, "c", "in a/b"))
	finds(w, `a: Get[string]("b:c")`, "in a")(adaptor.Get[string](w.ctx, a, "b:c"))

	// A store is an adaptor: a service can get its own namespace.
	tenant := t.open(w, "tenant-1")
	service, err := cache.NewCacheService(adaptor.WithoutAtomic(tenant))
	w.ok(`cache.NewCacheService(tenant-1)`)(err)
	if err == nil {
		misses[cache.User](w, `tenant-1: cache.GetUser("42"): not the others' Ada`)(service.GetUser(w.ctx, "42"))
	}
}

func (t tour) typed(w *walk) {
	ada, bob := cache.User{ID: "42", Name: "Ada"}, cache.User{ID: "43", Name: "Bob"}
	misses[cache.User](w, `people.Get("42")`)(t.People.Get(w.ctx, "42"))
	w.ok(`people.Set("42", Ada), with the default of half an hour`)(t.People.Set(w.ctx, "42", ada))
	finds(w, `people.Get("42"): the handle has the type`, ada)(t.People.Get(w.ctx, "42"))
	w.within(`TTL("42"), in the namespace "people"`, long)(t.open(w, "people").TTL(w.ctx, "42"))
	returns(w, `people.SetNX("42", Bob)`, false)(t.People.SetNX(w.ctx, "42", bob))
	returns(w, `people.CompareAndSwap("42", Ada, Bob)`, true)(t.People.CompareAndSwap(w.ctx, "42", ada, bob))
	finds(w, `people.Get("42")`, bob)(t.People.Get(w.ctx, "42"))
	w.ok(`people.Del("42")`)(t.People.Del(w.ctx, "42"))
	returns(w, `people.Has("42")`, false)(t.People.Has(w.ctx, "42"))
}

func (t tour) loads(w *walk) {
	ada := cache.User{ID: "42", Name: "Ada"}
	var loads atomic.Int64
	load := func(ctx context.Context) (adaptor.Loaded[cache.User], error) {
		loads.Add(1)
		time.Sleep(short / 10) // a slow database
		return adaptor.Loaded[cache.User]{Value: ada}, ctx.Err()
	}
	errs := make(chan error, 50)
	for range cap(errs) {
		go func() {
			got, found, err := t.People.GetOrLoad(w.ctx, "cold", load)
			if err == nil && (!found || got != ada) {
				err = fmt.Errorf("got %v, %v", got, found)
			}
			errs <- err
		}()
	}
	var err error
	for range cap(errs) {
		err = first(err, <-errs)
	}
	returns(w, `50 goroutines: people.GetOrLoad("cold", …); the loads`, int64(1))(loads.Load(), err)
	finds(w, `people.GetOrLoad("cold", …): from the store`, ada)(t.People.GetOrLoad(w.ctx, "cold", load))
	returns(w, `loads in all`, int64(1))(loads.Load(), nil)

	none := func(context.Context) (adaptor.Loaded[cache.User], error) {
		loads.Add(1)
		return adaptor.Loaded[cache.User]{None: true}, nil
	}
	misses[cache.User](w, `people.GetOrLoad("nobody", …): the loader finds none`)(t.People.GetOrLoad(w.ctx, "nobody", none))
	misses[cache.User](w, `people.GetOrLoad("nobody", …): remembered`)(t.People.GetOrLoad(w.ctx, "nobody", none))
	returns(w, `loads in all`, int64(2))(loads.Load(), nil)

	finds(w, `people.GetOrLoad("late", …), and a Del while it loads`, ada)(t.People.GetOrLoad(w.ctx, "late",
		func(ctx context.Context) (adaptor.Loaded[cache.User], error) {
			return adaptor.Loaded[cache.User]{Value: ada}, t.People.Del(ctx, "late")
		}))
	misses[cache.User](w, `people.Get("late"): the Del wins over the load`)(t.People.Get(w.ctx, "late"))
}

func (t tour) tokens(w *walk) {
	store := t.open(w, "tokens")
	w.ok(`Set("token", "ann", WithTTL(30m))`)(store.Set(w.ctx, "token", "ann", adaptor.WithTTL(long)))
	finds(w, `GetDel[string]("token"): the first caller gets it`, "ann")(adaptor.GetDel[string](w.ctx, store, "token"))
	misses[string](w, `GetDel[string]("token"): nobody else`)(adaptor.GetDel[string](w.ctx, store, "token"))

	misses[int](w, `Swap[int]("batch", 7, WithTTL(30m)): what was there`)(adaptor.Swap[int](w.ctx, store, "batch", 7, adaptor.WithTTL(long)))
	finds(w, `Swap[int]("batch", 8, WithKeepTTL())`, 7)(adaptor.Swap[int](w.ctx, store, "batch", 8, adaptor.WithKeepTTL()))
	w.within(`TTL("batch"): kept`, long)(store.TTL(w.ctx, "batch"))
	found, err := store.Persist(w.ctx, "batch")
	if errors.Is(err, errors.ErrUnsupported) {
		w.remark("this adaptor has no Persist")
		return
	}
	returns(w, `Persist("batch")`, true)(found, err)
	finds(w, `TTL("batch"): 0 means no deadline`, time.Duration(0))(store.TTL(w.ctx, "batch"))
}

func (t tour) many(w *walk) {
	store, sibling := t.open(w, "users"), t.open(w, "users-old")
	child, err := store.Namespace("child")
	w.ok(`users.Namespace("child")`)(err)
	w.ok(`users/child: Set("k", 1)`)(child.Set(w.ctx, "k", 1))
	w.ok(`users-old: Set("k", 1)`)(sibling.Set(w.ctx, "k", 1))

	const n = 100
	entries := make([]adaptor.Entry, n)
	keys := make([]string, n)
	for i := range entries {
		keys[i] = fmt.Sprintf("many *?[%03d]", i)
		entries[i] = adaptor.Entry{Key: keys[i], Value: i}
	}
	w.ok(`users: SetMany(100 entries, WithTTL(30m))`)(store.SetMany(w.ctx, entries, adaptor.WithTTL(long)))
	results, err := adaptor.GetMany[int](w.ctx, store, append(keys, "missing"))
	right := 0
	for i, r := range results {
		if r.Found == (i < n) && (!r.Found || r.Value == i) {
			right++
		}
	}
	returns(w, `users: GetMany[int](100 keys and a missing key); right results`, n+1)(right, err)
	w.ok(`users: DelMany(the first 50)`)(store.DelMany(w.ctx, keys[:n/2]))

	listed := 0
	for key, failed := range store.Keys(w.ctx) {
		if err = first(err, failed); strings.HasPrefix(key, "many *?[") {
			listed++
		}
	}
	if errors.Is(err, errors.ErrUnsupported) {
		w.remark("this adaptor does not list keys")
		return
	}
	returns(w, `users: Keys(): the other 50`, n/2)(listed, err)
	w.ok(`users: Clear()`)(store.Clear(w.ctx))
	left := 0
	for _, failed := range store.Keys(w.ctx) {
		err = first(err, failed)
		left++
	}
	returns(w, `users: Keys()`, 0)(left, err)
	returns(w, `users/child: Has("k"): a child stays`, true)(child.Has(w.ctx, "k"))
	w.ok(`users: ClearTree()`)(store.ClearTree(w.ctx))
	returns(w, `users/child: Has("k")`, false)(child.Has(w.ctx, "k"))
	returns(w, `users-old: Has("k"): another namespace stays`, true)(sibling.Has(w.ctx, "k"))
}

func (t tour) errors(w *walk) {
	const key = "key-" + secret
	const value = "value-" + secret
	store := t.open(w, "data")
	w.fails(`Set(key, value, WithTTL(-1s))`, adaptor.CodeInvalidTTL)(store.Set(w.ctx, key, value, adaptor.WithTTL(-time.Second)))
	returns(w, `Has(key): nothing was stored`, false)(store.Has(w.ctx, key))

	_, err := t.KV.Namespace("")
	w.fails(`Namespace("")`, adaptor.CodeEmptyNamespace)(err)
	_, err = store.Namespace("")
	w.fails(`data.Namespace("")`, adaptor.CodeEmptyNamespace)(err)

	w.fails(`Set(key, a channel)`, adaptor.CodeInvalidValue)(store.Set(w.ctx, key, make(chan int)))
	w.ok(`Set(key, value)`)(store.Set(w.ctx, key, value))
	_, err = store.Incr(w.ctx, key, 1)
	w.fails(`Incr(key, 1): no integer`, adaptor.CodeInvalidValue)(err)
	_, _, err = adaptor.Get[time.Time](w.ctx, store, key)
	w.fails(`Get[time.Time](key)`, adaptor.CodeInvalidValue)(err)

	ended, cancel := context.WithCancel(w.ctx)
	cancel()
	w.fails(`Set(ended context, key, …)`, adaptor.CodeStoreOperationFailed)(store.Set(ended, key, "other"))
	finds(w, `Get[string](key): the value is still there`, value)(adaptor.Get[string](w.ctx, store, key))
}

func (t tour) collector(w *walk) {
	if t.Memory == nil {
		w.remark("no MemoryKV: the server removes expired keys itself")
		return
	}
	store, err := t.Memory.Namespace("garbage")
	if err != nil {
		w.ok(`Namespace("garbage")`)(err)
		return
	}
	const expiring, lasting = 1000, 10
	begin := t.Memory.Stats()
	for i := range lasting {
		err = first(err, store.Set(w.ctx, fmt.Sprint("lasting ", i), i))
	}
	for i := range expiring {
		err = first(err, store.Set(w.ctx, fmt.Sprint("expiring ", i), i, adaptor.WithTTL(short)))
	}
	w.ok(`10 × Set(…), 1000 × Set(…, WithTTL(300ms))`)(err)

	before := t.Memory.Stats()
	w.step(`Stats().Entries`, show(before.Entries), "at least 1000", before.Entries >= expiring)
	w.eventually(`the collector removes them without a read`, func() (bool, error) {
		now := t.Memory.Stats()
		return now.Expired >= begin.Expired+expiring && now.Sweeps > before.Sweeps, nil
	})

	after := t.Memory.Stats()
	w.step(`Stats().Entries`, show(after.Entries), "1000 fewer", after.Entries <= before.Entries-expiring)
	w.step(`Stats().Expired, since then`, show(after.Expired-begin.Expired), "at least 1000", after.Expired-begin.Expired >= expiring)
	w.step(`Stats().Sweeps, since then`, show(after.Sweeps-begin.Sweeps), "at least 1", after.Sweeps > begin.Sweeps)
	kept := 0
	for i := range lasting {
		found, hasErr := store.Has(w.ctx, fmt.Sprint("lasting ", i))
		err = first(err, hasErr)
		if found {
			kept++
		}
	}
	returns(w, `entries without a TTL`, lasting)(kept, err)
}

func first(err, next error) error {
	if err != nil {
		return err
	}
	return next
}

// open returns the store of the given name. If the adaptor cannot open it, open returns nil,
// and each step on the nil store fails.
func (t tour) open(w *walk, name string) *adaptor.AtomicKVStore {
	store, err := t.KV.Namespace(name)
	if err != nil {
		w.ok(fmt.Sprintf("Namespace(%q)", name))(err)
	}
	return store
}
