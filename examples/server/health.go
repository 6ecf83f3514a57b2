package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// Health tells whether this replica should get requests. It should not while its store does not answer,
// nor while it stops.
type Health struct {
	store    *adaptor.KVStore
	stopping atomic.Bool
}

// NewHealth returns a Health that asks kv.
func NewHealth(kv adaptor.KVAdaptor) (*Health, error) {
	store, err := kv.Namespace("health")
	return &Health{store: store}, err
}

// Check returns nil if this replica should get requests. It waits for the store for up to a second.
func (h *Health) Check(ctx context.Context) error {
	if h.stopping.Load() {
		return errStopping
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := h.store.Has(ctx, "any")
	return err
}

// errStopping is the answer of a replica that is stopping.
var errStopping = &ProblemError{Status: http.StatusServiceUnavailable, Title: "stopping"}

func (h *Health) get(w http.ResponseWriter, r *http.Request) error {
	if err := h.Check(r.Context()); err != nil {
		return err
	}
	return writeJSON(w, struct {
		Status string `json:"status"`
	}{"ok"})
}
