package adaptor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

type User struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// newKV is any adaptor: here, memory.
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

	// A request came: the session lives on for 30 minutes.
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

	// The first call of a window opens it; the others do not move its end.
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

	token := "a token of this holder alone"
	acquired, err := locks.SetNX(ctx, "report", token, adaptor.WithTTL(30*time.Second))
	fmt.Println(acquired, err)

	// Still needed? Extend it, if it is still ours.
	extended, err := locks.CompareAndSwap(ctx, "report", token, token, adaptor.WithTTL(30*time.Second))
	fmt.Println(extended, err)

	// Done? Release it, if it is still ours: a plain Del could release another's.
	released, err := locks.CompareAndDelete(ctx, "report", token)
	fmt.Println(released, err)
	// Output:
	// true <nil>
	// true <nil>
	// true <nil>
}

// Of many who come with a one-time token, one gets in.
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
	fmt.Println(err) // of the keys that failed, if some did
	// Output:
	// <nil>
	// true Grace <nil>
	// false  <nil>
	// true Ada <nil>
	// <nil>
}

func ExampleKVStore_Keys() {
	ctx, kv := context.Background(), newKV()
	users, _ := kv.Namespace("users")
	_ = users.SetMany(ctx, []adaptor.Entry{{Key: "42", Value: 1}, {Key: "*?:", Value: 2}})

	n := 0
	for key, err := range users.Keys(ctx) {
		if err != nil {
			return // what came is true, and not all
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

	err := users.Clear(ctx) // the users, and not their sessions
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

// A store is an adaptor: what is written for an app works inside one tenant.
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

// errNoRows is what the database says of a user that there is not.
var errNoRows = errors.New("no rows")

// selectUser is slow, and knows one user.
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
		adaptor.DefaultTTL(time.Hour), // of a user
		adaptor.NoneTTL(time.Minute),  // of "there is none"
		adaptor.Jitter(0.1),           // both up to a tenth shorter
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
