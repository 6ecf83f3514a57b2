package driver_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

// unsupported implements every optional interface, and returns err from each of their methods.
type unsupported struct {
	driver.AtomicStore
	err   error
	calls *[]string
}

func (u unsupported) called(name string) error { *u.calls = append(*u.calls, name); return u.err }

func (u unsupported) Count(context.Context, string, int64, time.Duration) (int64, error) {
	return 0, u.called("Count")
}

func (u unsupported) GetDel(context.Context, string) ([]byte, bool, error) {
	return nil, false, u.called("GetDel")
}

func (u unsupported) Swap(context.Context, string, []byte, time.Duration) ([]byte, bool, error) {
	return nil, false, u.called("Swap")
}

func (u unsupported) GetExpire(context.Context, string, time.Duration) ([]byte, bool, error) {
	return nil, false, u.called("GetExpire")
}

func (u unsupported) Limit(context.Context, string, *driver.Limits, driver.LimitCall) (driver.Limited, error) {
	return driver.Limited{}, u.called("Limit")
}

func (u unsupported) Persist(context.Context, string) (bool, error) {
	return false, u.called("Persist")
}

func (u unsupported) GetMany(_ context.Context, keys []string) []driver.Got {
	return slices.Repeat([]driver.Got{{Err: u.called("GetMany")}}, len(keys))
}

func (u unsupported) SetMany(_ context.Context, keys []string, _ [][]byte, _ time.Duration) []error {
	return slices.Repeat([]error{u.called("SetMany")}, len(keys))
}

func (u unsupported) DelMany(_ context.Context, keys []string) []error {
	return slices.Repeat([]error{u.called("DelMany")}, len(keys))
}

func (u unsupported) Keys(context.Context, bool, func([]string, string) bool) error {
	return u.called("Keys")
}
func (u unsupported) Clear(context.Context, bool) error { return u.called("Clear") }
func (u unsupported) Ping(context.Context) error        { return u.called("Ping") }

// optional calls every helper function, and returns the errors by the name of the optional method.
func optional(o driver.AtomicOpener, s driver.AtomicStore) map[string]error {
	errs := map[string]error{
		"Count":     func() error { _, err := driver.Count(ctx, s, "n", 1, 0); return err }(),
		"Swap":      third(driver.Swap(ctx, s, "k", []byte("1"), 0)),
		"GetDel":    third(driver.GetDel(ctx, s, "k")),
		"GetExpire": third(driver.GetExpire(ctx, s, "k", time.Hour)),
		"Limit":     limit(s, driver.LimitCall{Need: 1, Take: 1}),
		"Persist":   second(driver.Persist(ctx, s, "k")),
		"GetMany":   driver.GetMany(ctx, s, []string{"k"})[0].Err,
		"Keys":      driver.Keys(ctx, s, false, func([]string, string) bool { return true }),
		"Clear":     driver.Clear(ctx, driver.Plain(o), []string{"ns"}, s, false),
		"Ping":      driver.Ping(ctx, s),
	}
	errs["SetMany"] = errors.Join(driver.SetMany(ctx, s, []string{"k"}, [][]byte{[]byte("1")}, 0)...)
	errs["DelMany"] = errors.Join(driver.DelMany(ctx, s, []string{"k"})...)
	return errs
}

// noFallback are the methods without a fallback: they need a list of keys, or have no form without a race.
var noFallback = []string{"Persist", "Keys", "Clear"}

func TestUnsupportedMeansNotAvailable(t *testing.T) {
	o := backends["bare"](t)
	bare := open(t, o, "ns")
	for _, cause := range []error{errors.ErrUnsupported, fmt.Errorf("no GETEX: %w", errors.ErrUnsupported)} {
		var calls []string
		for name, err := range optional(o, unsupported{bare, cause, &calls}) {
			if slices.Contains(noFallback, name) {
				assert.ErrorIs(t, err, errors.ErrUnsupported, name)
				assert.NotEmpty(t, driver.ReasonOf(err), name)
			} else {
				assert.NoError(t, err, name)
			}
			assert.Contains(t, calls, name)
		}
	}
}

// Without the interface, a helper does the same.
func TestFallbacks(t *testing.T) {
	o := backends["bare"](t)
	for name, err := range optional(o, open(t, o, "ns")) {
		assert.Equal(t, slices.Contains(noFallback, name), errors.Is(err, errors.ErrUnsupported), name)
		assert.Equal(t, slices.Contains(noFallback, name), err != nil, name)
	}
}

// A batch in which only some keys have the error ErrUnsupported is available: each key keeps its own result, and
// no key is tried twice.
func TestBatchWithAnUnsupportedKeyHasNoFallback(t *testing.T) {
	o := backends["bare"](t)
	for _, unsupported := range []int{0, 1, 2} {
		s := partly{open(t, o, "ns"), unsupported}
		keys := []string{"a", "b", "c"}
		got := driver.GetMany(ctx, s, keys)
		sets := driver.SetMany(ctx, s, keys, make([][]byte, 3), 0)
		dels := driver.DelMany(ctx, s, keys)
		for i := range keys {
			if i == unsupported {
				assert.ErrorIs(t, got[i].Err, errors.ErrUnsupported)
				assert.ErrorIs(t, sets[i], errors.ErrUnsupported)
				assert.ErrorIs(t, dels[i], errors.ErrUnsupported)
				continue
			}
			assert.Equal(t, driver.Got{Value: []byte("batch"), Found: true}, got[i])
			assert.NoError(t, sets[i])
			assert.NoError(t, dels[i])
		}
	}
}

// A Batch that returns no errors has failed for no key, whether the slice is nil or empty.
func TestBatchWithoutErrorsHasNoFailedKey(t *testing.T) {
	for _, errs := range [][]error{nil, {}} {
		s := batchOf{errs: errs}
		assert.Empty(t, driver.SetMany(ctx, s, []string{"a", "b"}, make([][]byte, 2), 0))
		assert.Empty(t, driver.DelMany(ctx, s, []string{"a", "b"}))
	}
}

// batchOf is a Batch whose writes return prepared errors.
type batchOf struct {
	driver.AtomicStore
	errs []error
}

func (b batchOf) GetMany(context.Context, []string) []driver.Got                     { return nil }
func (b batchOf) SetMany(context.Context, []string, [][]byte, time.Duration) []error { return b.errs }
func (b batchOf) DelMany(context.Context, []string) []error                          { return b.errs }

// partly is a Batch that does not support one key of each batch. It does nothing.
type partly struct {
	driver.AtomicStore
	unsupported int
}

func (p partly) GetMany(_ context.Context, keys []string) []driver.Got {
	got := slices.Repeat([]driver.Got{{Value: []byte("batch"), Found: true}}, len(keys))
	got[p.unsupported] = driver.Got{Err: errors.ErrUnsupported}
	return got
}

func (p partly) SetMany(_ context.Context, keys []string, _ [][]byte, _ time.Duration) []error {
	return p.DelMany(ctx, keys)
}

func (p partly) DelMany(_ context.Context, keys []string) []error {
	errs := make([]error, len(keys))
	errs[p.unsupported] = errors.ErrUnsupported
	return errs
}

// A write that may have happened is not repeated, and every other error is returned.
func TestOtherErrorsHaveNoFallback(t *testing.T) {
	o := backends["bare"](t)
	bare := open(t, o, "ns")
	for _, cause := range []error{driver.Unknown(errors.ErrUnsupported), errMine} {
		for name, err := range optional(o, unsupported{bare, cause, new([]string)}) {
			assert.ErrorIs(t, err, cause, name)
		}
	}
}

// An interceptor may refuse with errors.ErrUnsupported: the operation fails, and no fallback runs.
func TestARefusalHasNoFallback(t *testing.T) {
	for _, opener := range backends {
		inner := opener(t)
		var seen []string
		o := driver.Intercept(inner, func(_ context.Context, c *driver.Call) error {
			seen = append(seen, c.Method)
			return errors.ErrUnsupported
		})
		for _, o := range []driver.AtomicOpener{o, driver.Intercept(o, next)} {
			seen = nil
			for name, err := range optional(o, open(t, o, "ns")) {
				assert.ErrorIs(t, err, errors.ErrUnsupported, name)
			}
			assert.ElementsMatch(t, []string{"Incr", "Swap", "GetDel", "GetExpire", "Limit", "Persist", "GetMany", "SetMany", "DelMany", "Keys", "Clear", "Ping"}, seen)
		}
	}
}

// TestOptionalTable compares the table in the package documentation with the backends of this module.
func TestOptionalTable(t *testing.T) {
	s := open(t, backends["memory"](t), "ns")
	for name, is := range map[string]func() bool{
		"Batch":      func() bool { _, ok := s.(driver.Batch); return ok },
		"Clearer":    func() bool { _, ok := s.(driver.Clearer); return ok },
		"GetExpirer": func() bool { _, ok := s.(driver.GetExpirer); return ok },
		"Limiter":    func() bool { _, ok := s.(driver.Limiter); return ok },
		"Persister":  func() bool { _, ok := s.(driver.Persister); return ok },
		"Pinger":     func() bool { _, ok := s.(driver.Pinger); return ok },
		"Scanner":    func() bool { _, ok := s.(driver.Scanner); return ok },
		"Taker":      func() bool { _, ok := s.(driver.Taker); return ok },
	} {
		assert.True(t, is(), name)
	}
	_, counts := s.(driver.Counter)
	assert.False(t, counts)
}

// listing is the bare backend with a list of keys.
type listing struct {
	driver.AtomicStore
	keys [][2]string // path and key
	err  error
}

func (l listing) Keys(_ context.Context, below bool, yield func([]string, string) bool) error {
	for _, k := range l.keys {
		var path []string
		if k[0] != "" {
			path = []string{k[0]}
		}
		if (below || path == nil) && !yield(path, k[1]) {
			return errors.New("after the end") // the helper ignores it
		}
	}
	return l.err
}

func TestClearByKeys(t *testing.T) {
	for _, below := range []bool{false, true} {
		o := backends["bare"](t)
		users, admin := open(t, o, "users"), open(t, o, "users", "admin")
		l := listing{AtomicStore: users}
		for i := range 1200 {
			key := fmt.Sprint(i)
			require.NoError(t, users.Set(ctx, key, []byte("1"), 0))
			require.NoError(t, admin.Set(ctx, key, []byte("1"), 0))
			l.keys = append(l.keys, [2]string{"", key}, [2]string{"admin", key})
		}
		require.NoError(t, driver.Clear(ctx, driver.Plain(o), []string{"users"}, l, below))
		for i := range 1200 {
			found, err := users.Has(ctx, fmt.Sprint(i))
			require.NoError(t, err)
			assert.False(t, found)
			found, err = admin.Has(ctx, fmt.Sprint(i))
			require.NoError(t, err)
			assert.Equal(t, !below, found)
		}
	}
	o := backends["bare"](t)
	l := listing{open(t, o, "users"), [][2]string{{"", "a"}, {"gone", "b"}}, errMine}
	err := driver.Clear(ctx, driver.Plain(o), []string{"users"}, l, false)
	assert.ErrorIs(t, err, errMine)
	assert.True(t, driver.IsUnknown(err), "a key is deleted")
	err = driver.Clear(ctx, driver.Plain(nothing{}), []string{"users"}, l, true)
	assert.ErrorContains(t, err, "opened no store")
}

// A backend may keep the path of a store: Clear opens each namespace below with a separate path, and does not
// change the path that it receives.
func TestClearSharesNoPath(t *testing.T) {
	o := backends["bare"](t)
	users := append(make([]string, 0, 4), "users") // with spare capacity
	kept := &keeping{AtomicOpener: o}
	l := listing{AtomicStore: open(t, o, "users")}
	for _, name := range []string{"a", "b", "c"} {
		require.NoError(t, open(t, o, "users", name).Set(ctx, "k", []byte("1"), 0))
		l.keys = append(l.keys, [2]string{name, "k"})
	}
	require.NoError(t, driver.Clear(ctx, driver.Plain(kept), users, l, true))
	assert.Equal(t, [][]string{{"users", "a"}, {"users", "b"}, {"users", "c"}}, kept.paths)
	assert.Equal(t, []string{"users", "", "", ""}, users[:4])
}

// keeping keeps the paths of its stores.
type keeping struct {
	driver.AtomicOpener
	paths [][]string
}

func (k *keeping) OpenAtomic(path []string) (driver.AtomicStore, error) {
	k.paths = append(k.paths, path)
	return k.AtomicOpener.OpenAtomic(path)
}

// Keys stops before the next key when the context ends, regardless of the backend, and says so.
func TestKeysEndsWithItsContext(t *testing.T) {
	for _, o := range []driver.AtomicOpener{listingOpener{}, driver.Intercept(listingOpener{}, next)} {
		ends, cancel := context.WithCancel(ctx)
		var seen []string
		err := driver.Keys(ends, open(t, o, "ns"), false, func(_ []string, key string) bool {
			seen = append(seen, key)
			cancel()
			return true
		})
		assert.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, []string{"a"}, seen)
		seen = nil
		err = driver.Keys(ctx, open(t, o, "ns"), false, func(_ []string, key string) bool {
			seen = append(seen, key)
			return false
		})
		assert.NoError(t, err, "nothing follows the end")
		assert.Equal(t, []string{"a"}, seen)
	}
}

type listingOpener struct{}

func (listingOpener) OpenAtomic([]string) (driver.AtomicStore, error) {
	return listing{keys: [][2]string{{"", "a"}, {"", "b"}, {"", "c"}}}, nil
}

func TestInnermost(t *testing.T) {
	o := backends["memory"](t)
	twice := driver.Intercept(driver.Intercept(below{o, []string{"tenant"}}, next), next)
	origin, path := driver.Innermost(twice, []string{"users"})
	assert.Equal(t, any(o), origin)
	assert.Equal(t, []string{"tenant", "users"}, path)
	origin, path = driver.Innermost(driver.Plain(twice), nil)
	assert.Equal(t, any(o), origin)
	assert.Equal(t, []string{"tenant"}, path)

	origin, path = driver.Innermost(mount{o}, []string{"mounted"})
	assert.Equal(t, any(o), origin)
	assert.Empty(t, path, "the path below which all namespaces are")

	loop := &selfWrapper{}
	origin, _ = driver.Innermost(loop, []string{"a"})
	assert.Equal(t, any(loop), origin, "a Wrapper that returns itself does not hang")

	incomparable := driver.Intercept(below{nil, nil}, next)
	origin, path = driver.Innermost(incomparable, []string{"a"})
	assert.Equal(t, any(incomparable), origin, "an opener that cannot be compared is no key of a map")
	assert.Equal(t, []string{"a"}, path)
}

// below opens the namespaces below a path. It cannot be compared.
type below struct {
	driver.AtomicOpener
	path []string
}

func (b below) OpenAtomic(path []string) (driver.AtomicStore, error) {
	return b.AtomicOpener.OpenAtomic(slices.Concat(b.path, path))
}

func (b below) Inner(path []string) (driver.AtomicOpener, []string) {
	return b.AtomicOpener, slices.Concat(b.path, path)
}

// mount opens the root of another opener below one name.
type mount struct{ driver.AtomicOpener }

func (m mount) Inner(path []string) (driver.AtomicOpener, []string) {
	if len(path) == 1 {
		return m.AtomicOpener, nil
	}
	return m.AtomicOpener, path[1:]
}

type selfWrapper struct{ driver.AtomicOpener }

func (s *selfWrapper) Inner(path []string) (driver.AtomicOpener, []string) { return s, path }

func TestPathIsWholeUnderEveryWrapper(t *testing.T) {
	o := backends["memory"](t)
	var paths [][]string
	record := func(ctx context.Context, c *driver.Call) error {
		paths = append(paths, slices.Clone(c.Path))
		return c.Next(ctx)
	}
	s := open(t, driver.Intercept(below{driver.Intercept(below{o, []string{"a"}}, record), []string{"b", "c"}}, record), "d")
	require.NoError(t, s.Set(ctx, "k", []byte("1"), 0))
	want := []string{"a", "b", "c", "d"}
	assert.Equal(t, [][]string{want, want}, paths)
	found, err := open(t, o, want...).Has(ctx, "k")
	require.NoError(t, err)
	assert.True(t, found)
}
