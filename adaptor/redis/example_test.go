package redis_test

import (
	"context"
	"fmt"
	"log"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/redis"
)

// Without fx, a program calls Start before the first operation, and Stop at its end.
func ExampleNew() {
	ctx := context.Background()
	kv, err := redis.New(redis.Config{URL: "redis://localhost:6379"})
	if err != nil {
		log.Fatal(err)
	}
	if err := kv.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer kv.Stop(ctx)

	visits, err := kv.Namespace("visits")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(visits.Incr(ctx, "home", 1))
}

// An app that already has a client shares it. RedisKV never closes this client.
func ExampleNewFromClient() {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"localhost:6379"}, DisableRetry: true})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	kv, err := redis.NewFromClient(client, redis.Config{})
	if err != nil {
		log.Fatal(err)
	}
	visits, err := kv.Namespace("visits")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(visits.Incr(context.Background(), "home", 1))
}

// A Cluster and Sentinel differ only in the URL.
func ExampleConfig() {
	for _, url := range []string{
		"redis://:password@localhost:6379/2",
		"rediss://user:password@localhost:6380",
		"redis://localhost:26379,localhost:26380?master_set=main",
		"redis://localhost:7000,localhost:7001?cluster=true",
		"unix:///run/redis.sock?db=1",
	} {
		_, err := redis.New(redis.Config{URL: url})
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// <nil>
	// <nil>
}
