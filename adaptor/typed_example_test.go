package adaptor_test

import (
	"context"
	"fmt"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// A bare number is a number of nanoseconds: WithTTL(1800) is 1.8 µs, which becomes 1 ms.
func ExampleWithTTL() {
	ctx, kv := context.Background(), newKV()
	sessions, _ := kv.Namespace("sessions")

	err := sessions.Set(ctx, "abc", User{ID: "42"}, adaptor.WithTTL(30*time.Minute))
	left, _, _ := sessions.TTL(ctx, "abc")
	fmt.Println(left.Round(time.Minute), err)

	seconds := 1800 // from a configuration
	err = sessions.Set(ctx, "abc", User{ID: "42"}, adaptor.WithTTL(time.Duration(seconds)*time.Second))
	left, _, _ = sessions.TTL(ctx, "abc")
	fmt.Println(left.Round(time.Minute), err)
	// Output:
	// 30m0s <nil>
	// 30m0s <nil>
}

// A session ends half an hour after the last request.
func ExampleGetExpire() {
	ctx, kv := context.Background(), newKV()
	sessions, _ := kv.Namespace("sessions")
	_ = sessions.Set(ctx, "abc", User{"42", "Ada"}, adaptor.WithTTL(time.Minute))

	user, found, err := adaptor.GetExpire[User](ctx, sessions, "abc", 30*time.Minute)
	fmt.Println(user.Name, found, err)
	left, _, _ := sessions.TTL(ctx, "abc")
	fmt.Println(left.Round(time.Minute))

	_, found, err = adaptor.GetExpire[User](ctx, sessions, "unknown", 30*time.Minute)
	fmt.Println(found, err)
	// Output:
	// Ada true <nil>
	// 30m0s
	// false <nil>
}

func ExampleTyped_GetExpire() {
	ctx, kv := context.Background(), newKV()
	store, _ := kv.Namespace("sessions")
	sessions := adaptor.Of[User](store, adaptor.DefaultTTL(30*time.Minute))
	_ = sessions.Set(ctx, "abc", User{"42", "Ada"})

	user, found, err := sessions.GetExpire(ctx, "abc", 30*time.Minute)
	fmt.Println(user.Name, found, err)
	// Output: Ada true <nil>
}

func ExampleTyped_SetMany() {
	ctx, kv := context.Background(), newKV()
	store, _ := kv.Namespace("users")
	users := adaptor.Of[User](store, adaptor.DefaultTTL(time.Hour))

	err := users.SetMany(ctx, map[string]User{
		"42": {"42", "Ada"},
		"43": {"43", "Grace"},
	})
	fmt.Println(err)
	results, err := users.GetMany(ctx, []string{"43", "44", "42"})
	for _, r := range results { // in the order of the keys
		fmt.Printf("%q %v %v\n", r.Value.Name, r.Found, r.Err)
	}
	fmt.Println(err) // not nil if a key failed
	fmt.Println(users.DelMany(ctx, []string{"42", "43"}))
	// Output:
	// <nil>
	// "Grace" true <nil>
	// "" false <nil>
	// "Ada" true <nil>
	// <nil>
	// <nil>
}

func ExampleTyped_Keys() {
	ctx, kv := context.Background(), newKV()
	store, _ := kv.Namespace("users")
	users := adaptor.Of[User](store)
	_ = users.Set(ctx, "42", User{"42", "Ada"})

	for key, err := range users.Keys(ctx) {
		fmt.Println(key, err)
	}
	fmt.Println(users.Clear(ctx))
	has, err := users.Has(ctx, "42")
	fmt.Println(has, err)
	// Output:
	// 42 <nil>
	// <nil>
	// false <nil>
}

// The store has the operations that a handle has not.
func ExampleTyped_Store() {
	ctx, kv := context.Background(), newKV()
	store, _ := kv.Namespace("users")
	users := adaptor.Of[User](store, adaptor.DefaultTTL(time.Hour))
	_ = users.Set(ctx, "42", User{"42", "Ada"})

	left, found, err := users.Store().TTL(ctx, "42")
	fmt.Println(left.Round(time.Minute), found, err)
	// Output: 1h0m0s true <nil>
}
