package memory

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/mutant"
)

var scanned = flag.Int("scanned", 20_000, "how many keys TestKeysWhileOthersWrite iterates over")

// Keys yields every stable key exactly once while four goroutines write. The index grows and
// shrinks in the meantime. The test logs the longest time of a write.
func TestKeysWhileOthersWrite(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, Config{})
	stable := *scanned
	key := func(i int) string { return fmt.Sprint("stable/", i) }
	for i := range stable {
		require.NoError(t, s.Set(ctx, key(i), []byte(`"v"`), driver.NoTTL))
	}
	stop := make(chan struct{})
	var longest [4]time.Duration
	var writes [4]int
	var writers sync.WaitGroup
	write := func(g, n int) {
		begin := time.Now()
		switch k := fmt.Sprint("passing/", g, "/", n%stable); {
		case n%7 == 0:
			_ = s.Set(ctx, key(n*31%stable), []byte(`"`+strings.Repeat("x", n%80)+`"`), driver.NoTTL)
		case n/stable%2 == 0:
			_ = s.Set(ctx, k, []byte(`"v"`), driver.NoTTL)
		default:
			_ = s.Del(ctx, k)
		}
		longest[g] = max(longest[g], time.Since(begin))
		writes[g]++
	}
	run := func(phase string, work func()) {
		stop = make(chan struct{})
		longest, writes = [4]time.Duration{}, [4]int{}
		for g := range 4 {
			writers.Go(func() {
				for n := g; ; n++ {
					select {
					case <-stop:
						return
					default:
						write(g, n)
					}
				}
			})
		}
		begin := time.Now()
		work()
		close(stop)
		took := time.Since(begin)
		writers.Wait()
		t.Logf("%s: %v, %d writes, the longest %v", phase, took, writes[0]+writes[1]+writes[2]+writes[3],
			max(longest[0], longest[1], longest[2], longest[3]))
	}
	seen := make(map[string]int, stable)
	run("iterating over "+fmt.Sprint(stable)+" keys and those that pass", func() {
		require.NoError(t, s.Keys(ctx, false, func(_ []string, key string) bool {
			seen[key]++
			return true
		}))
	})
	run("the same without iterating", func() { time.Sleep(time.Duration(stable) * time.Microsecond) })
	for i := range stable {
		require.Equal(t, 1, seen[key(i)], "a stable key")
	}
	for _, n := range seen {
		require.Equal(t, 1, n, "a key that came or went")
	}
	verify(t, s.kv)
}

// If the body of the loop changes other keys, Keys still yields each stable key once.
func TestKeysWhileTheLoopWrites(t *testing.T) {
	ctx := context.Background()
	for name, config := range map[string]Config{"64 shards": {}, "one shard": {MaxBytes: 1<<21 - 1}} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, config)
			for i := range 200 {
				require.NoError(t, s.Set(ctx, fmt.Sprint("stable/", i), []byte("1"), driver.NoTTL))
			}
			seen := map[string]int{}
			err := s.Keys(ctx, false, func(_ []string, key string) bool {
				seen[key]++
				for i := range 400 {
					k := fmt.Sprint("passing/", i)
					if len(seen)/40%2 == 0 {
						require.NoError(t, s.Set(ctx, k, []byte("1"), driver.NoTTL))
					} else {
						require.NoError(t, s.Del(ctx, k))
					}
				}
				require.NoError(t, s.Set(ctx, "stable/"+strings.TrimPrefix(key, "stable/"), []byte(fmt.Sprintf("%q", strings.Repeat("x", len(seen)%900))), driver.NoTTL))
				return len(seen) < 400
			})
			require.NoError(t, err)
			for key, n := range seen {
				require.Equal(t, 1, n, key)
			}
			if len(seen) < 400 {
				for i := range 200 {
					require.Equal(t, 1, seen[fmt.Sprint("stable/", i)])
				}
			}
		})
	}
}

// Keys yields a key whose deadline is extended during the loop, because the key is live all the
// time.
func TestKeysSeeExtendedDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		s := openStore(t, Config{MaxBytes: 1 << 20}) // one shard
		o, err := opener{s.kv}.OpenAtomic([]string{"n", "child"})
		require.NoError(t, err)
		child := o.(*store)
		for i := range 50 {
			require.NoError(t, s.Set(ctx, fmt.Sprint(i), []byte(`"v"`), time.Second))
			require.NoError(t, child.Set(ctx, fmt.Sprint(i), []byte(`"v"`), time.Second))
			require.NoError(t, child.Set(ctx, fmt.Sprint("dies", i), []byte(`"v"`), time.Second))
		}
		n := 0
		require.NoError(t, s.Keys(ctx, true, func(_ []string, key string) bool {
			if n++; n > 1 {
				assert.NotContains(t, key, "dies")
				return true
			}
			for i := range 50 {
				require.NoError(t, s.Set(ctx, fmt.Sprint(i), []byte(`"a longer value, for a record of its own"`), driver.NoTTL))
				require.NoError(t, child.Set(ctx, fmt.Sprint(i), []byte(`"a longer value, for a record of its own"`), time.Hour))
			}
			time.Sleep(time.Second)
			return true
		}))
		assert.InDelta(t, 100, n, 1, "and perhaps one that died after it came")
	})
}

// The tests of Keys find bugs in the code that Keys depends on. Each bug is planted separately.
func TestKeysTestsFindBugs(t *testing.T) {
	t.Parallel()
	for bug, m := range map[string]struct{ old, new string }{
		"a full bucket has no overflow":             {"(k < last || v.overflows(i))", "k < last"},
		"Keys also yields entries before the range": {"hash >= from && ", ""},
		"Keys also yields entries after the range":  {"hash >= from && uint64(hash) < next", "hash >= from"},
		"Keys uses the deadline of the old record":  {"!s.isLive(r) && !s.isLiveNow(r)", "!s.isLive(r)"},
		"Keys yields expired entries":               {" || !s.isLive(r) && !s.isLiveNow(r)", ""},
	} {
		t.Run(bug, func(t *testing.T) {
			output, failed := mutant.Test(t, "scan.go", m.old, m.new, "-timeout", "60s", "-run", "^(TestKeysWhile.*|TestKeysSee.*)$", ".")
			assert.True(t, failed, "the planted bug was not found: %s\n%s", bug, output)
		})
	}
}
