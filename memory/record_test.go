package memory

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A text without a byte, which no JSON text is, lies inside its record all the same: at the end of a segment,
// what lies behind is somebody else's. The race detector's build checks that.
func TestEmptyTextIsInsideItsRecord(t *testing.T) {
	s := openStore(t, Config{MaxBytes: 1 << 20}) // one shard
	ctx := context.Background()
	for length := range 24 {
		for i := range 1200 { // more than a segment's
			key := fmt.Sprintf("%0*d", length, i)
			require.NoError(t, s.Set(ctx, key, []byte{}, driver.NoTTL))
			text, found, err := s.Get(ctx, key)
			require.NoError(t, err)
			require.True(t, found)
			require.Empty(t, text)
			require.NoError(t, s.Del(ctx, key))
		}
	}
}
