package redismodule_test

import (
	"context"
	"fmt"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/adaptor/redis/redismodule"
)

// Visits counts the visits of pages.
type Visits struct{ store *adaptor.AtomicKVStore }

func NewVisits(kv adaptor.AtomicKVAdaptor) (*Visits, error) {
	store, err := kv.Namespace("visits")
	return &Visits{store}, err
}

func (v *Visits) Count(ctx context.Context, page string) (int64, error) {
	return v.store.Incr(ctx, page, 1)
}

func Example() {
	app := fx.New(
		redismodule.Module,
		redismodule.WithConfig(redis.Config{URL: "redis://localhost:6379"}),
		fx.Provide(NewVisits),
	)
	fmt.Println(app.Err()) // app.Run() connects
	// Output: <nil>
}
