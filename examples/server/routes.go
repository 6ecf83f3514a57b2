package main

import (
	"log/slog"
	"net/http"
)

// NewHandler puts everything together. What the page and the machinery need is not limited.
func NewHandler(users *Users, logins *Logins, jobs *Jobs, hits *Hits, limit *Limit, health *Health, metrics *Metrics, live *Live, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /users/{id}":   users.get,
		"PUT /users/{id}":   users.put,
		"POST /login":       logins.login,
		"GET /me":           logins.me,
		"POST /logout":      logins.logout,
		"POST /jobs/{name}": jobs.post,
		"POST /hits/{page}": hits.post,
	} {
		mux.Handle(pattern, limit.Wrap(h))
	}
	mux.Handle("GET /healthz", handler(health.get))
	mux.Handle("GET /metrics", metrics)
	mux.Handle("GET /events", handler(live.get))
	mux.Handle("GET /{$}", page("page.html"))
	mux.Handle("GET /page.css", page("page.css"))
	mux.Handle("GET /page.js", page("page.js"))
	mux.Handle("GET /icon.svg", page("icon.svg"))

	// A page of another origin can't use the cookie of a browser that comes here.
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return observed(guarded, metrics, log)
}
