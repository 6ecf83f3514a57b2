package main

import (
	"log/slog"
	"net/http"
	"time"
)

// observed counts and logs each request by its route. Paths and cookies may contain secrets, so the log
// never contains them.
func observed(next http.Handler, metrics *Metrics, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		answer := &recorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		took := time.Since(begin)
		metrics.Observe(r.Pattern, answer.status, took)
		level := slog.LevelDebug
		if answer.status == http.StatusInternalServerError {
			level = slog.LevelError
		}
		log.Log(r.Context(), level, "request", "route", r.Pattern, "status", answer.status, "took", took)
	})
}

// recorder records the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap implements the method that [http.ResponseController] looks for.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
