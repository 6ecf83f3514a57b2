package adaptor_test

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// A load keeps its placeholder until it ends: callers share one load, and its result is stored.
func TestLongLoadKeepsItsPlaceholder(t *testing.T) {
	for name, n := range map[string]int{"alone": 1, "shared by another process": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := newShelf()
				var loads [2]atomic.Int64
				stores := []*adaptor.AtomicKVStore{shared.process().store(t), shared.process().store(t)}
				together(20*n, func(i int) {
					h := adaptor.Of[int](stores[i%n])
					time.Sleep(time.Duration(i/n) * 3 * time.Minute)
					value, _, err := h.GetOrLoad(ctx, "k", counted(&loads[i%n], slowly(2*time.Hour, 7)))
					assert.NoError(t, err)
					assert.Equal(t, 7, value)
				})
				for i := range n {
					assert.EqualValues(t, 1, loads[i].Load())
				}
				synctest.Wait()
				assert.Equal(t, "7", shared.entries["k"].text)
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				assert.Equal(t, "7", shared.entries["k"].text, "no renewal after the load")
			})
		})
	}
}

// The renewal of a placeholder ends after a write has removed the placeholder.
func TestRenewalEndsAfterAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newShelf().process()
		var swaps atomic.Int64
		p.fail = func(op string) error {
			if op == "CompareAndSwap" {
				swaps.Add(1)
			}
			return nil
		}
		h := adaptor.Of[int](p.store(t))
		_, _, err := h.GetOrLoad(ctx, "k", func(ctx context.Context) (adaptor.Loaded[int], error) {
			time.Sleep(time.Hour - time.Second)
			synctest.Wait()
			assert.EqualValues(t, 35, swaps.Load(), "every 100 seconds")
			assert.NoError(t, h.Del(ctx, "k"))
			time.Sleep(time.Hour)
			return adaptor.Loaded[int]{}, io.EOF
		})
		require.ErrorIs(t, err, io.EOF)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		assert.EqualValues(t, 35+2, swaps.Load(), "one more renewal, which tries both forms of the placeholder")
	})
}

// The renewal ends with the load, also if the store fails while the load ends.
func TestRenewalEndsWithItsLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newShelf().process()
		var swaps atomic.Int64
		p.fail = func(op string) error {
			if op != "CompareAndSwap" {
				return nil
			}
			if swaps.Add(1) == 1 {
				time.Sleep(time.Second)
			}
			return io.EOF
		}
		_, _, err := adaptor.Of[int](p.store(t)).GetOrLoad(ctx, "k", slowly(100*time.Second+time.Millisecond, 7))
		require.NoError(t, err)
		time.Sleep(24 * time.Hour)
		assert.EqualValues(t, 2, swaps.Load(), "one renewal, and one write of the result")
	})
}

// If the store refuses a renewal, or its answer is lost, the load renews its placeholder soon again. The result
// of the load is stored, and callers still share the load.
func TestFailedRenewalIsTriedAgain(t *testing.T) {
	const leaseTTL = 5 * time.Minute
	for _, f := range faults {
		for _, failures := range []int{1, 2, 3} {
			for _, from := range []int{1, 2, 5} { // the first renewal that fails
				t.Run(fmt.Sprint(f.name, ", ", failures, " from ", from), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := newShelf().process()
						renewals := 0
						p.trouble = func(_ context.Context, op string) *fault {
							if op != "CompareAndSwap" {
								return nil
							}
							if renewals++; renewals >= from && renewals < from+failures {
								return f
							}
							return nil
						}
						h := adaptor.Of[int](p.store(t))
						var loads atomic.Int64
						together(5, func(i int) {
							time.Sleep(time.Duration(i) * 4 * time.Minute)
							value, _, err := h.GetOrLoad(ctx, "k", counted(&loads, slowly(20*time.Minute, 7)))
							assert.NoError(t, err)
							assert.Equal(t, 7, value)
						})
						assert.EqualValues(t, 1, loads.Load())
						assert.Equal(t, "7", p.at("k").text, "the result is stored")
						assert.Greater(t, renewals, int(20*time.Minute/leaseTTL), "the renewals continue")
						assert.Less(t, renewals, 20, "a store in trouble is not flooded")
					})
				})
			}
		}
	}
}

// If the answer to the write of a placeholder was lost, the result is stored if the placeholder was
// applied. A caller after a Del gets no old value.
func TestPlaceholderWithALostAnswer(t *testing.T) {
	for name, applied := range map[string]bool{"applied": true, "not applied": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &lossy{process: newShelf().process(), applied: applied, lost: 1}
				s, err := adaptor.NewAtomic(p).Namespace("ns")
				require.NoError(t, err)
				var unstored []error
				h := adaptor.Of[string](s, adaptor.OnUnstored(func(_ context.Context, err error) { unstored = append(unstored, err) }))
				_, _, err = h.GetOrLoad(ctx, "first", slowly(0, "value"))
				require.NoError(t, err)
				_, found, err := h.Get(ctx, "first")
				require.NoError(t, err)
				assert.Equal(t, applied, found)
				if !applied {
					require.Len(t, unstored, 1)
					assert.EqualError(t, unstored[0], `kv: Set of GetOrLoad in namespace "ns": STORE_OPERATION_FAILED: EOF (outcome unknown: the write may have happened)`)
					assert.True(t, adaptor.OutcomeUnknown(unstored[0]))
				}

				p.lost = 1
				together(2, func(i int) {
					if i == 0 {
						_, _, err := h.GetOrLoad(ctx, "k", slowly(time.Minute, "old"))
						assert.NoError(t, err)
						return
					}
					time.Sleep(time.Second)
					assert.NoError(t, h.Del(ctx, "k"))
					value, _, err := h.GetOrLoad(ctx, "k", slowly(time.Second, "new"))
					assert.NoError(t, err)
					assert.Equal(t, "new", value)
				})
				value, _, err := h.Get(ctx, "k")
				require.NoError(t, err)
				assert.Equal(t, "new", value)
			})
		})
	}
}

// lossy is a process that gets no answer to the next SetNX calls; lost is their number.
type lossy struct {
	*process
	applied bool
	lost    int
}

func (l *lossy) OpenAtomic([]string) (driver.AtomicStore, error) { return l, nil }

func (l *lossy) SetNX(ctx context.Context, key string, text []byte, ttl time.Duration) (bool, error) {
	if l.lost == 0 {
		return l.process.SetNX(ctx, key, text, ttl)
	}
	l.lost--
	if l.applied {
		_, _ = l.process.SetNX(ctx, key, text, ttl)
	}
	return false, driver.Unknown(driver.Reason(io.EOF, "EOF"))
}
