package main

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zelt-go/kv/adaptor"
)

// handler is an [http.HandlerFunc] that returns its failures. ServeHTTP answers them.
type handler func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP implements [http.Handler].
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := h(w, r)
	switch {
	case err == nil:
	case r.Context().Err() != nil: // the client has gone; nginx uses the same status
		(&ProblemError{Status: 499, Title: "the client has gone"}).write(w)
	default:
		problemOf(err).write(w)
	}
}

// ProblemError is the answer to a failed request, in the format of RFC 9457.
type ProblemError struct {
	Status  int    `json:"status"`
	Title   string `json:"title"`
	Detail  string `json:"detail,omitempty"`  // what the client can do
	Code    string `json:"code,omitempty"`    // the error code of the store
	Outcome string `json:"outcome,omitempty"` // of a failed write: "not applied" or "unknown"
	Holder  string `json:"holder,omitempty"`  // the holder of the lock of a job
	LeftMS  int64  `json:"left_ms,omitempty"` // milliseconds until the lock is free

	retryAfter time.Duration
}

// Error implements error.
func (p *ProblemError) Error() string { return p.Title }

func (p *ProblemError) write(w http.ResponseWriter) {
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", seconds(p.retryAfter))
	}
	write(w, p.Status, "application/problem+json", p)
}

// problemOf returns the answer to an error. The texts of the store's errors contain no key and no value.
func problemOf(err error) *ProblemError {
	var p *ProblemError
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &tooLong):
		return &ProblemError{Status: http.StatusRequestEntityTooLarge, Title: "the body is too long"}
	case errors.Is(err, adaptor.ErrStoreOperationFailed):
		p := &ProblemError{Status: http.StatusServiceUnavailable, Title: "the store does not answer", Code: string(adaptor.CodeOf(err)), Outcome: "not applied", retryAfter: time.Second}
		if adaptor.OutcomeUnknown(err) {
			p.Outcome = "unknown"
		}
		return p
	case errors.Is(err, adaptor.ErrInvalidValue): // the handlers have checked the request
		return &ProblemError{Status: http.StatusInternalServerError, Title: "a stored value has another form than this server writes", Code: string(adaptor.CodeOf(err))}
	}
	return &ProblemError{Status: http.StatusInternalServerError, Title: "internal error"}
}

func badRequest(title string) *ProblemError {
	return &ProblemError{Status: http.StatusBadRequest, Title: title}
}

// writeJSON answers with a value.
func writeJSON(w http.ResponseWriter, value any) error {
	write(w, http.StatusOK, "application/json", value)
	return nil
}

func write(w http.ResponseWriter, status int, kind string, value any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // fails only if the client has gone
}

// readJSON reads a body of at most 4 KiB into value. The body must be one JSON value with known fields
// and nothing after it.
func readJSON(w http.ResponseWriter, r *http.Request, value any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(value)
	if err == nil {
		if _, err = decoder.Token(); err == io.EOF {
			return nil
		}
	}
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return err
	}
	return badRequest("the body must be the one JSON value that this route expects")
}

// isText reports whether s is UTF-8 text of 1 to 100 bytes. U+FFFD is refused, because encoding/json
// puts it in the place of text that is not UTF-8.
func isText(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsRune(s, utf8.RuneError)
}

// seconds returns d in whole seconds for a header, rounded up: a client that waits so long has waited
// long enough.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
