package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/adaptor/redis/redismodule"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

// The same service counts on memory.
func TestHitsOnMemory(t *testing.T) {
	fake, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var hits *Hits
	app := fx.New(fx.NopLogger, redismodule.Module, kvmodule.ReplaceAdaptor(fake), fx.Provide(NewHits), fx.Populate(&hits))
	if err := app.Err(); err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodGet, "/hits/home", nil)
	request.SetPathValue("page", "home")
	for _, want := range []string{"1\n", "2\n"} {
		answer := httptest.NewRecorder()
		hits.ServeHTTP(answer, request)
		if answer.Code != http.StatusOK || answer.Body.String() != want {
			t.Fatalf("got %d %q, want %q", answer.Code, answer.Body, want)
		}
	}
}

// Typed handles work on the server.
func TestTypedOnRedis(t *testing.T) {
	type User struct{ Name string }
	ctx := context.Background()
	var users adaptor.Typed[User]
	app := fx.New(fx.NopLogger,
		redismodule.Module,
		redismodule.WithConfig(redis.Config{URL: os.Getenv("REDIS_URL")}),
		kvmodule.Provide[User]("users"),
		fx.Populate(&users),
	)
	if err := app.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer app.Stop(ctx)
	if err := users.Set(ctx, "42", User{"Ada"}); err != nil {
		t.Fatal(err)
	}
	user, found, err := users.Get(ctx, "42")
	if user.Name != "Ada" || !found || err != nil {
		t.Fatalf("got %v, %t, %v", user, found, err)
	}
}
