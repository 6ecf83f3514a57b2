package main

import (
	"context"
	"testing"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

func TestCount(t *testing.T) {
	ctx := context.Background()
	fake, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var visits *Visits
	app := fx.New(fx.NopLogger, kvmodule.Module, kvmodule.ReplaceAdaptor(fake), fx.Provide(NewVisits), fx.Populate(&visits))
	if err := app.Err(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := visits.Count(ctx); err != nil {
			t.Fatal(err)
		}
	}
	store, err := fake.Namespace("visits")
	if err != nil {
		t.Fatal(err)
	}
	n, found, err := adaptor.Get[int](ctx, store, "home")
	if n != 2 || !found || err != nil {
		t.Fatalf("got %d, %t, %v, want 2", n, found, err)
	}
}
