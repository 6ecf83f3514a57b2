package memory

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Entries with equal hashes are found, also around the end of the buckets. Removed entries leave no
// tag.
func TestIndexWithEqualHashes(t *testing.T) {
	for _, hash := range []uint32{0, 1 << 31, 1<<32 - 1} {
		var v atomic.Pointer[view]
		v.Store(&view{})
		x := index{view: &v}
		for n := range 600 {
			if x.dense() {
				x.resize(make([]bucket, bucketsFor(n+1)))
			}
			x.insert(hash, ref(n+1))
		}
		for n := range 600 {
			p := x.slotOf(hash, ref(n+1))
			require.Equal(t, ref(n+1), p.ref())
			x.remove(hash, p)
		}
		for _, b := range x.buckets() {
			require.Zero(t, b.tags&usedBits)
		}
	}
}
