package adaptor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/memory"
)

type User struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// newKV returns an adaptor, here a MemoryKV.
func newKV() adaptor.AtomicKVAdaptor {
	kv, err := memory.New(memory.Config{})
	if err != nil {
		panic(err)
	}
	return kv
}

func Example() {
	ctx, kv := context.Background(), newKV()

	store, err := kv.Namespace("cache")
	if err != nil {
		return
	}
	err = store.Set(ctx, "user:42", User{"42", "Ada"}, adaptor.WithTTL(time.Hour))
	if err != nil {
		return
	}
	user, found, err := adaptor.Get[User](ctx, store, "user:42")
	fmt.Println(user, found, err)

	_, found, err = adaptor.Get[User](ctx, store, "user:43")
	fmt.Println(found, err)
	// Output:
	// {42 Ada} true <nil>
	// false <nil>
}

func ExampleKVStore_Expire() {
	ctx, kv := context.Background(), newKV()
	sessions, _ := kv.Namespace("sessions")
	_ = sessions.Set(ctx, "abc", User{ID: "42"}, adaptor.WithTTL(30*time.Minute))

	// A request arrived: the session lives for 30 more minutes.
	alive, err := sessions.Expire(ctx, "abc", 30*time.Minute)
	fmt.Println(alive, err)

	alive, err = sessions.Expire(ctx, "unknown", 30*time.Minute)
	fmt.Println(alive, err)
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleAtomicKVStore_IncrTTL() {
	ctx, kv := context.Background(), newKV()
	limits, _ := kv.Namespace("ratelimit")

	// The first call opens the window. The other calls do not move its end.
	for range 3 {
		n, resetsIn, err := limits.IncrTTL(ctx, "client-7", 1, adaptor.WithTTL(time.Minute))
		if err != nil {
			return
		}
		fmt.Println(n <= 2, resetsIn > 0)
	}
	// Output:
	// true true
	// true true
	// false true
}

func ExampleAtomicKVStore_CompareAndDelete() {
	ctx, kv := context.Background(), newKV()
	locks, _ := kv.Namespace("locks")

	token := "a random token of this holder"
	acquired, err := locks.SetNX(ctx, "report", token, adaptor.WithTTL(30*time.Second))
	fmt.Println(acquired, err)

	// Extend the lock only if this holder still owns it.
	extended, err := locks.CompareAndSwap(ctx, "report", token, token, adaptor.WithTTL(30*time.Second))
	fmt.Println(extended, err)

	// Release it only if this holder still owns it: Del could release the lock of another holder.
	released, err := locks.CompareAndDelete(ctx, "report", token)
	fmt.Println(released, err)
	// Output:
	// true <nil>
	// true <nil>
	// true <nil>
}

func ExampleAtomicKVStore_SetNX() {
	ctx, kv := context.Background(), newKV()
	jobs, _ := kv.Namespace("jobs")

	// The first process that starts the job of today runs it.
	for _, process := range []string{"a", "b"} {
		first, err := jobs.SetNX(ctx, "2026-11-30", process, adaptor.WithTTL(24*time.Hour))
		fmt.Println(process, first, err)
	}
	// Output:
	// a true <nil>
	// b false <nil>
}

func ExampleAtomicKVStore_CompareAndSwap() {
	ctx, kv := context.Background(), newKV()
	orders, _ := kv.Namespace("orders")
	_ = orders.Set(ctx, "7", "paid")

	// Only an order that is paid is shipped.
	for range 2 {
		shipped, err := orders.CompareAndSwap(ctx, "7", "paid", "shipped")
		fmt.Println(shipped, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}

// If several callers present the same one-time token, exactly one call is valid.
func ExampleGetDel() {
	ctx, kv := context.Background(), newKV()
	tokens, _ := kv.Namespace("login-tokens")
	_ = tokens.Set(ctx, "token", User{ID: "42"}, adaptor.WithTTL(time.Minute))

	for range 2 {
		user, valid, err := adaptor.GetDel[User](ctx, tokens, "token")
		fmt.Println(user.ID, valid, err)
	}
	// Output:
	// 42 true <nil>
	//  false <nil>
}

func ExampleSwap() {
	ctx, kv := context.Background(), newKV()
	state, _ := kv.Namespace("state")
	for _, next := range []string{"idle", "busy"} {
		before, found, err := adaptor.Swap[string](ctx, state, "worker-1", next)
		fmt.Printf("%q %v %v\n", before, found, err)
	}
	// Output:
	// "" false <nil>
	// "idle" true <nil>
}

func ExampleGetMany() {
	ctx, kv := context.Background(), newKV()
	store, _ := kv.Namespace("users")

	err := store.SetMany(ctx, []adaptor.Entry{
		{Key: "42", Value: User{"42", "Ada"}},
		{Key: "43", Value: User{"43", "Grace"}},
	}, adaptor.WithTTL(time.Hour))
	fmt.Println(err)

	users, err := adaptor.GetMany[User](ctx, store, []string{"43", "44", "42"})
	for _, user := range users { // in the order of the keys
		fmt.Println(user.Found, user.Value.Name, user.Err)
	}
	fmt.Println(err) // wraps KeyErrors if some keys failed
	// Output:
	// <nil>
	// true Grace <nil>
	// false  <nil>
	// true Ada <nil>
	// <nil>
}

func ExampleKVStore_SetMany() {
	ctx, kv := context.Background(), newKV()
	prices, _ := kv.Namespace("prices")

	err := prices.SetMany(ctx, []adaptor.Entry{{Key: "apple", Value: 120}, {Key: "pear", Value: 150}}, adaptor.WithTTL(time.Hour))
	fmt.Println(err)
	price, found, err := adaptor.Get[int](ctx, prices, "pear")
	fmt.Println(price, found, err)
	// Output:
	// <nil>
	// 150 true <nil>
}

func ExampleKeyErrors() {
	ctx, kv := context.Background(), newKV()
	prices, _ := kv.Namespace("prices")
	_ = prices.SetMany(ctx, []adaptor.Entry{{Key: "apple", Value: 120}, {Key: "pear", Value: "on request"}})

	keys := []string{"apple", "pear"}
	_, err := adaptor.GetMany[int](ctx, prices, keys)
	var perKey adaptor.KeyErrors
	if errors.As(err, &perKey) {
		for i, err := range perKey { // in the order of keys, nil for a key that did not fail
			fmt.Printf("%s %q\n", keys[i], adaptor.CodeOf(err))
		}
	}
	// Output:
	// apple ""
	// pear "INVALID_VALUE"
}

func ExampleKVStore_Persist() {
	ctx, kv := context.Background(), newKV()
	carts, _ := kv.Namespace("carts")
	_ = carts.Set(ctx, "guest-7", []string{"apple"}, adaptor.WithTTL(time.Hour))

	// The guest creates an account: the cart no longer expires.
	found, err := carts.Persist(ctx, "guest-7")
	fmt.Println(found, err)
	ttl, found, err := carts.TTL(ctx, "guest-7")
	fmt.Println(ttl, found, err) // a TTL of 0 and found: the entry never expires
	// Output:
	// true <nil>
	// 0s true <nil>
}

func ExampleKVStore_Tree() {
	ctx, kv := context.Background(), newKV()
	tenants, _ := kv.Namespace("tenants")
	for _, name := range []string{"a", "b"} {
		users, _ := tenants.Namespace(name)
		_ = users.Set(ctx, "user", 1)
	}

	var paths []string
	for key, err := range tenants.Tree(ctx) {
		if err != nil {
			return // the keys so far are correct but incomplete
		}
		paths = append(paths, strings.Join(append(key.Path, key.Key), "/"))
	}
	slices.Sort(paths)
	fmt.Println(paths)
	// Output: [a/user b/user]
}

func ExampleKVStore_Keys() {
	ctx, kv := context.Background(), newKV()
	users, _ := kv.Namespace("users")
	_ = users.SetMany(ctx, []adaptor.Entry{{Key: "42", Value: 1}, {Key: "*?:", Value: 2}})

	n := 0
	for key, err := range users.Keys(ctx) {
		if err != nil {
			return // the keys so far are correct but incomplete
		}
		if strings.HasPrefix(key, "4") {
			_ = users.Del(ctx, key) // the loop may use the store
		}
		n++
	}
	fmt.Println(n)
	// Output: 2
}

func ExampleKVStore_Clear() {
	ctx, kv := context.Background(), newKV()
	users, _ := kv.Namespace("users")
	sessions, _ := users.Namespace("sessions")
	_ = users.Set(ctx, "42", 1)
	_ = sessions.Set(ctx, "abc", 1)

	err := users.Clear(ctx) // removes the users and keeps their sessions
	left, _ := sessions.Has(ctx, "abc")
	fmt.Println(left, err)

	err = users.ClearTree(ctx)
	left, _ = sessions.Has(ctx, "abc")
	fmt.Println(left, err)
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleKVStore_Namespace() {
	ctx, kv := context.Background(), newKV()
	sessions, _ := kv.Namespace("sessions")

	admin, err := sessions.Namespace("admin")
	if err != nil {
		return
	}
	_ = admin.Set(ctx, "abc", 1)
	seen, _ := sessions.Has(ctx, "abc")
	fmt.Println(seen)
	// Output: false
}

// A store is an adaptor: a service of a whole app also works inside one tenant.
func ExampleAtomicKVStore_Namespace() {
	kv := newKV()
	newCounter := func(kv adaptor.AtomicKVAdaptor) (*adaptor.AtomicKVStore, error) { return kv.Namespace("visits") }
	ctx := context.Background()

	for _, name := range []string{"tenant-1", "tenant-2"} {
		tenant, err := kv.Namespace(name)
		if err != nil {
			return
		}
		visits, err := newCounter(tenant) // a service that takes an adaptor
		if err != nil {
			return
		}
		n, err := visits.Incr(ctx, "home", 1)
		fmt.Println(name, n, err)
	}
	// Output:
	// tenant-1 1 <nil>
	// tenant-2 1 <nil>
}

func ExampleOf() {
	ctx, kv := context.Background(), newKV()
	store, err := kv.Namespace("users")
	if err != nil {
		return
	}

	users := adaptor.Of[User](store, adaptor.DefaultTTL(time.Hour))
	err = users.Set(ctx, "42", User{"42", "Ada"})
	if err != nil {
		return
	}
	user, found, err := users.Get(ctx, "42")
	fmt.Println(user, found, err)

	ttl, _, _ := store.TTL(ctx, "42")
	fmt.Println(ttl.Round(time.Minute))
	// Output:
	// {42 Ada} true <nil>
	// 1h0m0s
}

// errNoRows is the error of the database for a user that does not exist.
var errNoRows = errors.New("no rows")

// selectUser simulates a slow query of a database with one user.
func selectUser(_ context.Context, id string) (User, error) {
	fmt.Println("select", id)
	if id != "42" {
		return User{}, errNoRows
	}
	return User{"42", "Ada"}, nil
}

func ExampleTyped_GetOrLoad() {
	ctx, kv := context.Background(), newKV()
	store, _ := kv.Namespace("users")

	users := adaptor.Of[User](store,
		adaptor.DefaultTTL(time.Hour), // for a user
		adaptor.NoneTTL(time.Minute),  // for a user that does not exist
		adaptor.Jitter(0.1),           // both are up to a tenth shorter
	)
	find := func(id string) (User, bool, error) {
		return users.GetOrLoad(ctx, id, func(ctx context.Context) (adaptor.Loaded[User], error) {
			user, err := selectUser(ctx, id)
			if errors.Is(err, errNoRows) {
				return adaptor.Loaded[User]{None: true}, nil
			}
			return adaptor.Loaded[User]{Value: user}, err
		})
	}
	for _, id := range []string{"42", "42", "43", "43"} {
		fmt.Println(find(id))
	}
	// Output:
	// select 42
	// {42 Ada} true <nil>
	// {42 Ada} true <nil>
	// select 43
	// { } false <nil>
	// { } false <nil>
}

func ExampleOutcomeUnknown() {
	// An interceptor loses the answer of the first write, as a cut connection does.
	lost := false
	kv := adaptor.Intercept(newKV(), func(ctx context.Context, call *driver.Call) error {
		err := call.Next(ctx)
		if call.Method == "Incr" && !lost {
			lost = true
			return errors.New("connection lost")
		}
		return err
	})
	ctx := context.Background()
	stock, _ := kv.Namespace("stock")

	_, err := stock.Incr(ctx, "apple", 10)
	if adaptor.OutcomeUnknown(err) { // a repeated Incr could count twice: look first
		n, found, err := adaptor.Get[int](ctx, stock, "apple")
		fmt.Println(n, found, err)
	}
	// Output: 10 true <nil>
}

func ExamplePing() {
	kv := newKV()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	fmt.Println(adaptor.Ping(ctx, kv)) // for the readiness check of a server
	// Output: <nil>
}

func ExampleLoadTimeout() {
	ctx, kv := context.Background(), newKV()
	store, _ := kv.Namespace("users")

	users := adaptor.Of[User](store, adaptor.LoadTimeout(10*time.Millisecond))
	_, found, err := users.GetOrLoad(ctx, "42", func(ctx context.Context) (adaptor.Loaded[User], error) {
		<-ctx.Done() // a database that does not answer
		return adaptor.Loaded[User]{}, ctx.Err()
	})
	fmt.Println(found, err)
	// Output: false context deadline exceeded
}

func ExampleError() {
	ctx, kv := context.Background(), newKV()
	store, _ := kv.Namespace("data")

	err := store.Set(ctx, "secret-key", "secret", adaptor.WithTTL(-time.Second))
	fmt.Println(err)
	fmt.Println(errors.Is(err, adaptor.ErrInvalidTTL), adaptor.CodeOf(err))
	var e *adaptor.Error
	if errors.As(err, &e) {
		fmt.Println(e.Op, e.Namespace, e.Key)
	}
	// Output:
	// kv: Set in namespace "data": INVALID_TTL: the ttl must be positive, got -1s
	// true INVALID_TTL
	// Set data secret-key
}
