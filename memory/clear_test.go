package memory

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Clear removes the entries of one namespace while other goroutines write to others. The namespaces
// share shards and segments. The others stay complete, and removed entries take no memory.
func TestClearKeepsOtherNamespaces(t *testing.T) {
	ctx := context.Background()
	for name, config := range map[string]Config{"64 shards": {}, "one shard": {MaxBytes: 1<<25 - 1}} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, config)
			openBeside := func(path ...string) *store {
				o, err := opener{s.kv}.OpenAtomic(path)
				require.NoError(t, err)
				return o.(*store)
			}
			sibling, child := openBeside("nAbc"), openBeside("n", "child")
			ttls := []time.Duration{driver.NoTTL, time.Hour, time.Millisecond}
			for i := range 5000 {
				key := fmt.Sprint(i)
				text := []byte(fmt.Sprintf("%q", strings.Repeat("x", i%300)))
				if i%500 == 0 {
					text = []byte(fmt.Sprintf("%q", strings.Repeat("x", 5000)))
				}
				require.NoError(t, s.Set(ctx, key, text, ttls[i%3]))
				require.NoError(t, child.Set(ctx, key, []byte("1"), ttls[i%2]))
				if i%10 == 0 {
					require.NoError(t, sibling.Set(ctx, key, []byte(`"s"`), ttls[i%2]))
				}
			}
			var writer sync.WaitGroup
			writer.Go(func() {
				for i := range 2000 {
					assert.NoError(t, sibling.Set(ctx, fmt.Sprint("new", i), []byte(`"s"`), time.Hour))
				}
			})
			require.NoError(t, s.Clear(ctx, false))
			writer.Wait()
			verify(t, s.kv)
			assert.Zero(t, count(t, s, false))
			assert.Equal(t, 5000, count(t, s, true))
			assert.Equal(t, 2500, count(t, sibling, false))
			require.NoError(t, s.Clear(ctx, true))
			verify(t, s.kv)
			assert.Equal(t, 2500, s.kv.Stats().Entries)
			require.NoError(t, sibling.Clear(ctx, true))
			verify(t, s.kv)
			assert.Zero(t, s.kv.Stats().Entries)
			assert.Less(t, s.kv.Stats().Bytes, int64(200<<10))
			require.NoError(t, s.Set(ctx, "k", []byte("1"), driver.NoTTL))
			assert.Equal(t, 1, count(t, s, true))
		})
	}
}

func count(t *testing.T, s *store, below bool) (n int) {
	t.Helper()
	require.NoError(t, s.Keys(context.Background(), below, func([]string, string) bool { n++; return true }))
	return n
}
