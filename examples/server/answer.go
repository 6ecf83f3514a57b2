package main

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// handler is an [http.HandlerFunc] that leaves its failures to others to answer.
type handler func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP implements [http.Handler].
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := h(w, r)
	switch {
	case err == nil:
	case r.Context().Err() != nil: // nobody is there to read it; the number is nginx's
		(&Problem{Status: 499, Title: "the client has gone"}).write(w)
	default:
		problemOf(err).write(w)
	}
}

// Problem is an answer that says what is wrong: RFC 9457.
type Problem struct {
	Status  int    `json:"status"`
	Title   string `json:"title"`
	Code    string `json:"code,omitempty"`    // of a failed store
	Outcome string `json:"outcome,omitempty"` // of a failed write: "not applied" or "unknown"
	Holder  string `json:"holder,omitempty"`  // of a job's lock
	LeftMS  int64  `json:"left_ms,omitempty"` // until the lock is free

	retryAfter time.Duration
}

// Error implements error.
func (p *Problem) Error() string { return p.Title }

func (p *Problem) write(w http.ResponseWriter) {
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", seconds(p.retryAfter))
	}
	write(w, p.Status, "application/problem+json", p)
}

// problemOf is how an error is answered. The texts of the store's errors hold no key and no value.
func problemOf(err error) *Problem {
	var p *Problem
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &tooLong):
		return &Problem{Status: http.StatusRequestEntityTooLarge, Title: "the body is too long"}
	case errors.Is(err, adaptor.ErrStoreOperationFailed):
		p := &Problem{Status: http.StatusServiceUnavailable, Title: "the store does not answer", Code: string(adaptor.CodeOf(err)), Outcome: "not applied", retryAfter: time.Second}
		if adaptor.OutcomeUnknown(err) {
			p.Outcome = "unknown"
		}
		return p
	case errors.Is(err, adaptor.ErrInvalidValue):
		return &Problem{Status: http.StatusBadRequest, Title: "a text is not UTF-8", Code: string(adaptor.CodeOf(err))}
	}
	return &Problem{Status: http.StatusInternalServerError, Title: "internal error"}
}

func badRequest(title string) *Problem { return &Problem{Status: http.StatusBadRequest, Title: title} }

// writeJSON answers with a value.
func writeJSON(w http.ResponseWriter, value any) error {
	write(w, http.StatusOK, "application/json", value)
	return nil
}

func write(w http.ResponseWriter, status int, kind string, value any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // who does not listen any more is not to be helped
}

// readJSON reads a small body into value.
func readJSON(w http.ResponseWriter, r *http.Request, value any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(value)
	var tooLong *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLong) {
		return badRequest("the body is not the JSON that is expected")
	}
	return err
}

// seconds is d for a header, rounded up: who waits so long has waited enough.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
