package memory_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

// A program without fx makes, starts and stops a MemoryKV itself.
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

// A store with a limit refuses writes beyond it, and keeps all stored entries.
func ExampleErrFull() {
	ctx := context.Background()

	kv, err := memory.New(memory.Config{
		MaxBytes:      64 << 20, // all entries and the index
		MaxValueBytes: 1 << 20,  // the JSON text of one value
	})
	if err != nil {
		log.Fatal(err)
	}
	store, err := kv.Namespace("cache")
	if err != nil {
		log.Fatal(err)
	}
	page, stored := strings.Repeat("x", 1_000_000), 0
	for {
		err = store.Set(ctx, fmt.Sprint("page-", stored), page)
		if err != nil {
			break
		}
		stored++
	}
	if errors.Is(err, memory.ErrFull) {
		// surely not stored; a cache can do without
	}
	fmt.Println(stored > 60, kv.Stats().Entries == stored)
	fmt.Println(err)
	// Output:
	// true true
	// kv: Set in namespace "cache": STORE_OPERATION_FAILED: the write needs more memory than memory.Config.MaxBytes allows (67108864 bytes)
}
