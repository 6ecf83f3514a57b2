package main

import (
	"context"
	"fmt"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/kvmodule"
)

type Visits struct{ store *adaptor.AtomicKVStore }

func NewVisits(kv adaptor.AtomicKVAdaptor) (*Visits, error) {
	store, err := kv.Namespace("visits")
	return &Visits{store}, err
}

func (v *Visits) Count(ctx context.Context) error {
	n, err := v.store.Incr(ctx, "home", 1)
	if err == nil {
		fmt.Println("visit", n)
	}
	return err
}

func main() {
	fx.New(kvmodule.Module, fx.Provide(NewVisits), fx.Invoke(
		func(lc fx.Lifecycle, v *Visits) { lc.Append(fx.StartHook(v.Count)) },
	)).Run()
}
