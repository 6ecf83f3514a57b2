package main

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// Health tells whether this replica should get requests: not while its store does not answer,
// and not when it is about to stop.
type Health struct {
	store    *adaptor.KVStore
	stopping atomic.Bool
}

// NewHealth returns a Health of kv.
func NewHealth(kv adaptor.KVAdaptor) (*Health, error) {
	store, err := kv.Namespace("health")
	return &Health{store: store}, err
}

// Check returns nil if all is well.
func (h *Health) Check(ctx context.Context) error {
	if h.stopping.Load() {
		return errStopping
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := h.store.Has(ctx, "any")
	return err
}

var errStopping = errors.New("stopping")

func (h *Health) get(w http.ResponseWriter, r *http.Request) error {
	err := h.Check(r.Context())
	if errors.Is(err, errStopping) {
		return &Problem{Status: http.StatusServiceUnavailable, Title: "stopping"}
	}
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Status string `json:"status"`
	}{"ok"})
}
