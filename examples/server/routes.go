package main

import (
	"log/slog"
	"net/http"
)

// Route is a route of the server.
type Route struct {
	Pattern string // of [http.ServeMux]
	handler http.Handler
}

// NewRoutes returns all routes. README.md describes them. The routes of the page and of the machinery
// have no limit.
func NewRoutes(users *Users, logins *Logins, jobs *Jobs, hits *Hits, limit *Limit, health *Health, metrics *Metrics, live *Live) []Route {
	return []Route{
		{"GET /users/{id}", limit.Wrap(users.get)},
		{"PUT /users/{id}", limit.Wrap(users.put)},
		{"POST /login", handler(logins.login)}, // it calls limit.CheckLogin
		{"GET /me", limit.Wrap(logins.me)},
		{"POST /logout", limit.Wrap(logins.logout)},
		{"POST /jobs/{name}", limit.Wrap(jobs.post)},
		{"POST /hits/{page}", limit.Wrap(hits.post)},
		{"GET /healthz", handler(health.get)},
		{"GET /metrics", metrics},
		{"GET /events", handler(live.get)},
		{"GET /{$}", page("page.html")},
		{"GET /page.css", page("page.css")},
		{"GET /page.js", page("page.js")},
		{"GET /icon.svg", page("icon.svg")},
	}
}

// NewHandler returns the handler of all routes. Every error is answered with a [ProblemError].
func NewHandler(routes []Route, metrics *Metrics, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.Pattern, r.handler)
	}
	// A page of another origin cannot use the cookie that a browser has for this server.
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(handler(func(http.ResponseWriter, *http.Request) error { return errOtherOrigin }))
	return observed(guard.Handler(unmatched(mux)), metrics, log)
}

var errOtherOrigin = &ProblemError{Status: http.StatusForbidden, Title: "a page of another origin must not change anything here"}

// routesURL is the address of the list of routes.
const routesURL = "https://github.com/zelt-go/kv/blob/main/examples/server/README.md#routes"

// unmatched answers with a ProblemError if mux has no route for a request. The mux itself answers with
// text/plain.
func unmatched(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		answer := &refusal{ResponseWriter: w}
		mux.ServeHTTP(answer, r)
		switch answer.status {
		case http.StatusNotFound:
			(&ProblemError{Status: answer.status, Title: "no such route", Detail: "the routes are listed at " + routesURL}).write(w)
		case http.StatusMethodNotAllowed:
			(&ProblemError{Status: answer.status, Title: "this route has other methods: " + w.Header().Get("Allow"), Detail: "the routes are listed at " + routesURL}).write(w)
		}
	})
}

// refusal holds an answer of 404 or 405 back, and passes any other answer on.
type refusal struct {
	http.ResponseWriter
	status int // 404, 405 or 0
}

// WriteHeader implements [http.ResponseWriter].
func (r *refusal) WriteHeader(status int) {
	if status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
		r.status = status
		return
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements [io.Writer].
func (r *refusal) Write(text []byte) (int, error) {
	if r.status != 0 {
		return len(text), nil
	}
	return r.ResponseWriter.Write(text)
}
