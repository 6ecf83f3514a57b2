package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// hitsTTL is how long the hits of a page are counted. After that the count starts again.
const hitsTTL = 24 * time.Hour

// Hits counts the hits of pages. It counts only the pages of the configuration: otherwise a client could
// fill the store with counters.
type Hits struct {
	store *adaptor.AtomicKVStore
	pages []string
}

// NewHits returns Hits in the namespace "hits" of kv.
func NewHits(kv adaptor.AtomicKVAdaptor, config Config) (*Hits, error) {
	store, err := kv.Namespace("hits")
	return &Hits{store, config.Pages}, err
}

// Count adds one hit to a page and returns its hits in this day. The day begins with the first hit.
//
// Count repairs a counter that another program or an older version has written. A counter without a
// deadline gets a day. A new counter replaces a value that is not a counter.
func (h *Hits) Count(ctx context.Context, page string) (int64, error) {
	n, left, err := h.store.IncrTTL(ctx, page, 1, adaptor.WithTTL(hitsTTL))
	switch {
	case errors.Is(err, adaptor.ErrInvalidValue):
		return 1, h.store.Set(ctx, page, 1, adaptor.WithTTL(hitsTTL))
	case err == nil && left == 0:
		_, err = h.store.Expire(ctx, page, hitsTTL)
	}
	return n, err
}

func (h *Hits) post(w http.ResponseWriter, r *http.Request) error {
	page := r.PathValue("page")
	if !slices.Contains(h.pages, page) {
		return &ProblemError{Status: http.StatusNotFound, Title: "no such page", Detail: "--pages (PAGES) lists the pages whose hits are counted"}
	}
	n, err := h.Count(r.Context(), page)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Hits int64 `json:"hits"`
	}{n})
}
