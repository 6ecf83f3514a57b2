package memory

import (
	"bytes"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// borderLengths returns lengths of texts at the borders of the engine: the buffer on the stack of a
// reader (256 bytes), the longest record that shares a segment (4 KiB), the length of a segment
// (32 KiB), and 64 KiB. key is the length of the physical key.
func borderLengths(key int) []int {
	var lengths []int
	for _, border := range []int{0, 8, 256, 512, maxSmall - textOffset(key), maxSmall, maxSegment - textOffset(key), maxSegment, 64 << 10} {
		for n := border - wordSize; n <= border+wordSize; n++ {
			if n >= 0 {
				lengths = append(lengths, n)
			}
		}
	}
	slices.Sort(lengths)
	return slices.Compact(lengths)
}

// textOf returns a text of n bytes that differs from the texts of other versions.
func textOf(version, n int) []byte { return bytes.Repeat([]byte{'a' + byte(version%26)}, n) }

// Every operation that returns or compares a text works with the whole stored text, whatever the
// length. A text that is overwritten in place, by one of the same length, is the stored text until
// the write.
func TestTextsOfAllLengthsAreReturnedWhole(t *testing.T) {
	ctx := context.Background()
	for _, reads := range []int{0, 1, 2} { // unread, read once, sealed
		s := openStore(t, Config{MaxBytes: 1 << 20}) // one shard
		for _, n := range borderLengths(len("n:k")) {
			old, text, other := textOf(0, n), textOf(1, n), textOf(2, n)
			set := func() {
				t.Helper()
				require.NoError(t, s.Set(ctx, "k", bytes.Clone(old), driver.NoTTL))
				for range reads {
					got, found, err := s.Get(ctx, "k")
					require.NoError(t, err)
					require.True(t, found && bytes.Equal(old, got), "Get, length %d", n)
				}
			}
			stored := func(want []byte) {
				t.Helper()
				got, found, err := s.Get(ctx, "k")
				require.NoError(t, err)
				require.Equal(t, want != nil, found)
				require.True(t, bytes.Equal(want, got), "length %d, %d reads", n, reads)
			}
			set()
			got, found, err := s.Swap(ctx, "k", bytes.Clone(text), driver.NoTTL)
			require.NoError(t, err)
			require.True(t, found)
			require.True(t, bytes.Equal(old, got), "Swap, length %d, %d reads: the result begins with %.1q", n, reads, got)
			stored(text)

			set()
			got, found, err = s.GetDel(ctx, "k")
			require.NoError(t, err)
			require.True(t, found)
			require.NoError(t, s.Set(ctx, "k", bytes.Clone(text), driver.NoTTL))
			require.True(t, bytes.Equal(old, got), "GetDel, length %d", n)
			stored(text)

			set()
			swapped, err := s.CompareAndSwap(ctx, "k", bytes.Clone(old), bytes.Clone(text), driver.NoTTL)
			require.NoError(t, err)
			require.True(t, swapped)
			stored(text)
			if n > 0 { // texts of length 0 are equal
				almost := bytes.Clone(text)
				almost[n-1] = 'z' // the last byte decides
				swapped, err = s.CompareAndSwap(ctx, "k", almost, other, driver.NoTTL)
				require.NoError(t, err)
				require.False(t, swapped)
				deleted, err := s.CompareAndDelete(ctx, "k", almost)
				require.NoError(t, err)
				require.False(t, deleted)
				stored(text)
			}
			deleted, err := s.CompareAndDelete(ctx, "k", text)
			require.NoError(t, err)
			require.True(t, deleted)
			stored(nil)

			stored1, err := s.SetNX(ctx, "k", bytes.Clone(text), driver.NoTTL)
			require.NoError(t, err)
			require.True(t, stored1)
			stored1, err = s.SetNX(ctx, "k", bytes.Clone(other), driver.NoTTL)
			require.NoError(t, err)
			require.False(t, stored1)
			stored(text)
			verify(t, s.kv)
		}
	}
}

// A text may be replaced by a text of any other length. The texts before and after it in the
// segment stay the same.
func TestTextsOfAllLengthsReplaceEachOther(t *testing.T) {
	ctx := context.Background()
	lengths := borderLengths(len("n:k"))
	s := openStore(t, Config{MaxBytes: 1 << 20}) // one shard
	version := 0
	for i, from := range lengths {
		if testing.Short() && i%3 > 0 {
			continue
		}
		for _, to := range lengths {
			version++
			require.NoError(t, s.Set(ctx, "before", textOf(version, 20), driver.NoTTL))
			require.NoError(t, s.Set(ctx, "k", textOf(version, from), time.Hour))
			require.NoError(t, s.Set(ctx, "after", textOf(version, 20), driver.NoTTL))
			require.NoError(t, s.Set(ctx, "k", textOf(version+1, to), driver.KeepTTL))
			for key, want := range map[string][]byte{"before": textOf(version, 20), "k": textOf(version+1, to), "after": textOf(version, 20)} {
				got, _, err := s.Get(ctx, key)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got), "%s, lengths %d and %d", key, from, to)
			}
			left, found, err := s.TTL(ctx, "k")
			require.NoError(t, err)
			require.True(t, found && left > 0, "lengths %d and %d", from, to)
		}
		verify(t, s.kv)
	}
}

// A reader never gets a text that is part of two writes. The writes overwrite the text in place, with
// two lengths in turn.
func TestReadersGetOneWholeText(t *testing.T) {
	// Go's collector runs all the time, so that a goroutine often loses its processor when it allocates.
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	ctx := context.Background()
	const writes = 8000
	for _, longest := range []int{200, 300, 3000, 5000} {
		text := func(version int) []byte { return textOf(version, longest-wordSize*(version%2)) }
		whole := func(got []byte) bool { return len(got) > 0 && bytes.Equal(got, text(int(got[0]-'a'))) }
		s := openStore(t, Config{MaxBytes: 1 << 20})
		require.NoError(t, s.Set(ctx, "k", text(0), driver.NoTTL))
		stop := make(chan struct{})
		var readers, writer sync.WaitGroup
		for name, read := range map[string]func() ([]byte, error){
			"Get":     func() ([]byte, error) { text, _, err := s.Get(ctx, "k"); return text, err },
			"GetMany": func() ([]byte, error) { got := s.GetMany(ctx, []string{"k"}); return got[0].Value, got[0].Err },
			"GetExpire": func() ([]byte, error) {
				text, _, err := s.GetExpire(ctx, "k", time.Hour)
				return text, err
			},
		} {
			readers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if got, err := read(); err != nil || !whole(got) {
						t.Errorf("%s returned a mixture of two texts, of %d bytes: %v", name, len(got), err)
						return
					}
				}
			})
		}
		writer.Go(func() {
			for version := range writes {
				if version%4 > 0 {
					assert.NoError(t, s.Set(ctx, "k", text(version), driver.NoTTL))
				} else if got, _, err := s.Swap(ctx, "k", text(version), driver.NoTTL); err != nil || !whole(got) {
					t.Errorf("Swap returned a mixture of two texts, of %d bytes: %v", len(got), err)
				}
			}
		})
		writer.Wait()
		close(stop)
		readers.Wait()
	}
}

// Batches store, return and delete texts of all lengths, like the single operations.
func TestBatchesOfTextsOfAllLengths(t *testing.T) {
	ctx := context.Background()
	for name, config := range map[string]Config{"64 shards": {}, "4 shards": {MaxBytes: 4 << 20}} {
		s := openStore(t, config)
		for version := range 3 {
			var keys []string
			var texts [][]byte
			for i, n := range borderLengths(len("n:key000")) {
				if version == 1 {
					n = max(n-wordSize, 0) // mostly in place
				}
				keys = append(keys, fmt.Sprintf("key%03d", i))
				texts = append(texts, textOf(version+i, n))
			}
			values := make([][]byte, len(texts))
			for i := range texts {
				values[i] = bytes.Clone(texts[i])
			}
			require.Nil(t, s.SetMany(ctx, keys, values, time.Hour), name)
			for i, got := range s.GetMany(ctx, keys) {
				require.NoError(t, got.Err)
				require.True(t, got.Found && bytes.Equal(texts[i], got.Value), "%s: a text of %d bytes", name, len(texts[i]))
				left, _, err := s.TTL(ctx, keys[i])
				require.NoError(t, err)
				require.Positive(t, left)
			}
			verify(t, s.kv)
			if version == 2 {
				require.Nil(t, s.DelMany(ctx, keys))
				verify(t, s.kv)
				require.Zero(t, s.kv.Stats().Entries)
			}
		}
	}
}
