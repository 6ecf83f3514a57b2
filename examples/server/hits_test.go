package main

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/memory"
)

// Requests with invented names leave nothing in the store. Otherwise the store would be full some day,
// and no login would work.
func TestHitsOfInventedPagesAreNotCounted(t *testing.T) {
	var kv *memory.MemoryKV
	s := newSite(t, []string{"--rate-limit=0"}, fx.Populate(&kv))
	for i := range 10_000 {
		require.Equal(t, http.StatusNotFound, s.do("POST", fmt.Sprint("/hits/page-", i), "").StatusCode)
	}
	require.Zero(t, kv.Stats().Entries)
	for _, page := range []string{"home", "docs", "about"} {
		require.EqualValues(t, 1, s.requireDo(http.StatusOK, "POST", "/hits/"+page, "")["hits"])
	}
}

func TestHitsAreCountedForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"--pages=home"})
		require.EqualValues(t, 1, s.requireDo(http.StatusOK, "POST", "/hits/home", "")["hits"])
		time.Sleep(24*time.Hour - 1)
		require.EqualValues(t, 2, s.requireDo(http.StatusOK, "POST", "/hits/home", "")["hits"])
		time.Sleep(time.Nanosecond)
		require.EqualValues(t, 1, s.requireDo(http.StatusOK, "POST", "/hits/home", "")["hits"])
	})
}

func TestForeignHitsAreRepaired(t *testing.T) {
	for value, want := range map[any]int{"text": 1, 1.5: 1, 41: 42} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, nil, fx.Invoke(func(kv adaptor.AtomicKVAdaptor) error {
				store, err := kv.Namespace("hits")
				require.NoError(t, err)
				return store.Set(t.Context(), "home", value)
			}))
			require.EqualValues(t, want, s.requireDo(http.StatusOK, "POST", "/hits/home", "")["hits"])
			require.EqualValues(t, want+1, s.requireDo(http.StatusOK, "POST", "/hits/home", "")["hits"])
			time.Sleep(24 * time.Hour)
			require.EqualValues(t, 1, s.requireDo(http.StatusOK, "POST", "/hits/home", "")["hits"], "%v", value)
		})
	}
}
