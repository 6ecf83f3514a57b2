package memory_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

// Without fx: make it, start it, stop it.
func Example() {
	ctx := context.Background()

	kv, err := memory.New(memory.Config{GCInterval: 10 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	if err := kv.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer kv.Stop(ctx)

	store, err := kv.Namespace("cache")
	if err != nil {
		log.Fatal(err)
	}
	err = store.Set(ctx, "k", "v", adaptor.WithTTL(time.Minute))
	fmt.Println(err, kv.Stats().Entries)
	// Output: <nil> 1
}
