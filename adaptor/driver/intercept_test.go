package driver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/memory"
)

var ctx = context.Background()

// backends are openers of empty backends: one without an optional interface, one with nearly all.
var backends = map[string]func(t *testing.T) driver.AtomicOpener{
	"bare": func(*testing.T) driver.AtomicOpener { return &Toy{entries: map[string]toyEntry{}} },
	"memory": func(t *testing.T) driver.AtomicOpener {
		kv, err := memory.New(memory.Config{})
		require.NoError(t, err)
		return kv.Driver()
	},
}

// eachBackend runs a test on each of the backends.
func eachBackend(t *testing.T, test func(t *testing.T, o driver.AtomicOpener)) {
	for name, open := range backends {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func open(t *testing.T, o driver.AtomicOpener, path ...string) driver.AtomicStore {
	t.Helper()
	s, err := o.OpenAtomic(path)
	require.NoError(t, err)
	return s
}

func next(ctx context.Context, call *driver.Call) error { return call.Next(ctx) }

const placeholder = driver.PlaceholderPrefix + `none"`

// step is an operation, and the Call that it makes.
type step struct {
	do   func(s driver.AtomicStore) error
	want string
}

// steps contains every method. The steps depend on each other.
var steps = []step{
	{func(s driver.AtomicStore) error { return s.Set(ctx, "k", []byte(`"abc"`), time.Hour) }, "Set k in 5"},
	{func(s driver.AtomicStore) error { _, _, err := s.Get(ctx, "k"); return err }, "Get k found out 5"},
	{func(s driver.AtomicStore) error { _, _, err := s.Get(ctx, "missing"); return err }, "Get missing"},
	{func(s driver.AtomicStore) error { _, err := s.Has(ctx, "k"); return err }, "Has k found"},
	{func(s driver.AtomicStore) error { _, err := s.Expire(ctx, "k", time.Minute); return err }, "Expire k found"},
	{func(s driver.AtomicStore) error { _, _, err := s.TTL(ctx, "k"); return err }, "TTL k found"},
	{func(s driver.AtomicStore) error { _, err := s.SetNX(ctx, "k", []byte("1"), 0); return err }, "SetNX k in 1"},
	{func(s driver.AtomicStore) error { _, err := s.SetNX(ctx, "n", []byte("1"), 0); return err }, "SetNX n applied in 1"},
	{func(s driver.AtomicStore) error { _, _, err := s.Incr(ctx, "n", 1, 0); return err }, "Incr n"},
	{func(s driver.AtomicStore) error { _, err := driver.Count(ctx, s, "n", 1, 0); return err }, "Incr n"},
	{func(s driver.AtomicStore) error {
		_, err := s.CompareAndSwap(ctx, "n", []byte("3"), []byte("44"), 0)
		return err
	}, "CompareAndSwap n applied in 2"},
	{func(s driver.AtomicStore) error { _, err := s.CompareAndDelete(ctx, "n", []byte("3")); return err }, "CompareAndDelete n"},
	{func(s driver.AtomicStore) error { _, err := s.CompareAndDelete(ctx, "n", []byte("44")); return err }, "CompareAndDelete n applied"},
	{func(s driver.AtomicStore) error {
		_, _, err := driver.Swap(ctx, s, "k", []byte(placeholder), 0)
		return err
	}, "Swap k found in 10 out 5"},
	{func(s driver.AtomicStore) error { _, _, err := s.Get(ctx, "k"); return err }, "Get k"},
	{func(s driver.AtomicStore) error { _, _, err := driver.GetDel(ctx, s, "k"); return err }, "GetDel k"},
	{func(s driver.AtomicStore) error { return s.Del(ctx, "k") }, "Del k"},
	{func(s driver.AtomicStore) error { return s.Set(ctx, "k", []byte(`"abc"`), 0) }, "Set k in 5"},
	{func(s driver.AtomicStore) error { return third(driver.GetExpire(ctx, s, "k", time.Hour)) }, "GetExpire k found out 5"},
	{func(s driver.AtomicStore) error { return limit(s, driver.LimitCall{Need: 1, Take: 1}) }, "Limit limited applied"},
	{func(s driver.AtomicStore) error { return limit(s, driver.LimitCall{Need: 1}) }, "Limit limited"},
	{func(s driver.AtomicStore) error {
		return errors.Join(driver.SetMany(ctx, s, []string{"a", "b", "c"}, [][]byte{[]byte("1"), []byte("22"), []byte(placeholder)}, 0)...)
	}, "SetMany [a b c] count 3 in 13"},
	{func(s driver.AtomicStore) error {
		return errors.Join(slices.Collect(func(yield func(error) bool) {
			for _, g := range driver.GetMany(ctx, s, []string{"a", "b", "c", "d"}) {
				yield(g.Err)
			}
		})...)
	}, "GetMany [a b c d] count 2 out 3"},
	{func(s driver.AtomicStore) error { return errors.Join(driver.DelMany(ctx, s, []string{"a", "c"})...) }, "DelMany [a c] count 2"},
	{func(s driver.AtomicStore) error { return driver.Ping(ctx, s) }, "Ping"},
}

// describe returns the contents of a Call.
func describe(c *driver.Call) string {
	text := c.Method
	if c.Key != "" {
		text += " " + c.Key
	}
	if c.Keys != nil {
		text += fmt.Sprint(" ", c.Keys)
	}
	for name, is := range map[string]bool{" found": c.Found, " applied": c.Applied} {
		if is {
			text += name
		}
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"count", c.Count}, {"in", c.BytesIn}, {"out", c.BytesOut}} {
		if n.value != 0 {
			text += fmt.Sprint(" ", n.name, " ", n.value)
		}
	}
	return text
}

func TestEachOperationIsOneCall(t *testing.T) {
	eachBackend(t, func(t *testing.T, o driver.AtomicOpener) {
		var seen []string
		s := open(t, driver.Intercept(o, func(ctx context.Context, c *driver.Call) error {
			assert.Equal(t, []string{"users", "admin"}, c.Path)
			assert.Equal(t, "users/admin", c.Namespace())
			err := c.Next(ctx)
			seen = append(seen, describe(c))
			return err
		}), "users", "admin")
		for _, step := range steps {
			seen = nil
			require.NoError(t, step.do(s), step.want)
			assert.Equal(t, []string{step.want}, seen)
		}
	})
}

// Lists and clears need a Scanner, which the bare backend lacks.
func TestListsAndClearsAreOneCall(t *testing.T) {
	var seen []string
	record := func(ctx context.Context, c *driver.Call) error {
		err := c.Next(ctx)
		seen = append(seen, describe(c))
		return err
	}
	o := backends["memory"](t)
	s, below := open(t, driver.Intercept(o, record), "users"), open(t, o, "users", "admin")
	fill := func() {
		require.NoError(t, s.Set(ctx, "a", []byte("1"), 0))
		require.NoError(t, s.Set(ctx, "b", []byte("1"), 0))
		require.NoError(t, below.Set(ctx, "c", []byte("1"), 0))
		seen = nil
	}
	fill()
	all := func([]string, string) bool { return true }
	require.NoError(t, driver.Keys(ctx, s, false, all))
	require.NoError(t, driver.Keys(ctx, s, true, all))
	require.NoError(t, driver.Clear(ctx, driver.Plain(o), []string{"users"}, s, false))
	found, err := below.Has(ctx, "c")
	require.NoError(t, err)
	assert.True(t, found)
	require.NoError(t, driver.Clear(ctx, driver.Plain(o), []string{"users"}, s, true))
	found, err = below.Has(ctx, "c")
	require.NoError(t, err)
	assert.False(t, found)
	found, err = driver.Persist(ctx, s, "a")
	require.NoError(t, err)
	assert.False(t, found)
	assert.Equal(t, []string{"Keys count 2", "Tree count 3", "Clear", "ClearTree", "Persist a"}, seen)

	bare := open(t, driver.Intercept(backends["bare"](t), record), "users")
	seen = nil
	assert.ErrorIs(t, driver.Keys(ctx, bare, false, all), errors.ErrUnsupported)
	assert.ErrorIs(t, driver.Clear(ctx, driver.Plain(o), []string{"users"}, bare, false), errors.ErrUnsupported)
	_, err = driver.Persist(ctx, bare, "a")
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.NotEmpty(t, driver.ReasonOf(err))
	assert.Equal(t, []string{"Keys", "Clear", "Persist a"}, seen, "no second Call for a fallback")
}

var errMine = errors.New("mine")

// incremented runs an Incr through i and returns its error and the counter.
func incremented(t *testing.T, o driver.AtomicOpener, i driver.Interceptor) (counter string, err error) {
	t.Helper()
	_, _, err = open(t, driver.Intercept(o, i), "ns").Incr(ctx, "counter", 1, 0)
	text, found, getErr := open(t, o, "ns").Get(ctx, "counter")
	require.NoError(t, getErr)
	if !found {
		return "none", err
	}
	return string(text), err
}

func TestAnInterceptorThatDoesNotCallNextFailsTheOperation(t *testing.T) {
	eachBackend(t, func(t *testing.T, o driver.AtomicOpener) {
		for _, refusal := range []error{nil, errMine} {
			counter, err := incremented(t, o, func(context.Context, *driver.Call) error { return refusal })
			require.Error(t, err)
			if refusal != nil {
				assert.ErrorIs(t, err, errMine)
			} else {
				assert.EqualError(t, err, "the interceptor did not call Next")
			}
			assert.False(t, driver.IsUnknown(err), "surely not applied")
			assert.Equal(t, "none", counter)
		}
	})
}

func TestNextRunsAtMostOnce(t *testing.T) {
	eachBackend(t, func(t *testing.T, o driver.AtomicOpener) {
		counter, err := incremented(t, o, func(ctx context.Context, c *driver.Call) error {
			require.NoError(t, c.Next(ctx))
			assert.Error(t, c.Next(ctx))
			copied := *c
			assert.Error(t, copied.Next(ctx))
			return nil
		})
		assert.NoError(t, err)
		assert.Equal(t, "1", counter)

		counter, err = incremented(t, o, func(ctx context.Context, c *driver.Call) error {
			copied := *c
			assert.Error(t, copied.Next(ctx), "a copy does not run the operation")
			return c.Next(ctx)
		})
		assert.NoError(t, err)
		assert.Equal(t, "2", counter)
	})
	assert.Error(t, new(driver.Call).Next(ctx))
}

func TestNextAfterTheInterceptorReturned(t *testing.T) {
	eachBackend(t, func(t *testing.T, o driver.AtomicOpener) {
		for name, first := range map[string]func(ctx context.Context, c *driver.Call) error{
			"called before":     next,
			"not called before": func(context.Context, *driver.Call) error { return nil },
		} {
			var kept *driver.Call
			counterBefore, before := incremented(t, o, func(ctx context.Context, c *driver.Call) error {
				kept = c
				return first(ctx, c)
			})
			assert.Equal(t, name == "called before", before == nil)
			assert.Error(t, kept.Next(ctx), name)
			counter, _ := incremented(t, o, func(ctx context.Context, c *driver.Call) error {
				if name == "not called before" {
					assert.NotSame(t, kept, c, "such a Call is never reused")
					assert.Error(t, kept.Next(ctx))
				}
				return nil
			})
			assert.Equal(t, counterBefore, counter, "%s: a later Next does nothing", name)
		}
	})
}

// An interceptor that breaks the rule and leaves Next running gets an unknown outcome, and no other operation
// gets its Call.
func TestACallWhoseNextIsRunningIsNotReused(t *testing.T) {
	slow := &slowStore{entered: make(chan *driver.Call), leave: make(chan struct{})}
	returned := make(chan error)
	var running *driver.Call
	o := driver.Intercept(slow, func(ctx context.Context, c *driver.Call) error {
		if c.Key != "slow" {
			assert.NotSame(t, running, c)
			return c.Next(ctx)
		}
		running = c
		go func() { returned <- c.Next(ctx) }()
		<-slow.entered
		return nil
	})
	s := open(t, o, "ns")
	err := s.Set(ctx, "slow", []byte("1"), 0)
	require.Error(t, err)
	assert.True(t, driver.IsUnknown(err))
	for range 100 {
		require.NoError(t, s.Del(ctx, "other"))
	}
	close(slow.leave)
	require.NoError(t, <-returned)
	assert.Error(t, running.Next(ctx))
}

// slowStore is a backend whose Set waits.
type slowStore struct {
	driver.AtomicStore
	entered chan *driver.Call
	leave   chan struct{}
}

func (s *slowStore) OpenAtomic([]string) (driver.AtomicStore, error) { return s, nil }

func (s *slowStore) Del(context.Context, string) error { return nil }

func (s *slowStore) Set(context.Context, string, []byte, time.Duration) error {
	close(s.entered)
	<-s.leave
	return nil
}

func TestNextWithADoneContext(t *testing.T) {
	eachBackend(t, func(t *testing.T, o driver.AtomicOpener) {
		done, cancel := context.WithCancel(ctx)
		cancel()
		for _, returned := range []error{nil, errMine} {
			counter, err := incremented(t, o, func(ctx context.Context, c *driver.Call) error {
				assert.ErrorIs(t, c.Next(done), context.Canceled)
				assert.Error(t, c.Next(ctx), "the second Next")
				return returned
			})
			if returned == nil {
				assert.ErrorIs(t, err, context.Canceled)
			} else {
				assert.ErrorIs(t, err, errMine)
			}
			assert.False(t, driver.IsUnknown(err), "surely not applied")
			assert.Equal(t, "none", counter)
		}
		var none context.Context
		counter, err := incremented(t, o, func(_ context.Context, c *driver.Call) error { return c.Next(none) })
		assert.ErrorContains(t, err, "nil context")
		assert.Equal(t, "none", counter)
	})
}

func TestAnErrorAfterAWriteIsUnknown(t *testing.T) {
	eachBackend(t, func(t *testing.T, o driver.AtomicOpener) {
		s := open(t, driver.Intercept(o, func(ctx context.Context, c *driver.Call) error {
			require.NoError(t, c.Next(ctx))
			return errMine
		}), "ns")
		writes := map[string]error{
			"Set":  s.Set(ctx, "k", []byte("1"), 0),
			"Del":  s.Del(ctx, "k"),
			"Incr": third(s.Incr(ctx, "n", 1, 0)),
			"Count": func() error {
				_, err := driver.Count(ctx, s, "n", 1, 0)
				return err
			}(),
			"Expire":           second(s.Expire(ctx, "k", time.Hour)),
			"SetNX":            second(s.SetNX(ctx, "k", []byte("1"), 0)),
			"CompareAndSwap":   second(s.CompareAndSwap(ctx, "k", []byte("1"), []byte("2"), 0)),
			"CompareAndDelete": second(s.CompareAndDelete(ctx, "k", []byte("2"))),
			"GetDel":           third(driver.GetDel(ctx, s, "k")),
			"GetExpire":        third(driver.GetExpire(ctx, s, "nx", time.Hour)),
			"Swap":             third(driver.Swap(ctx, s, "k", []byte("2"), 0)),
			"Limit":            limit(s, driver.LimitCall{Need: 1, Take: 1}),
			"SetMany":          driver.SetMany(ctx, s, []string{"k"}, [][]byte{[]byte("1")}, 0)[0],
			"DelMany":          driver.DelMany(ctx, s, []string{"k"})[0],
		}
		if _, lists := open(t, o, "ns").(driver.Scanner); lists {
			writes["Persist"] = second(driver.Persist(ctx, s, "k"))
			writes["Clear"] = driver.Clear(ctx, driver.Plain(o), []string{"ns"}, s, false)
			writes["ClearTree"] = driver.Clear(ctx, driver.Plain(o), []string{"ns"}, s, true)
			require.NoError(t, open(t, o, "ns").Set(ctx, "n", []byte("1"), 0))
			for _, below := range []bool{false, true} {
				err := driver.Keys(ctx, s, below, func([]string, string) bool { return true })
				assert.ErrorIs(t, err, errMine)
				assert.False(t, driver.IsUnknown(err), "a list is a read")
			}
		}
		for name, err := range writes {
			assert.ErrorIs(t, err, errMine, name)
			assert.True(t, driver.IsUnknown(err), name)
		}
		value, found, err := s.Get(ctx, "n")
		assert.Nil(t, value)
		assert.False(t, found)
		for name, err := range map[string]error{
			"Get": err, "Has": second(s.Has(ctx, "k")), "TTL": third(s.TTL(ctx, "k")),
			"GetMany": driver.GetMany(ctx, s, []string{"k"})[0].Err, "Ping": driver.Ping(ctx, s),
			"Limit": limit(s, driver.LimitCall{Need: 1}),
		} {
			assert.ErrorIs(t, err, errMine, name)
			assert.False(t, driver.IsUnknown(err), "%s is a read", name)
		}
	})
}

// limit makes a decision about two events per hour.
func limit(s driver.AtomicStore, c driver.LimitCall) error {
	l, err := driver.NewLimits([]driver.LimitRate{{Events: 2, Per: time.Hour, Burst: 2}})
	if err != nil {
		return err
	}
	return second(driver.Limit(ctx, s, "limited", l, c))
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

// failingOpener is a backend whose Incr and Set fail with an error, after they have stored or not.
type failingOpener struct {
	driver.AtomicStore
	err error
}

func (o failingOpener) OpenAtomic([]string) (driver.AtomicStore, error) { return o, nil }

func (o failingOpener) Incr(context.Context, string, int64, time.Duration) (int64, time.Duration, error) {
	return 0, 0, o.err
}

func TestALostAnswerStaysUnknown(t *testing.T) {
	lost, refused := driver.Unknown(io.EOF), driver.Reason(errors.New("x"), "OOM")
	for _, inner := range []error{lost, refused} {
		for name, replace := range map[string]func(error) error{
			"passed on":  func(err error) error { return err },
			"swallowed":  func(error) error { return nil },
			"replaced":   func(error) error { return errMine },
			"wrapped":    func(err error) error { return fmt.Errorf("service: %w", err) },
			"own reason": func(error) error { return driver.Reason(errMine, "limit reached") },
		} {
			s := open(t, driver.Intercept(failingOpener{err: inner}, func(ctx context.Context, c *driver.Call) error {
				err := c.Next(ctx)
				assert.Equal(t, inner, err)
				return replace(err)
			}), "ns")
			_, _, err := s.Incr(ctx, "n", 1, 0)
			require.Error(t, err, name)
			assert.Equal(t, errors.Is(inner, lost), driver.IsUnknown(err), "%v %s", inner, name)
		}
	}
}

// perKey is a backend whose Batch fails for the keys "bad" and "lost".
type perKey struct{ driver.AtomicStore }

func (o perKey) OpenAtomic([]string) (driver.AtomicStore, error) { return o, nil }

var (
	errBad  = driver.Reason(errors.New("about the secret key"), "too long")
	errLost = driver.Unknown(io.EOF)
)

func (perKey) errs(keys []string) (errs []error) {
	for _, key := range keys {
		errs = append(errs, map[string]error{"bad": errBad, "lost": errLost}[key])
	}
	return errs
}

func (o perKey) GetMany(_ context.Context, keys []string) (got []driver.Got) {
	for _, err := range o.errs(keys) {
		got = append(got, driver.Got{Value: []byte("1"), Found: err == nil, Err: err})
	}
	return got
}

func (o perKey) SetMany(_ context.Context, keys []string, _ [][]byte, _ time.Duration) []error {
	return o.errs(keys)
}

func (o perKey) DelMany(_ context.Context, keys []string) []error { return o.errs(keys) }

func TestBatchesThroughIntercept(t *testing.T) {
	keys := []string{"a", "bad", "b", "lost"}
	for name, i := range map[string]driver.Interceptor{
		"next": func(ctx context.Context, c *driver.Call) error {
			err := c.Next(ctx)
			assert.ErrorIs(t, err, errBad, "the error wraps the errors of all failed keys")
			assert.ErrorIs(t, err, io.EOF)
			assert.True(t, driver.IsUnknown(err))
			assert.EqualError(t, err, "2 of 4 keys failed, the first with: too long")
			assert.Equal(t, 2, c.Count)
			return err
		},
		"swallow": func(ctx context.Context, c *driver.Call) error { _ = c.Next(ctx); return nil },
		"wrap":    func(ctx context.Context, c *driver.Call) error { return fmt.Errorf("traced: %w", c.Next(ctx)) },
		"replace": func(ctx context.Context, c *driver.Call) error { _ = c.Next(ctx); return errMine },
		"refuse":  func(context.Context, *driver.Call) error { return errMine },
		"nothing": func(context.Context, *driver.Call) error { return nil },
		"done": func(_ context.Context, c *driver.Call) error {
			done, cancel := context.WithCancel(ctx)
			cancel()
			return c.Next(done)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, driver.Intercept(perKey{}, i), "ns")
			check := func(op string, errs []error, write bool) {
				require.Len(t, errs, 4, op)
				own := name == "next" || name == "swallow" || name == "wrap"
				ran := own || name == "replace"
				assert.Equal(t, own, errs[0] == nil, op)
				assert.Equal(t, errs[0], errs[2], op)
				assert.Equal(t, ran, errors.Is(errs[1], errBad), op)
				assert.Equal(t, ran, errors.Is(errs[3], io.EOF), op)
				assert.Equal(t, name == "replace" && write, driver.IsUnknown(errs[0]), op)
				assert.Equal(t, ran, driver.IsUnknown(errs[3]), op)
				assert.False(t, driver.IsUnknown(errs[1]), "%s: surely not applied", op)
				switch name {
				case "replace", "refuse":
					assert.ErrorIs(t, errs[0], errMine, op)
				case "nothing":
					assert.ErrorContains(t, errs[0], "did not call Next", op)
				case "done":
					assert.ErrorIs(t, errs[0], context.Canceled, op)
				}
			}
			var errs []error
			for i, g := range driver.GetMany(ctx, s, keys) {
				assert.Equal(t, g.Err == nil, g.Found, "%d", i)
				errs = append(errs, g.Err)
			}
			check("GetMany", errs, false)
			check("SetMany", driver.SetMany(ctx, s, keys, make([][]byte, 4), 0), true)
			check("DelMany", driver.DelMany(ctx, s, keys), true)
		})
	}
}

func TestAListLastsUntilTheLoopEnds(t *testing.T) {
	o := backends["memory"](t)
	for _, key := range []string{"a", "b", "c"} {
		require.NoError(t, open(t, o, "ns").Set(ctx, key, []byte("1"), 0))
	}
	var events []string
	var returned, replaced error
	kv := adaptor.NewAtomic(driver.Intercept(o, func(ctx context.Context, c *driver.Call) error {
		events = append(events, "begin")
		returned = c.Next(ctx)
		events = append(events, fmt.Sprint("end ", c.Method, " ", c.Count))
		if replaced != nil {
			return replaced
		}
		return returned
	}))
	s, err := kv.Namespace("ns")
	require.NoError(t, err)
	for _, err := range s.Keys(ctx) {
		require.NoError(t, err)
		events = append(events, "body")
	}
	assert.Equal(t, []string{"begin", "body", "body", "body", "end Keys 3"}, events)
	assert.NoError(t, returned)

	events = nil
	for _, err := range s.Tree(ctx) {
		require.NoError(t, err)
		break
	}
	assert.Equal(t, []string{"begin", "end Tree 1"}, events)
	assert.NoError(t, returned, "an early break is not an error")

	ends, cancel := context.WithCancel(ctx)
	defer cancel()
	var last error
	for _, err := range s.Keys(ends) {
		last = err
		cancel()
	}
	assert.ErrorIs(t, last, context.Canceled)
	assert.ErrorIs(t, returned, context.Canceled, "the interceptor learns why the list ended")

	replaced = errMine
	n := 0
	for _, err := range s.Keys(ctx) {
		if n++; err != nil {
			last = err
		}
	}
	assert.Equal(t, 4, n)
	assert.ErrorIs(t, last, errMine)
	n = 0
	for _, err := range s.Keys(ctx) {
		require.NoError(t, err, "nothing follows a break")
		n++
		break
	}
	assert.Equal(t, 1, n)
}

func TestACallPrintsMethodAndNamespaceOnly(t *testing.T) {
	eachBackend(t, func(t *testing.T, o driver.AtomicOpener) {
		check := func(ctx context.Context, c *driver.Call) error {
			text, err := json.Marshal(map[string]any{"pointer": c, "value": *c})
			require.NoError(t, err)
			var log strings.Builder
			slog.New(slog.NewJSONHandler(&log, nil)).Info("call", "pointer", c, "value", *c)
			slog.New(slog.NewTextHandler(&log, nil)).Info("call", "pointer", c, "value", *c)
			for _, printed := range []string{
				fmt.Sprintf("%v %+v %#v %s %q %d %x", c, c, c, c, c, c, c), fmt.Sprintf("%v %+v %#v", *c, *c, *c),
				fmt.Sprint([]*driver.Call{c}, []driver.Call{*c}), string(text), log.String(), c.String(),
			} {
				assert.NotContains(t, printed, "secret")
				assert.NotContains(t, printed, fmt.Sprintf("%x", "secret"))
				assert.Contains(t, printed, c.Method)
				assert.Contains(t, printed, "users")
			}
			assert.Equal(t, c.Method+` in namespace "users"`, fmt.Sprint(c))
			return c.Next(ctx)
		}
		s := open(t, driver.Intercept(o, func(ctx context.Context, c *driver.Call) error {
			err := check(ctx, c)
			_ = check(ctx, c)
			return err
		}), "users")
		require.NoError(t, s.Set(ctx, "secret", []byte(`"secret"`), 0))
		_, _, err := s.Get(ctx, "secret")
		require.NoError(t, err)
		require.Nil(t, driver.SetMany(ctx, s, []string{"secret"}, [][]byte{[]byte(`"secret"`)}, 0))
	})
	assert.Empty(t, fmt.Sprint(driver.Call{}))
}

func TestChangesToACallHaveNoEffect(t *testing.T) {
	eachBackend(t, func(t *testing.T, o driver.AtomicOpener) {
		spoil := func(c *driver.Call) {
			for i := range c.Path {
				c.Path[i] = "other"
			}
			for i := range c.Keys {
				c.Keys[i] = "other"
			}
			c.Method, c.Path, c.Key, c.Keys, c.Found, c.Applied = "Del", append(c.Path, "other"), "other", []string{"x"}, true, true
			c.Count, c.BytesIn, c.BytesOut = 9, 9, 9
		}
		var seen []string
		s := open(t, driver.Intercept(o, func(ctx context.Context, c *driver.Call) error {
			path := slices.Clone(c.Path)
			spoil(c)
			err := c.Next(ctx)
			spoil(c)
			seen = path
			return err
		}), "a", "b")
		plain := open(t, o, "a", "b")
		for range 3 {
			require.NoError(t, s.Set(ctx, "k", []byte("1"), 0))
			assert.Equal(t, []string{"a", "b"}, seen)
			require.Nil(t, driver.SetMany(ctx, s, []string{"l", "m"}, [][]byte{[]byte("2"), []byte("3")}, 0))
			for key, want := range map[string]string{"k": "1", "l": "2", "m": "3"} {
				value, _, err := plain.Get(ctx, key)
				require.NoError(t, err)
				assert.Equal(t, want, string(value))
				value, found, err := s.Get(ctx, key)
				require.NoError(t, err)
				assert.True(t, found)
				assert.Equal(t, want, string(value))
			}
			_, found, err := s.Get(ctx, "missing")
			require.NoError(t, err)
			assert.False(t, found)
			found, err = s.Has(ctx, "other")
			require.NoError(t, err)
			assert.False(t, found)
			swapped, err := s.CompareAndSwap(ctx, "k", []byte("wrong"), []byte("2"), 0)
			require.NoError(t, err)
			assert.False(t, swapped)
		}
	})
}

// A Call that is used again contains nothing of the operation before.
func TestAReusedCallIsClean(t *testing.T) {
	eachBackend(t, func(t *testing.T, o driver.AtomicOpener) {
		refuse := false
		i := func(ctx context.Context, c *driver.Call) error {
			if refuse {
				return errMine
			}
			if c.Method == "Del" {
				assert.Equal(t, "Del k", describe(c))
			}
			return c.Next(ctx)
		}
		s := open(t, driver.Intercept(o, i), "ns")
		for _, step := range steps {
			require.NoError(t, step.do(s))
			require.NoError(t, s.Del(ctx, "k"))
			_, found, err := s.Get(ctx, "k")
			require.NoError(t, err)
			assert.False(t, found)
			refuse = true
			value, found, err := s.Get(ctx, "b")
			assert.ErrorIs(t, err, errMine)
			assert.False(t, found)
			assert.Nil(t, value)
			refuse = false
			if !strings.HasPrefix(step.want, "Set k") {
				continue
			}
			require.NoError(t, s.Set(ctx, "k", []byte(`"abc"`), time.Hour)) // the next steps need it
		}
	})
}

func TestInterceptWithoutOpenerOrInterceptor(t *testing.T) {
	for _, o := range []driver.AtomicOpener{
		driver.Intercept(nil, next), driver.Intercept(backends["bare"](t), nil), driver.Intercept(nothing{}, next),
	} {
		s, err := o.OpenAtomic([]string{"ns"})
		assert.Nil(t, s)
		assert.NotEmpty(t, driver.ReasonOf(err))
	}
}

// nothing opens no store.
type nothing struct{}

func (nothing) OpenAtomic([]string) (driver.AtomicStore, error) { return nil, nil }
