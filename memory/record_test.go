package memory

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// An empty text is not valid JSON, but its address must be inside its record. At the end of a
// segment, the next address belongs to other memory. The race detector's build checks the address.
func TestEmptyTextIsInsideItsRecord(t *testing.T) {
	s := openStore(t, Config{MaxBytes: 1 << 20}) // one shard
	ctx := context.Background()
	for length := range 24 {
		for i := range 1200 { // more than one segment holds
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
