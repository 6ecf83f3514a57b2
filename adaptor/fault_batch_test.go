package adaptor_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// In a batch without driver.Batch, each step fails in each way, or the caller leaves during it. Each key has its
// own outcome, and the error of the batch is unknown exactly if the outcome of a key is unknown.
func TestEachFaultAtEachStepOfABatch(t *testing.T) {
	keys := []string{"a", "b", "c", "d"}
	before := map[string]at{"a": {oldText, 60}, "b": {placeholderText, 60}, "c": {}, "d": {oldText, 0}}
	for name, batch := range map[string]struct {
		do    func(ctx context.Context, h adaptor.Typed[string]) ([]adaptor.Result[string], error)
		after func(before at) at
	}{
		"GetMany": {func(ctx context.Context, h adaptor.Typed[string]) ([]adaptor.Result[string], error) {
			return h.GetMany(ctx, keys)
		}, func(before at) at { return before }},
		"DelMany": {func(ctx context.Context, h adaptor.Typed[string]) ([]adaptor.Result[string], error) {
			return nil, h.DelMany(ctx, keys)
		}, func(at) at { return at{} }},
		"SetMany": {func(ctx context.Context, h adaptor.Typed[string]) ([]adaptor.Result[string], error) {
			return nil, h.SetMany(ctx, map[string]string{"a": "new", "b": "new", "c": "new", "d": "new"})
		}, func(at) at { return at{text("new"), 120} }},
		"SetMany, WithKeepTTL": {func(ctx context.Context, h adaptor.Typed[string]) ([]adaptor.Result[string], error) {
			return nil, h.SetMany(ctx, map[string]string{"a": "new", "b": "new", "c": "new", "d": "new"}, adaptor.WithKeepTTL())
		}, func(before at) at { return kept(before, before.text == oldText, "new") }},
	} {
		run := func(t *testing.T, n, step int) (steps int) {
			synctest.Test(t, func(t *testing.T) {
				ctx, leave := context.WithCancel(ctx)
				defer leave()
				all := append(leaving(leave), faults...)
				p := newShelf().process()
				for key, before := range before {
					if before.text != "" {
						p.entries[key] = before.shelved()
					}
				}
				what := "no fault"
				p.trouble = func(context.Context, string) *fault {
					steps++
					if n >= 0 && steps == step+1 {
						what = fmt.Sprint(all[n].name, ", step ", step)
						return all[n]
					}
					return nil
				}
				results, err := batch.do(ctx, adaptor.Of[string](p.store(t), adaptor.DefaultTTL(2*time.Hour)))
				perKey := make(adaptor.KeyErrors, len(keys))
				if err != nil {
					require.GreaterOrEqual(t, n, 0)
					require.ErrorAs(t, err, &perKey, what)
					require.Len(t, perKey, len(keys), what)
				}
				for i, key := range keys {
					before, after, want := before[key], p.at(key), batch.after(before[key])
					err := perKey[i]
					if results != nil {
						assert.Equal(t, err, results[i].Err, what)
						assert.Equal(t, err == nil && before.text == oldText, results[i].Found, what)
					}
					switch {
					case err == nil:
						assert.Equal(t, want, after, "%s, key %s", what, key)
					case !adaptor.OutcomeUnknown(err):
						assert.Equal(t, before, after, "%s, key %s: the error claims that nothing was applied", what, key)
					case errors.Is(err, errRefused):
						assert.NotEqual(t, before, after, "%s, key %s: the outcome is known", what, key)
					}
				}
				assert.Equal(t, slices.ContainsFunc(perKey, adaptor.OutcomeUnknown), adaptor.OutcomeUnknown(err), what)
				assert.Equal(t, slices.ContainsFunc(perKey, func(err error) bool { return err != nil }), err != nil, what)
			})
			return steps
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for step := range run(t, -1, 0) {
				for n := range len(faults) + 2 {
					run(t, n, step)
				}
			}
		})
	}
}

// tree is a process that keeps namespaces apart and lists its keys. It has no driver.Clearer.
type tree struct{ *process }

func (t tree) OpenAtomic(path []string) (driver.AtomicStore, error) {
	return treeStore{t.process, driver.Key(path, "")}, nil
}

type treeStore struct {
	*process
	prefix string
}

func (s treeStore) Set(ctx context.Context, key string, text []byte, ttl time.Duration) error {
	return s.process.Set(ctx, s.prefix+key, text, ttl)
}

func (s treeStore) Del(ctx context.Context, key string) error {
	return s.process.Del(ctx, s.prefix+key)
}

// Keys lists the first half of the keys, and makes a step before the second half.
func (s treeStore) Keys(ctx context.Context, below bool, yield func([]string, string) bool) error {
	all := s.under(s.prefix, below)
	for i, physical := range all {
		if i == len(all)/2 {
			if err := s.step(ctx, "Keys", "", func(e shelved, found bool) (shelved, bool) { return e, found }); err != nil {
				return err
			}
		}
		if path, key, _ := driver.Under(s.prefix, physical); !yield(path, key) {
			return nil
		}
	}
	return nil
}

// under returns the sorted physical keys of a namespace.
func (s *shelf) under(prefix string, below bool) (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for physical := range s.entries {
		if path, _, ok := driver.Under(prefix, physical); ok && (below || len(path) == 0) {
			all = append(all, physical)
		}
	}
	slices.Sort(all)
	return all
}

// In a Clear without driver.Clearer, each step fails in each way, or the caller leaves during it. An error that
// is surely not applied has removed nothing, no other namespace loses a key, and a second Clear removes the rest.
func TestEachFaultAtEachStepOfAClear(t *testing.T) {
	for _, below := range []bool{false, true} {
		run := func(t *testing.T, n, step int) (steps int) {
			synctest.Test(t, func(t *testing.T) {
				ctx, leave := context.WithCancel(ctx)
				defer leave()
				all := append(leaving(leave), faults...)
				p := newShelf().process()
				for path, keys := range map[string]int{"ns": 502, "ns/a": 2, "ns/b": 2, "nsAbc": 1, "other": 1} {
					for i := range keys {
						p.entries[fmt.Sprint(path, ":", i)] = shelved{text: "1"}
					}
				}
				total, cleared := len(p.entries), 502
				if below {
					cleared += 4
				}
				what := "no fault"
				p.trouble = func(_ context.Context, op string) *fault {
					steps++
					if n >= 0 && steps == step+1 {
						what = fmt.Sprint(all[n].name, ", step ", step, ", ", op)
						return all[n]
					}
					return nil
				}
				s, err := adaptor.NewAtomic(tree{p}).Namespace("ns")
				require.NoError(t, err)
				clearAll := s.Clear
				if below {
					clearAll = s.ClearTree
				}
				err = clearAll(ctx)
				left := len(p.entries)
				switch {
				case err == nil:
					assert.Equal(t, total-cleared, left, what)
				case n < 0:
					assert.NoError(t, err)
				case !adaptor.OutcomeUnknown(err):
					assert.Equal(t, total, left, "%s: the error claims that nothing was applied", what)
				case errors.Is(err, errRefused):
					assert.Less(t, left, total, "%s: the outcome is known", what)
				}
				assert.Len(t, p.under("nsAbc:", true), 1, what)
				assert.Len(t, p.under("other:", true), 1, what)
				if !below {
					assert.Len(t, p.under("ns:", true), 4+len(p.under("ns:", false)), what)
				}
				p.trouble = nil
				require.NoError(t, clearAll(context.WithoutCancel(ctx)))
				assert.Len(t, p.entries, total-cleared, "%s: the second Clear", what)
			})
			return steps
		}
		t.Run(fmt.Sprint("below ", below), func(t *testing.T) {
			t.Parallel()
			steps := run(t, -1, 0)
			for _, step := range []int{0, 1, 2, 499, 500, 501, 502, 503, 504, steps - 1} {
				for n := range len(faults) + 2 {
					run(t, n, step)
				}
			}
		})
	}
}

// ClearTree removes the keys of all namespaces below and no other key, through every kind of wrapper.
func TestClearTreeThroughWrappers(t *testing.T) {
	pass := func(ctx context.Context, c *driver.Call) error { return c.Next(ctx) }
	for name, wrap := range map[string]func(a, tenant adaptor.AtomicKVAdaptor) adaptor.KVAdaptor{
		"a store": func(_, tenant adaptor.AtomicKVAdaptor) adaptor.KVAdaptor { return adaptor.WithoutAtomic(tenant) },
		"Intercept": func(_, tenant adaptor.AtomicKVAdaptor) adaptor.KVAdaptor {
			return adaptor.WithoutAtomic(adaptor.Intercept(tenant, pass))
		},
		"Intercept twice": func(_, tenant adaptor.AtomicKVAdaptor) adaptor.KVAdaptor {
			return adaptor.WithoutAtomic(adaptor.Intercept(adaptor.Intercept(tenant, pass), pass))
		},
		"a store of Intercept": func(a, _ adaptor.AtomicKVAdaptor) adaptor.KVAdaptor {
			s, err := adaptor.Intercept(a, pass).Namespace("tenant")
			require.NoError(t, err)
			return adaptor.WithoutAtomic(s)
		},
		"a custom adaptor": func(_, tenant adaptor.AtomicKVAdaptor) adaptor.KVAdaptor {
			return adaptor.WithoutAtomic(adaptor.Intercept(opaque{tenant}, pass))
		},
	} {
		p := newShelf().process()
		stay := []string{"other:1", "tenant:1", "tenant/nsAbc:1", "tenant/tenant/ns/a:1", "ns/a:1", "ns:1", "a:1", "b:1", "tenant/a:1"}
		for _, physical := range append(stay, "tenant/ns:1", "tenant/ns/a:1", "tenant/ns/a:2", "tenant/ns/b:1", "tenant/ns/b/c:1") {
			p.entries[physical] = shelved{text: "1"}
		}
		a := adaptor.NewAtomic(tree{p})
		tenant, err := a.Namespace("tenant")
		require.NoError(t, err)
		s, err := wrap(a, tenant).Namespace("ns")
		require.NoError(t, err)
		require.NoError(t, s.ClearTree(ctx), name)
		assert.ElementsMatch(t, stay, slices.Collect(maps.Keys(p.entries)), name)
	}
}

// opaque is an adaptor of another package. It has no method Driver.
type opaque struct{ kv adaptor.AtomicKVAdaptor }

func (o opaque) Namespace(name string) (*adaptor.AtomicKVStore, error) { return o.kv.Namespace(name) }

// If the store refuses every key of a Clear, the Clear was surely not applied. If it answers none, the outcome is
// unknown.
func TestClearOfAStoreThatFailsForEachKey(t *testing.T) {
	for _, f := range faults {
		synctest.Test(t, func(t *testing.T) {
			p := newShelf().process()
			for i := range 3 {
				p.entries[fmt.Sprint("ns:", i)] = shelved{text: "1"}
			}
			p.trouble = func(_ context.Context, op string) *fault {
				if op == "Del" {
					return f
				}
				return nil
			}
			s, err := adaptor.NewAtomic(tree{p}).Namespace("ns")
			require.NoError(t, err)
			err = s.Clear(ctx)
			assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, f.name)
			assert.Equal(t, f.name != "refused", adaptor.OutcomeUnknown(err), f.name)
			if f.name == "refused" {
				assert.Len(t, p.under("ns:", false), 3)
			}
		})
	}
}
