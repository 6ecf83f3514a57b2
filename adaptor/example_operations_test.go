package adaptor_test

import (
	"context"
	"fmt"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

func ExampleGet() {
	ctx, kv := context.Background(), newKV()
	users, _ := kv.Namespace("users")
	_ = users.Set(ctx, "42", User{"42", "Ada"})

	user, found, err := adaptor.Get[User](ctx, users, "42")
	fmt.Println(user.Name, found, err)
	// Output: Ada true <nil>
}

func ExampleKVStore_GetRaw() {
	ctx, kv := context.Background(), newKV()
	users, _ := kv.Namespace("users")
	_ = users.Set(ctx, "42", User{"42", "Ada"})

	text, found, err := users.GetRaw(ctx, "42")
	fmt.Println(string(text), found, err)
	// Output: {"id":"42","name":"Ada"} true <nil>
}

func ExampleKVStore_Set() {
	ctx, kv := context.Background(), newKV()
	users, _ := kv.Namespace("users")

	err := users.Set(ctx, "42", User{"42", "Ada"}, adaptor.WithTTL(time.Hour))
	fmt.Println(err)
	err = users.Set(ctx, "42", make(chan int))
	fmt.Println(adaptor.CodeOf(err))
	// Output:
	// <nil>
	// INVALID_VALUE
}

func ExampleKVStore_Del() {
	ctx, kv := context.Background(), newKV()
	users, _ := kv.Namespace("users")
	_ = users.Set(ctx, "42", User{"42", "Ada"})

	fmt.Println(users.Del(ctx, "42"))
	fmt.Println(users.Del(ctx, "42")) // a missing key is not an error
	// Output:
	// <nil>
	// <nil>
}

func ExampleKVStore_Has() {
	ctx, kv := context.Background(), newKV()
	users, _ := kv.Namespace("users")
	_ = users.Set(ctx, "42", nil) // null is a value

	found, err := users.Has(ctx, "42")
	fmt.Println(found, err)
	// Output: true <nil>
}

func ExampleKVStore_TTL() {
	ctx, kv := context.Background(), newKV()
	users, _ := kv.Namespace("users")
	_ = users.Set(ctx, "42", 1)
	_ = users.Set(ctx, "43", 1, adaptor.WithTTL(time.Hour))

	for _, key := range []string{"42", "43", "44"} {
		ttl, found, err := users.TTL(ctx, key) // 0 and found: the entry never expires
		fmt.Println(ttl.Round(time.Minute), found, err)
	}
	// Output:
	// 0s true <nil>
	// 1h0m0s true <nil>
	// 0s false <nil>
}

func ExampleKVStore_DelMany() {
	ctx, kv := context.Background(), newKV()
	users, _ := kv.Namespace("users")
	_ = users.SetMany(ctx, []adaptor.Entry{{Key: "42", Value: 1}, {Key: "43", Value: 1}})

	err := users.DelMany(ctx, []string{"42", "43", "44"})
	found, _ := users.Has(ctx, "42")
	fmt.Println(found, err)
	// Output: false <nil>
}

func ExampleKVStore_ClearTree() {
	ctx, kv := context.Background(), newKV()
	users, _ := kv.Namespace("users")
	sessions, _ := users.Namespace("sessions")
	_ = sessions.Set(ctx, "abc", 1)

	err := users.ClearTree(ctx)
	found, _ := sessions.Has(ctx, "abc")
	fmt.Println(found, err)
	// Output: false <nil>
}

func ExampleAtomicKVStore_Incr() {
	ctx, kv := context.Background(), newKV()
	visits, _ := kv.Namespace("visits")

	n, err := visits.Incr(ctx, "home", 1)
	fmt.Println(n, err)
	n, err = visits.Incr(ctx, "home", 5)
	fmt.Println(n, err)
	// Output:
	// 1 <nil>
	// 6 <nil>
}

func ExampleWithKeepTTL() {
	ctx, kv := context.Background(), newKV()
	sessions, _ := kv.Namespace("sessions")
	_ = sessions.Set(ctx, "abc", "old", adaptor.WithTTL(time.Hour))

	err := sessions.Set(ctx, "abc", "new", adaptor.WithKeepTTL())
	ttl, _, _ := sessions.TTL(ctx, "abc")
	fmt.Println(ttl.Round(time.Minute), err)
	// Output: 1h0m0s <nil>
}

func ExampleCodeOf() {
	_, err := newKV().Namespace("")
	switch adaptor.CodeOf(err) {
	case adaptor.CodeEmptyNamespace:
		fmt.Println("a name is missing")
	case adaptor.CodeStoreOperationFailed:
		fmt.Println("try again later")
	}
	// Output: a name is missing
}

// A service that needs no atomic operation takes a KVAdaptor.
func ExampleWithoutAtomic() {
	var plain adaptor.KVAdaptor = adaptor.WithoutAtomic(newKV())
	store, err := plain.Namespace("cache")
	if err != nil {
		return
	}
	fmt.Println(store.Set(context.Background(), "k", 1))
	// Output: <nil>
}

func ExampleTyped() {
	ctx, kv := context.Background(), newKV()
	store, _ := kv.Namespace("users")
	users := adaptor.Of[User](store, adaptor.DefaultTTL(time.Hour))

	stored, err := users.SetNX(ctx, "42", User{"42", "Ada"})
	fmt.Println(stored, err)
	swapped, err := users.CompareAndSwap(ctx, "42", User{"42", "Ada"}, User{"42", "Ada Lovelace"})
	fmt.Println(swapped, err)
	extended, err := users.Expire(ctx, "42", 2*time.Hour)
	fmt.Println(extended, err)
	user, found, err := users.Get(ctx, "42")
	fmt.Println(user.Name, found, err)
	fmt.Println(users.Del(ctx, "42"))
	// Output:
	// true <nil>
	// true <nil>
	// true <nil>
	// Ada Lovelace true <nil>
	// <nil>
}
