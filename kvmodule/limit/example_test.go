package limit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/zelt-go/kv/kvmodule/limit"
	"github.com/zelt-go/kv/memory"
)

func Example() {
	ctx := context.Background()
	kv, err := memory.New(memory.Config{})
	if err != nil {
		panic(err)
	}
	limiter, err := limit.New(kv, limit.Config{Name: "api", Rates: []limit.Rate{limit.PerMinute(2)}})
	if err != nil {
		panic(err)
	}
	for range 3 {
		d, err := limiter.Allow(ctx, "alice")
		if err != nil {
			panic(err)
		}
		fmt.Println(d.Allowed, d.Remaining, d.RetryAfter.Round(time.Second))
	}
	// Output:
	// true 1 0s
	// true 0 0s
	// false 0 30s
}

// Several rates: a burst for a moment, and a quota for the day. The decision tells which rate is the tightest.
func ExampleLimiter_AllowN() {
	ctx := context.Background()
	kv, _ := memory.New(memory.Config{})
	limiter, err := limit.New(kv, limit.Config{Name: "mail", Rates: []limit.Rate{
		limit.PerSecond(50),
		{Events: 100, Per: 24 * time.Hour},
	}})
	if err != nil {
		panic(err)
	}
	for _, recipients := range []int64{40, 60, 1} {
		d, err := limiter.AllowN(ctx, "tenant", recipients)
		fmt.Println(recipients, d.Allowed, d.Limit, d.Remaining, errors.Is(err, limit.ErrNever))
	}
	// Output:
	// 40 true 50 10 false
	// 60 false 0 0 true
	// 1 true 50 9 false
}

func ExampleLimiter_Peek() {
	ctx := context.Background()
	kv, _ := memory.New(memory.Config{})
	limiter, _ := limit.New(kv, limit.Config{Name: "export", Rates: []limit.Rate{limit.PerHour(3)}})
	_, _ = limiter.Allow(ctx, "alice")
	d, _ := limiter.Peek(ctx, "alice")
	fmt.Println(d.Remaining, "of", d.Limit, "left")
	// Output: 2 of 3 left
}

// A login counts only if it fails: a success gives the event back.
func ExampleLimiter_Refund() {
	ctx := context.Background()
	kv, _ := memory.New(memory.Config{})
	logins, _ := limit.New(kv, limit.Config{Name: "login", Rates: []limit.Rate{limit.PerMinute(3)}, OnOutage: limit.Closed})
	login := func(user, password string) string {
		d, err := logins.Allow(ctx, user)
		switch {
		case err != nil:
			return "error"
		case !d.Allowed:
			return "too many attempts"
		case password != "correct":
			return "wrong password"
		}
		if err := logins.Refund(ctx, user, 1); err != nil {
			return "error"
		}
		return "welcome"
	}
	for _, password := range []string{"correct", "a", "b", "correct", "c", "correct"} {
		fmt.Println(login("alice", password))
	}
	// Output:
	// welcome
	// wrong password
	// wrong password
	// welcome
	// wrong password
	// too many attempts
}

func ExampleLimiter_Reset() {
	ctx := context.Background()
	kv, _ := memory.New(memory.Config{})
	limiter, _ := limit.New(kv, limit.Config{Name: "login", Rates: []limit.Rate{limit.PerHour(1)}})
	_, _ = limiter.Allow(ctx, "alice")
	_ = limiter.Reset(ctx, "alice") // an administrator unlocks her
	d, _ := limiter.Allow(ctx, "alice")
	fmt.Println(d.Allowed)
	// Output: true
}

// A worker that calls an API 100 times per second at most.
func ExampleLimiter_Wait() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	kv, _ := memory.New(memory.Config{})
	limiter, _ := limit.New(kv, limit.Config{Name: "upstream", Rates: []limit.Rate{{Events: 100, Per: time.Second, Burst: 1}}})
	for i := range 3 {
		if err := limiter.Wait(ctx, "geocoder"); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("request", i)
	}
	// Output:
	// request 0
	// request 1
	// request 2
}

// Leases: one round trip takes up to 50 events ahead. Close gives the unused ones back.
func ExampleLimiter_Close() {
	ctx := context.Background()
	kv, _ := memory.New(memory.Config{})
	config := limit.Config{Name: "api", Rates: []limit.Rate{limit.PerHour(1000)}, Lease: 50}
	limiter, _ := limit.New(kv, config)
	for range 120 {
		_, _ = limiter.Allow(ctx, "busy")
	}
	if err := limiter.Close(ctx); err != nil {
		fmt.Println(err)
	}
	d, _ := limiter.Peek(ctx, "busy")
	fmt.Println(1000-d.Remaining <= 124) // 120, and less than one for the time of each lease
	// Output: true
}

func ExampleLimiter_Middleware() {
	kv, _ := memory.New(memory.Config{})
	limiter, _ := limit.New(kv, limit.Config{Name: "api", Rates: []limit.Rate{limit.PerMinute(1)}})
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	handler := limiter.Middleware(limit.ByAddress(netip.MustParsePrefix("10.0.0.0/8")), hello)

	for range 2 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.1:4711" // the proxy
		r.Header.Set("X-Forwarded-For", "203.0.113.7")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Printf("%d %s, retry after %q\n", w.Code, w.Header().Get("RateLimit"), w.Header().Get("Retry-After"))
	}
	// Output:
	// 200 "api";r=0;t=60, retry after ""
	// 429 "api";r=0;t=60, retry after "60"
}

func ExampleByAddress() {
	key := limit.ByAddress(netip.MustParsePrefix("10.0.0.0/8"))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.1:4711"
	r.Header.Set("X-Forwarded-For", "192.0.2.1, 2001:db8:1:2:3:4:5:6, 10.0.0.2")
	fmt.Println(key(r))
	// Output: 2001:db8:1:2::/64
}
