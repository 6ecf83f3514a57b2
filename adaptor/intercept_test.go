package adaptor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/namespace"
	"github.com/zelt-go/kv/memory"
)

// pass is an interceptor that only calls Next.
func pass(ctx context.Context, call *driver.Call) error { return call.Next(ctx) }

// custom is an adaptor type of a program: every name goes to another namespace.
type custom struct{ kv adaptor.AtomicKVAdaptor }

func (c custom) Namespace(name string) (*adaptor.AtomicKVStore, error) {
	s, err := c.kv.Namespace("custom")
	if err != nil {
		return nil, err
	}
	return s.Namespace("x" + name)
}

func opened(t *testing.T, a adaptor.AtomicKVAdaptor, path ...string) *adaptor.AtomicKVStore {
	t.Helper()
	s, err := a.Namespace(path[0])
	for _, name := range path[1:] {
		require.NoError(t, err)
		s, err = s.Namespace(name)
	}
	require.NoError(t, err)
	return s
}

// ways are adaptors over kv, and the path in kv of their namespace "users".
func ways(t *testing.T, kv adaptor.AtomicKVAdaptor) map[string]struct {
	a    adaptor.AtomicKVAdaptor
	path []string
} {
	tenant := opened(t, kv, "tenant")
	return map[string]struct {
		a    adaptor.AtomicKVAdaptor
		path []string
	}{
		"itself":             {adaptor.NewAtomic(adaptor.Driver(kv)), []string{"users"}},
		"a store":            {adaptor.NewAtomic(adaptor.Driver(tenant)), []string{"tenant", "users"}},
		"a store of a store": {adaptor.NewAtomic(adaptor.Driver(opened(t, kv, "a", "b"))), []string{"a", "b", "users"}},
		"another type":       {adaptor.NewAtomic(adaptor.Driver(custom{kv})), []string{"custom", "xusers"}},
		"intercepted":        {adaptor.Intercept(kv, pass), []string{"users"}},
		"intercepted twice":  {adaptor.Intercept(adaptor.Intercept(kv, pass), pass), []string{"users"}},
		"intercepted store":  {adaptor.Intercept(tenant, pass), []string{"tenant", "users"}},
		"store of intercepted": {
			adaptor.Intercept(opened(t, adaptor.Intercept(tenant, pass), "deep"), pass), []string{"tenant", "deep", "users"},
		},
		"intercepted type": {adaptor.Intercept(custom{adaptor.Intercept(kv, pass)}, pass), []string{"custom", "xusers"}},
	}
}

func TestDriverReachesTheSameData(t *testing.T) {
	kv := newKV()
	for name, w := range ways(t, kv) {
		s := opened(t, w.a, "users")
		require.NoError(t, s.Set(ctx, "k", name), name)
		value, _, err := adaptor.Get[string](ctx, opened(t, kv, w.path...), "k")
		require.NoError(t, err)
		assert.Equal(t, name, value)
		child := opened(t, w.a, "users", "child")
		require.NoError(t, child.Set(ctx, "k", name), name)
		value, _, err = adaptor.Get[string](ctx, opened(t, kv, append(w.path, "child")...), "k")
		require.NoError(t, err)
		assert.Equal(t, name, value)

		n := 0
		for key, err := range s.Tree(ctx) {
			require.NoError(t, err)
			assert.Equal(t, "k", key.Key)
			n++
		}
		assert.Equal(t, 2, n, name)
		require.NoError(t, s.ClearTree(ctx))
		has, err := child.Has(ctx, "k")
		require.NoError(t, err)
		assert.False(t, has)
	}
}

func TestErrorsContainTheWholePath(t *testing.T) {
	kv := newKV()
	for name, w := range ways(t, kv) {
		whole := driver.Key(w.path, "")
		whole = whole[:len(whole)-1]
		s := opened(t, w.a, "users")
		for op, err := range map[string]error{
			"Set":       s.Set(ctx, "k", make(chan int)),
			"Expire":    func() error { _, err := s.Expire(ctx, "k", -1); return err }(),
			"Namespace": func() error { _, err := s.Namespace(""); return err }(),
			"Get":       func() error { _ = s.Set(ctx, "k", "x"); _, _, err := adaptor.Get[int](ctx, s, "k"); return err }(),
			"Incr":      func() error { _, err := s.Incr(ctx, "k", 1); return err }(),
		} {
			var e *adaptor.Error
			require.ErrorAs(t, err, &e, op)
			assert.Equal(t, whole, e.Namespace, "%s %s", name, op)
			assert.Equal(t, op, e.Op)
		}
	}
	_, err := adaptor.NewAtomic(adaptor.Driver(opened(t, kv, "tenant"))).Namespace("")
	assert.ErrorContains(t, err, `kv: Namespace in namespace "tenant": EMPTY_NAMESPACE`)
}

// namespace.Of tells kvmodule.Provide which handles overlap, whatever is between them and the backend.
func TestPlaceIsTheInnermost(t *testing.T) {
	kv := newKV()
	other := namespace.Of(opened(t, newKV(), "users"))
	for name, w := range ways(t, kv) {
		p, want := namespace.Of(opened(t, w.a, "users")), namespace.Of(opened(t, kv, w.path...))
		assert.Equal(t, want, p, name)
		assert.True(t, p.Contains(want) && want.Contains(p), name)
		assert.False(t, p.Contains(other), name)
	}
}

func TestLoadsAreSharedThroughWrappers(t *testing.T) {
	kv := newKV()
	for name, w := range ways(t, kv) {
		var loads atomic.Int32
		var callers sync.WaitGroup
		entered, leave := make(chan struct{}), make(chan struct{})
		load := func(context.Context) (adaptor.Loaded[int], error) {
			if loads.Add(1) == 1 {
				close(entered)
			}
			<-leave
			return adaptor.Loaded[int]{Value: 7}, nil
		}
		get := func(a adaptor.AtomicKVAdaptor, path ...string) {
			s := opened(t, a, path...)
			callers.Go(func() {
				value, found, err := adaptor.Of[int](s).GetOrLoad(ctx, "k", load)
				assert.NoError(t, err)
				assert.True(t, found)
				assert.Equal(t, 7, value)
			})
		}
		get(w.a, "users")
		<-entered
		get(kv, w.path...)
		get(w.a, "users")
		time.Sleep(10 * time.Millisecond) // a second load would begin by now
		close(leave)
		callers.Wait()
		assert.EqualValues(t, 1, loads.Load(), name)
		require.NoError(t, opened(t, kv, w.path...).Clear(ctx))
	}
}

// counting counts how often a store is opened.
type counting struct {
	driver.AtomicOpener
	paths *[][]string
}

func (c counting) OpenAtomic(path []string) (driver.AtomicStore, error) {
	*c.paths = append(*c.paths, slices.Clone(path))
	return c.AtomicOpener.OpenAtomic(path)
}

func TestNamespaceThroughAWrapperOpensOnce(t *testing.T) {
	var paths [][]string
	kv := adaptor.NewAtomic(counting{adaptor.Driver(newKV()), &paths})
	tenant := opened(t, kv, "tenant")
	for name, a := range map[string]adaptor.AtomicKVAdaptor{
		"Driver":             adaptor.NewAtomic(adaptor.Driver(tenant)),
		"Intercept":          adaptor.Intercept(tenant, pass),
		"Intercept twice":    adaptor.Intercept(adaptor.Intercept(tenant, pass), pass),
		"store of Intercept": adaptor.Intercept(adaptor.Intercept(tenant, pass), pass),
	} {
		paths = nil
		s := opened(t, a, "users")
		assert.Equal(t, [][]string{{"tenant", "users"}}, paths, name)
		paths = nil
		opened(t, s, "admin")
		assert.Equal(t, [][]string{{"tenant", "users", "admin"}}, paths, name)
	}
}

// A Call of a read that finds only a placeholder does not count as found.
func TestFoundIsFalseForAPlaceholder(t *testing.T) {
	found := map[string]bool{}
	s := opened(t, adaptor.Intercept(newKV(), func(ctx context.Context, c *driver.Call) error {
		err := c.Next(ctx)
		found[c.Method] = c.Found || c.Count > 0 && c.Method == "GetMany"
		return err
	}), "users")
	h := adaptor.Of[int](s, adaptor.NoneTTL(time.Hour))
	for range 2 {
		_, is, err := h.GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) {
			return adaptor.Loaded[int]{None: true}, nil
		})
		require.NoError(t, err)
		assert.False(t, is)
	}
	_, _, err := s.GetRaw(ctx, "k")
	require.NoError(t, err)
	_, err = s.GetMany(ctx, []string{"k"})
	require.NoError(t, err)
	_, _, err = s.GetDel(ctx, "k")
	require.NoError(t, err)
	for _, method := range []string{"Get", "GetMany", "GetDel"} {
		is, called := found[method]
		assert.True(t, called, method)
		assert.False(t, is, method)
	}
}

// embedding is an adaptor type that embeds a MemoryKV and has a Namespace of its own.
type embedding struct{ *memory.MemoryKV }

func (e embedding) Namespace(name string) (*adaptor.AtomicKVStore, error) {
	s, err := e.MemoryKV.Namespace("tenant")
	if err != nil {
		return nil, err
	}
	return s.Namespace(name)
}

type embeddingPointer struct{ *embedding }

// The Driver of an embedded adaptor does not bypass the Namespace of the outer type.
func TestDriverOfATypeThatEmbedsAnAdaptor(t *testing.T) {
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	for _, a := range []adaptor.AtomicKVAdaptor{embedding{kv}, &embedding{kv}, embeddingPointer{&embedding{kv}}} {
		s := opened(t, adaptor.Intercept(a, pass), "users")
		require.NoError(t, s.Set(ctx, "k", 1))
		has, err := opened(t, kv, "tenant", "users").Has(ctx, "k")
		require.NoError(t, err)
		assert.True(t, has)
		has, err = opened(t, kv, "users").Has(ctx, "k")
		require.NoError(t, err)
		assert.False(t, has)
		require.NoError(t, s.Del(ctx, "k"))
	}
}

func TestDriverOfNothing(t *testing.T) {
	assert.Nil(t, adaptor.Driver(nil))
	var noKV *memory.MemoryKV
	for name, a := range map[string]adaptor.AtomicKVAdaptor{
		"nil": adaptor.Intercept(nil, pass), "no interceptor": adaptor.Intercept(newKV(), nil),
		"nil store":    adaptor.NewAtomic(adaptor.Driver((*adaptor.AtomicKVStore)(nil))),
		"zero store":   adaptor.Intercept(&adaptor.AtomicKVStore{}, pass),
		"nil memory":   adaptor.Intercept(noKV, pass),
		"nil backend":  adaptor.Intercept(adaptor.NewAtomic(nil), pass),
		"failing type": adaptor.Intercept(custom{adaptor.NewAtomic(&backend{openErr: driver.Reason(errMine, "out of order")})}, pass),
	} {
		s, err := a.Namespace("users")
		assert.Nil(t, s, name)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
		if name == "failing type" {
			assert.EqualError(t, err, "kv: Namespace: STORE_OPERATION_FAILED: out of order")
		}
	}
}

var errMine = errors.New("mine")

// A backend that cannot be compared, such as a slice type, is told from another by its adaptor.
func TestABackendThatCannotBeCompared(t *testing.T) {
	kv := adaptor.NewAtomic(openers{&backend{}})
	s := opened(t, adaptor.Intercept(kv, pass), "users")
	assert.Equal(t, namespace.Of(opened(t, kv, "users")), namespace.Of(s))
	_, _, err := adaptor.Of[int](s).GetOrLoad(ctx, "k", func(context.Context) (adaptor.Loaded[int], error) {
		return adaptor.Loaded[int]{Value: 1}, nil
	})
	assert.NoError(t, err)
}

type openers []*backend

func (o openers) OpenAtomic(path []string) (driver.AtomicStore, error) { return o[0].OpenAtomic(path) }

func TestPing(t *testing.T) {
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	require.NoError(t, adaptor.Ping(ctx, kv))
	require.NoError(t, adaptor.Ping(ctx, opened(t, kv, "tenant")))
	require.NoError(t, adaptor.Ping(ctx, adaptor.WithoutAtomic(kv)))
	assert.Zero(t, kv.Stats().Misses, "Ping is not a read of a key")
	assert.Zero(t, kv.Stats().Entries)

	b := &backend{}
	require.NoError(t, adaptor.Ping(ctx, adaptor.New(b)))
	assert.Equal(t, []string{`Has ["ping"] ""`}, b.calls, "a backend without Pinger gets one Has")

	var calls []string
	i := func(ctx context.Context, c *driver.Call) error {
		calls = append(calls, c.Method)
		return c.Next(ctx)
	}
	require.NoError(t, adaptor.Ping(ctx, adaptor.Intercept(kv, i)))
	require.NoError(t, adaptor.Ping(ctx, adaptor.Intercept(adaptor.NewAtomic(b), i)))
	assert.Equal(t, []string{"Ping", "Ping"}, calls)

	b.err = driver.Unknown(fmt.Errorf("secret: %w", errMine))
	err = adaptor.Ping(ctx, adaptor.NewAtomic(b))
	assert.EqualError(t, err, `kv: Ping in namespace "ping": STORE_OPERATION_FAILED: an error of type *errors.errorString`)
	assert.ErrorIs(t, err, errMine)
	assert.False(t, adaptor.OutcomeUnknown(err), "a read")

	closed := driver.Reason(errMine, "closed")
	err = adaptor.Ping(ctx, adaptor.NewAtomic(&backend{openErr: closed}))
	assert.EqualError(t, err, "kv: Namespace: STORE_OPERATION_FAILED: closed", "the backend opens no store")
	assert.ErrorIs(t, err, errMine)

	done, cancel := context.WithCancel(ctx)
	cancel()
	assert.ErrorIs(t, adaptor.Ping(done, kv), context.Canceled)
	var none adaptor.AtomicKVAdaptor
	var noStore *adaptor.KVStore
	for _, err := range []error{adaptor.Ping(ctx, none), adaptor.Ping(ctx, noStore), adaptor.Ping(ctx, adaptor.NewAtomic(nil)), adaptor.Ping(ctx, emptyAdaptor{})} {
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	}
}

// emptyAdaptor opens no store and returns no error.
type emptyAdaptor struct{}

func (emptyAdaptor) Namespace(string) (adaptor.Reader, error) { return nil, nil }

// A refused operation of the front is an *Error with the refusal as its cause.
func TestARefusalReachesTheCaller(t *testing.T) {
	limit := driver.Reason(errMine, "more than 10 calls per second")
	s := opened(t, adaptor.Intercept(newKV(), func(context.Context, *driver.Call) error { return limit }), "users")
	for _, o := range operations {
		err := o.call(ctx, s)
		assert.EqualError(t, err, `kv: `+o.op+` in namespace "users": STORE_OPERATION_FAILED: more than 10 calls per second`)
		assert.ErrorIs(t, err, errMine)
		assert.False(t, adaptor.OutcomeUnknown(err), "surely not applied")
	}
}
