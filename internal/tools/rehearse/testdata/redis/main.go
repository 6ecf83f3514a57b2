// Hits counts the requests of each page, for all its processes together.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/adaptor/redis/redismodule"
)

// Hits is the service.
type Hits struct{ counters *adaptor.AtomicKVStore }

// NewHits takes any adaptor.
func NewHits(kv adaptor.AtomicKVAdaptor) (*Hits, error) {
	counters, err := kv.Namespace("hits")
	return &Hits{counters}, err
}

func (h *Hits) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := h.counters.Incr(r.Context(), r.PathValue("page"), 1, adaptor.WithTTL(time.Hour))
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, n)
}

func serve(lc fx.Lifecycle, h *Hits) {
	mux := http.NewServeMux()
	mux.Handle("GET /hits/{page}", h)
	server := &http.Server{Handler: mux}
	lc.Append(fx.StartStopHook(func() error {
		l, err := net.Listen("tcp", os.Getenv("ADDR"))
		if err != nil {
			return err
		}
		fmt.Printf("listening on http://%s\n", l.Addr())
		go server.Serve(l)
		return nil
	}, func(ctx context.Context) error { return server.Shutdown(ctx) }))
}

func main() {
	fx.New(
		redismodule.Module,
		redismodule.WithConfig(redis.Config{URL: os.Getenv("REDIS_URL")}),
		fx.Provide(NewHits),
		fx.Invoke(serve),
	).Run()
}
