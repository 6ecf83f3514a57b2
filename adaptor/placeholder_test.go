package adaptor_test

import (
	"context"
	"errors"
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

// counted is a loader that counts how often it runs.
func counted[T any](n *atomic.Int64, load func(context.Context) (adaptor.Loaded[T], error)) func(context.Context) (adaptor.Loaded[T], error) {
	return func(ctx context.Context) (adaptor.Loaded[T], error) {
		n.Add(1)
		return load(ctx)
	}
}

// Two processes share a note. However the load of the one that put it there ends, the other's goes on
// as if it were alone: it is the only one in its process, and is stored.
func TestTheEndOfALoadElsewhere(t *testing.T) {
	for name, first := range map[string]func(context.Context) (adaptor.Loaded[int], error){
		"fails": func(context.Context) (adaptor.Loaded[int], error) {
			time.Sleep(2 * time.Second)
			return adaptor.Loaded[int]{}, io.EOF
		},
		"none": func(context.Context) (adaptor.Loaded[int], error) {
			time.Sleep(2 * time.Second)
			return adaptor.Loaded[int]{None: true}, nil
		},
		"panics": func(context.Context) (adaptor.Loaded[int], error) { time.Sleep(2 * time.Second); panic("boom") },
		"left":   slowly(time.Hour, 5), // its caller has two seconds
		"left, and begun anew": func(ctx context.Context) (adaptor.Loaded[int], error) {
			time.Sleep(4 * time.Second) // whatever its context says
			return adaptor.Loaded[int]{}, io.EOF
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := newShelf()
				one, other := adaptor.Of[int](shared.process().store(t)), adaptor.Of[int](shared.process().store(t))
				var loads atomic.Int64
				load := counted(&loads, slowly(10*time.Second, 7))
				together(4, func(i int) {
					time.Sleep(time.Duration(i) * time.Second)
					switch {
					case i == 0:
						c, cancel := context.WithTimeout(ctx, 2*time.Second)
						defer cancel()
						defer func() { _ = recover() }()
						_, _, _ = one.GetOrLoad(c, "k", first)
					case i == 3 && name == "left, and begun anew":
						c, cancel := context.WithTimeout(ctx, time.Second)
						defer cancel()
						_, _, _ = one.GetOrLoad(c, "k", slowly(time.Hour, 6))
					default:
						value, _, err := other.GetOrLoad(ctx, "k", load)
						assert.NoError(t, err)
						assert.Equal(t, 7, value)
					}
				})
				assert.EqualValues(t, 1, loads.Load())
				value, found, err := other.Get(ctx, "k")
				require.NoError(t, err)
				assert.True(t, found, "stored")
				assert.Equal(t, 7, value)
			})
		})
	}
}

// Who shares a note, and whose own load ends first, stores its result; the other's is not stored any more.
func TestEitherOfTwoProcessesStores(t *testing.T) {
	for _, firstTakes := range []time.Duration{2 * time.Second, 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			shared := newShelf()
			together(2, func(i int) {
				time.Sleep(time.Duration(i) * time.Second)
				takes := []time.Duration{firstTakes, 2 * time.Second}[i]
				_, _, err := adaptor.Of[int](shared.process().store(t)).GetOrLoad(ctx, "k", slowly(takes, i))
				assert.NoError(t, err)
			})
			value, found, err := adaptor.Of[int](shared.process().store(t)).Get(ctx, "k")
			require.NoError(t, err)
			assert.True(t, found)
			assert.Equal(t, map[time.Duration]int{2 * time.Second: 0, 4 * time.Second: 1}[firstTakes], value)
		})
	}
}

// A load keeps its note as long as it takes: one load for all, and it is stored.
func TestALongLoad(t *testing.T) {
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
				assert.Equal(t, "7", shared.entries["k"].text, "nobody touches it any more")
			})
		})
	}
}

// Nobody gives a note its time again once a write has taken it away, or its load has ended.
func TestANoteIsNotKeptForEver(t *testing.T) {
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
			assert.EqualValues(t, 23, swaps.Load(), "each 2½ minutes")
			assert.NoError(t, h.Del(ctx, "k"))
			time.Sleep(time.Hour)
			return adaptor.Loaded[int]{}, io.EOF
		})
		require.ErrorIs(t, err, io.EOF)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		assert.EqualValues(t, 23+2, swaps.Load(), "once more, as it was put there and as if it were shared")
	})
}

// A store that is down while a load ends is not asked to keep its note for ever after.
func TestALoadThatEndsWhileItsNoteIsRenewed(t *testing.T) {
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
		_, _, err := adaptor.Of[int](p.store(t)).GetOrLoad(ctx, "k", slowly(150*time.Second+time.Millisecond, 7))
		require.NoError(t, err)
		time.Sleep(24 * time.Hour)
		assert.EqualValues(t, 2, swaps.Load(), "once to renew, once to store")
	})
}

// Of a note whose answer was lost nobody knows whether it lies there. A caller after a Del gets no old value;
// what was loaded is stored if it does.
func TestANoteWhoseAnswerWasLost(t *testing.T) {
	for name, applied := range map[string]bool{"it lies there": true, "it does not": false} {
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

// lossy is a process that gets no answer to its next lost SetNX.
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

// What may be stored after all is looked at: no report if it is.
func TestAResultWhoseAnswerWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newShelf().process()
		lose := true
		p.fail = func(op string) error {
			if op == "CompareAndSwap" && lose {
				return driver.Unknown(io.EOF)
			}
			return nil
		}
		told := 0
		h := adaptor.Of[int](p.store(t), adaptor.OnUnstored(func(_ context.Context, err error) {
			told++
			assert.True(t, adaptor.OutcomeUnknown(err))
		}))
		_, _, err := h.GetOrLoad(ctx, "k", slowly(0, 7))
		require.NoError(t, err)
		assert.Equal(t, 1, told, "it is not there")

		_, _, err = h.GetOrLoad(ctx, "k", func(ctx context.Context) (adaptor.Loaded[int], error) {
			return adaptor.Loaded[int]{Value: 7}, h.Set(ctx, "k", 8)
		})
		require.NoError(t, err)
		assert.Equal(t, 1, told, "somebody's value is there")
	})
}

// A backend that hangs after a load holds nobody for ever.
func TestABackendThatHangsAfterALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &hanging{process: newShelf().process()}
		s, err := adaptor.NewAtomic(p).Namespace("ns")
		require.NoError(t, err)
		begin := time.Now()
		value, _, err := adaptor.Of[int](s).GetOrLoad(ctx, "k", func(ctx context.Context) (adaptor.Loaded[int], error) {
			defer p.hangs.Store(true)
			return adaptor.Loaded[int]{Value: 7}, s.Del(ctx, "k")
		})
		require.NoError(t, err)
		assert.Equal(t, 7, value)
		assert.Less(t, time.Since(begin), time.Minute)
	})
}

type hanging struct {
	*process
	hangs atomic.Bool
}

func (p *hanging) OpenAtomic([]string) (driver.AtomicStore, error) { return p, nil }

func (p *hanging) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if p.hangs.Load() {
		<-ctx.Done()
		return nil, false, ctx.Err()
	}
	return p.process.Get(ctx, key)
}

// Two backends whose values can't be compared are two all the same.
func TestBackendsThatCantBeCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		together(2, func(i int) {
			p := newShelf().process()
			p.pause = func(op string) {
				if op == "SetNX" {
					time.Sleep(time.Second)
				}
			}
			s, err := adaptor.NewAtomic(uncomparable{process: p}).Namespace("ns")
			assert.NoError(t, err)
			value, _, err := adaptor.Of[int](s).GetOrLoad(ctx, "k", slowly(time.Second, i))
			assert.NoError(t, err)
			assert.Equal(t, i, value)
		})
	})
}

type uncomparable struct {
	*process
	_ []string
}

// Expire of a handle leaves a note as it is: the load goes on alone, "none" is remembered, and nothing lives longer.
func TestExpireLeavesNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := adaptor.Of[int](openMemory(t, "ns"), adaptor.NoneTTL(time.Minute))
		expire := func(key string) {
			for _, ttl := range []time.Duration{time.Millisecond, time.Hour} {
				found, err := h.Expire(ctx, key, ttl)
				assert.NoError(t, err)
				assert.False(t, found)
			}
		}
		var loads atomic.Int64
		together(3, func(i int) {
			time.Sleep(time.Duration(i) * time.Second)
			if i == 1 {
				expire("k")
				return
			}
			_, _, err := h.GetOrLoad(ctx, "k", counted(&loads, slowly(10*time.Second, 7)))
			assert.NoError(t, err)
		})
		assert.EqualValues(t, 1, loads.Load())

		_, _, err := h.GetOrLoad(ctx, "none", none[int])
		require.NoError(t, err)
		expire("none")
		time.Sleep(time.Minute - 1)
		_, found, err := h.GetOrLoad(ctx, "none", refuse[int](t))
		require.NoError(t, err)
		assert.False(t, found)
		time.Sleep(time.Nanosecond)
		_, found, err = h.GetOrLoad(ctx, "none", slowly(0, 7))
		require.NoError(t, err)
		assert.True(t, found)
	})
}

// Expire reaches a value that others rewrite meanwhile, and says when it can't.
func TestExpireOfAValueThatChanges(t *testing.T) {
	p := newShelf().process()
	h := adaptor.Of[int](p.store(t))
	require.NoError(t, h.Set(ctx, "k", 1))
	rewrites := 3
	p.pause = func(op string) {
		if op == "CompareAndSwap" && rewrites > 0 {
			rewrites--
			p.entries["k"] = shelved{text: string(rune('5' + rewrites))}
		}
	}
	found, err := h.Expire(ctx, "k", time.Hour)
	require.NoError(t, err)
	assert.True(t, found)
	assert.False(t, p.entries["k"].deadline.IsZero())

	for _, op := range []string{"Get", "CompareAndSwap"} {
		p.fail = func(o string) error {
			if o == op {
				return driver.Unknown(errors.New("no answer"))
			}
			return nil
		}
		found, err = h.Expire(ctx, "k", time.Hour)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		assert.False(t, found)
	}
}

// To Swap a note is a missing key, and a new entry has no deadline to keep.
func TestSwapKeepsNoNotesDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, "ns")
		h := adaptor.Of[string](s, adaptor.NoneTTL(time.Minute))
		_, _, err := h.GetOrLoad(ctx, "k", none[string])
		require.NoError(t, err)
		_, found, err := s.Swap(ctx, "k", "v", adaptor.WithKeepTTL())
		require.NoError(t, err)
		assert.False(t, found)
		time.Sleep(time.Hour)
		value, _, err := h.Get(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, "v", value)
	})
}
