package main

import (
	"context"
	"net/http"

	"github.com/zelt-go/kv/adaptor"
)

// Hits counts how often a page was seen.
type Hits struct{ store *adaptor.AtomicKVStore }

// NewHits returns Hits in the namespace "hits" of kv.
func NewHits(kv adaptor.AtomicKVAdaptor) (*Hits, error) {
	store, err := kv.Namespace("hits")
	return &Hits{store}, err
}

// Count counts one more, and returns how many there are.
func (h *Hits) Count(ctx context.Context, page string) (int64, error) {
	return h.store.Incr(ctx, page, 1)
}

func (h *Hits) post(w http.ResponseWriter, r *http.Request) error {
	page := r.PathValue("page")
	if len(page) > 100 {
		return badRequest("the name of a page has 100 bytes at most")
	}
	n, err := h.Count(r.Context(), page)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Hits int64 `json:"hits"`
	}{n})
}
