package memory_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/internal/model"
)

var (
	histories   = flag.Int("histories", 20, "how many histories TestHistories checks")
	historySeed = flag.Uint64("history.seed", 0, "the seed of the first history; 0: a new one each time")
)

// TestHistories records concurrent operations on few keys. It checks that the operations on each
// key could have happened one after the other, each between its call and its return.
func TestHistories(t *testing.T) {
	seed := *historySeed
	if seed == 0 {
		seed = rand.Uint64() | 1
	}
	for i := range uint64(*histories) {
		store, err := openMemory().Namespace("history")
		require.NoError(t, err)
		load := model.Load{Goroutines: 8, Operations: 120, TTLs: model.Mixed, Seed: seed + i, Rests: (seed+i)%2 == 0}
		if i%4 == 3 { // long texts that overwrite each other in place, or have their own segments
			load.Values = []string{`1`, modelText("a", 300), modelText("b", 300), modelText("c", 3000), modelText("d", 3000), modelText("e", 64<<10)}
		}
		history, failed, _ := load.Record(store)
		require.Zero(t, failed)
		require.Equal(t, porcupine.Ok, model.Linearizable(history, time.Minute),
			"not linearizable, or undecided: repeat with -history.seed=%d -histories=1", seed+i)
	}
}
