package adaptor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

var ctx = context.Background()

// backend records its calls, and returns the prepared results.
type backend struct {
	calls   []string
	stored  []byte
	left    time.Duration
	err     error
	openErr error
	noStore bool
}

func (b *backend) Open(path []string) (driver.Store, error) { return b.OpenAtomic(path) }

func (b *backend) OpenAtomic(path []string) (driver.AtomicStore, error) {
	if b.noStore {
		return nil, nil
	}
	return backendStore{b, path}, b.openErr
}

func (b *backend) record(format string, args ...any) {
	b.calls = append(b.calls, fmt.Sprintf(format, args...))
}

func (b *backend) last() string {
	if len(b.calls) == 0 {
		return "nothing"
	}
	return b.calls[len(b.calls)-1]
}

type backendStore struct {
	*backend
	path []string
}

func (s backendStore) Get(_ context.Context, key string) ([]byte, bool, error) {
	s.record("Get %q %q", s.path, key)
	return s.stored, s.stored != nil, s.err
}

func (s backendStore) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	s.record("Set %q %q %s %v", s.path, key, value, ttl)
	return s.err
}

func (s backendStore) Del(_ context.Context, key string) error {
	s.record("Del %q %q", s.path, key)
	return s.err
}

func (s backendStore) Has(_ context.Context, key string) (bool, error) {
	s.record("Has %q %q", s.path, key)
	return true, s.err
}

func (s backendStore) Expire(_ context.Context, key string, ttl time.Duration) (bool, error) {
	s.record("Expire %q %q %v", s.path, key, ttl)
	return true, s.err
}

func (s backendStore) TTL(_ context.Context, key string) (time.Duration, bool, error) {
	s.record("TTL %q %q", s.path, key)
	return s.left, true, s.err
}

func (s backendStore) Incr(_ context.Context, key string, by int64, ttl time.Duration) (int64, time.Duration, error) {
	s.record("Incr %q %q %d %v", s.path, key, by, ttl)
	return by, s.left, s.err
}

func (s backendStore) SetNX(_ context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	s.record("SetNX %q %q %s %v", s.path, key, value, ttl)
	return true, s.err
}

func (s backendStore) CompareAndSwap(_ context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	s.record("CompareAndSwap %q %q %s %s %v", s.path, key, old, new, ttl)
	return true, s.err
}

func (s backendStore) CompareAndDelete(_ context.Context, key string, old []byte) (bool, error) {
	s.record("CompareAndDelete %q %q %s", s.path, key, old)
	return true, s.err
}

func (s backendStore) GetDel(_ context.Context, key string) ([]byte, bool, error) {
	s.record("GetDel %q %q", s.path, key)
	return s.stored, s.stored != nil, s.err
}

func (s backendStore) Swap(_ context.Context, key string, value []byte, ttl time.Duration) ([]byte, bool, error) {
	s.record("Swap %q %q %s %v", s.path, key, value, ttl)
	return s.stored, s.stored != nil, s.err
}

func (s backendStore) GetExpire(_ context.Context, key string, ttl time.Duration) ([]byte, bool, error) {
	s.record("GetExpire %q %q %v", s.path, key, ttl)
	return s.stored, s.stored != nil, s.err
}

func (s backendStore) Persist(_ context.Context, key string) (bool, error) {
	s.record("Persist %q %q", s.path, key)
	return true, s.err
}

func (s backendStore) GetMany(_ context.Context, keys []string) []driver.Got {
	s.record("GetMany %q %q", s.path, keys)
	got := make([]driver.Got, len(keys))
	for i := range got {
		got[i] = driver.Got{Value: s.stored, Found: s.stored != nil, Err: s.err}
	}
	return got
}

func (s backendStore) SetMany(_ context.Context, keys []string, values [][]byte, ttl time.Duration) []error {
	s.record("SetMany %q %q %q %v", s.path, keys, values, ttl)
	return s.errs(len(keys))
}

func (s backendStore) DelMany(_ context.Context, keys []string) []error {
	s.record("DelMany %q %q", s.path, keys)
	return s.errs(len(keys))
}

func (s backendStore) errs(n int) []error {
	if s.err == nil {
		return nil
	}
	return slices.Repeat([]error{s.err}, n)
}

func open(t *testing.T, b *backend) *adaptor.AtomicKVStore {
	t.Helper()
	s, err := adaptor.NewAtomic(b).Namespace("ns")
	require.NoError(t, err)
	return s
}

// operation is one call of a store with the key "secret-key", and with an option if the method
// takes options.
type operation struct {
	op     string
	writes bool
	call   func(ctx context.Context, s *adaptor.AtomicKVStore, opts ...adaptor.Option) error
}

// operations contains all operations. Methods that store a value store "secret-value".
var operations = []operation{
	{"Get", false, func(ctx context.Context, s *adaptor.AtomicKVStore, _ ...adaptor.Option) error {
		_, found, err := adaptor.Get[any](ctx, s, "secret-key")
		return unfound(found, err)
	}},
	{"GetRaw", false, func(ctx context.Context, s *adaptor.AtomicKVStore, _ ...adaptor.Option) error {
		_, found, err := s.GetRaw(ctx, "secret-key")
		return unfound(found, err)
	}},
	{"Has", false, func(ctx context.Context, s *adaptor.AtomicKVStore, _ ...adaptor.Option) error {
		return unfound(s.Has(ctx, "secret-key"))
	}},
	{"TTL", false, func(ctx context.Context, s *adaptor.AtomicKVStore, _ ...adaptor.Option) error {
		_, found, err := s.TTL(ctx, "secret-key")
		return unfound(found, err)
	}},
	{"Set", true, func(ctx context.Context, s *adaptor.AtomicKVStore, opts ...adaptor.Option) error {
		return s.Set(ctx, "secret-key", "secret-value", opts...)
	}},
	{"Del", true, func(ctx context.Context, s *adaptor.AtomicKVStore, _ ...adaptor.Option) error {
		return s.Del(ctx, "secret-key")
	}},
	{"Expire", true, func(ctx context.Context, s *adaptor.AtomicKVStore, _ ...adaptor.Option) error {
		return unfound(s.Expire(ctx, "secret-key", time.Second))
	}},
	{"Incr", true, func(ctx context.Context, s *adaptor.AtomicKVStore, opts ...adaptor.Option) error {
		_, err := s.Incr(ctx, "secret-key", 1, opts...)
		return err
	}},
	{"IncrTTL", true, func(ctx context.Context, s *adaptor.AtomicKVStore, opts ...adaptor.Option) error {
		_, _, err := s.IncrTTL(ctx, "secret-key", 1, opts...)
		return err
	}},
	{"SetNX", true, func(ctx context.Context, s *adaptor.AtomicKVStore, opts ...adaptor.Option) error {
		return unfound(s.SetNX(ctx, "secret-key", "secret-value", opts...))
	}},
	{"CompareAndSwap", true, func(ctx context.Context, s *adaptor.AtomicKVStore, opts ...adaptor.Option) error {
		return unfound(s.CompareAndSwap(ctx, "secret-key", "secret-value", 2, opts...))
	}},
	{"CompareAndDelete", true, func(ctx context.Context, s *adaptor.AtomicKVStore, _ ...adaptor.Option) error {
		return unfound(s.CompareAndDelete(ctx, "secret-key", "secret-value"))
	}},
	{"GetDel", true, func(ctx context.Context, s *adaptor.AtomicKVStore, _ ...adaptor.Option) error {
		_, found, err := s.GetDel(ctx, "secret-key")
		return unfound(found, err)
	}},
	{"Swap", true, func(ctx context.Context, s *adaptor.AtomicKVStore, opts ...adaptor.Option) error {
		_, found, err := s.Swap(ctx, "secret-key", "secret-value", opts...)
		return unfound(found, err)
	}},
	{"GetExpire", true, func(ctx context.Context, s *adaptor.AtomicKVStore, _ ...adaptor.Option) error {
		_, found, err := s.GetExpire(ctx, "secret-key", time.Second)
		return unfound(found, err)
	}},
	{"Persist", true, func(ctx context.Context, s *adaptor.AtomicKVStore, _ ...adaptor.Option) error {
		return unfound(s.Persist(ctx, "secret-key"))
	}},
}

// unfound panics if an operation returned true and an error.
func unfound(done bool, err error) error {
	if done && err != nil {
		panic("done, and an error")
	}
	return err
}

func TestArgumentsReachTheDriver(t *testing.T) {
	b := &backend{}
	s := open(t, b)
	child, err := s.Namespace("child")
	require.NoError(t, err)

	require.NoError(t, child.Set(ctx, "k", "v", adaptor.WithTTL(1)))
	assert.Equal(t, `Set ["ns" "child"] "k" "v" 1ms`, b.last())
	require.NoError(t, s.Set(ctx, "k", 1, adaptor.WithKeepTTL()))
	assert.Equal(t, `Set ["ns"] "k" 1 -1ns`, b.last())
	_, err = s.Expire(ctx, "k", 1500*time.Microsecond)
	require.NoError(t, err)
	assert.Equal(t, `Expire ["ns"] "k" 2ms`, b.last())
	_, err = s.Incr(ctx, "k", -3)
	require.NoError(t, err)
	assert.Equal(t, `Incr ["ns"] "k" -3 0s`, b.last())
	_, err = s.CompareAndSwap(ctx, "k", nil, []int{1}, adaptor.WithTTL(math.MaxInt64))
	require.NoError(t, err)
	assert.Equal(t, `CompareAndSwap ["ns"] "k" null [1] 2562047h47m16.854s`, b.last())
}

func TestTheTimeLeftIsNeverZero(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{
		0: 0, 1: time.Millisecond, -1: time.Millisecond, time.Millisecond + 1: time.Millisecond + 1, math.MaxInt64: math.MaxInt64,
	} {
		s := open(t, &backend{left: left})
		ttl, _, err := s.TTL(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, want, ttl)
		_, ttl, err = s.IncrTTL(ctx, "k", 1)
		require.NoError(t, err)
		assert.Equal(t, want, ttl)
	}
}

func TestInvalidOptions(t *testing.T) {
	ttl, keep := adaptor.WithTTL(time.Second), adaptor.WithKeepTTL()
	takes := map[string]bool{"Set": true, "CompareAndSwap": true, "Incr": true, "IncrTTL": true, "SetNX": true, "Swap": true}
	keeps := map[string]bool{"Set": true, "CompareAndSwap": true, "Swap": true}
	for _, o := range operations {
		if !takes[o.op] {
			continue
		}
		bad := [][]adaptor.Option{
			{adaptor.WithTTL(0)}, {adaptor.WithTTL(-1)}, {adaptor.WithTTL(math.MinInt64)},
			{ttl, keep}, {keep, ttl}, {ttl, ttl}, {ttl, {}, ttl}, {ttl, adaptor.WithTTL(-1)},
		}
		good := [][]adaptor.Option{{}, {{}}, {{}, ttl, {}}}
		if keeps[o.op] {
			good = append(good, []adaptor.Option{keep}, []adaptor.Option{keep, {}, keep})
		} else {
			bad = append(bad, []adaptor.Option{keep})
		}
		for _, opts := range bad {
			b := &backend{}
			err := o.call(ctx, open(t, b), opts...)
			assert.ErrorIs(t, err, adaptor.ErrInvalidTTL, "%s %v", o.op, opts)
			assert.Equal(t, adaptor.CodeInvalidTTL, adaptor.CodeOf(err))
			assert.Equal(t, "nothing", b.last(), "nothing changes")
		}
		for _, opts := range good {
			assert.NoError(t, o.call(ctx, open(t, &backend{}), opts...), "%s %v", o.op, opts)
		}
	}
	s := open(t, &backend{})
	for _, ttl := range []time.Duration{0, -time.Second} {
		_, err := s.Expire(ctx, "k", ttl)
		assert.ErrorIs(t, err, adaptor.ErrInvalidTTL)
	}
	err := s.Set(ctx, "k", 1, adaptor.WithTTL(-time.Second))
	assert.EqualError(t, err, `kv: Set in namespace "ns": INVALID_TTL: the ttl must be positive, got -1s`)
}

// Each operation checks its options, then the context, then its values. It does nothing if a check fails.
func TestOrderOfChecks(t *testing.T) {
	done, cancel := context.WithCancel(ctx)
	cancel()
	b := &backend{}
	s := open(t, b)
	type call = func(ctx context.Context, bad any, opts ...adaptor.Option) error
	calls := map[string]call{
		"Set": func(ctx context.Context, bad any, opts ...adaptor.Option) error { return s.Set(ctx, "k", bad, opts...) },
		"SetNX": func(ctx context.Context, bad any, opts ...adaptor.Option) error {
			return unfound(s.SetNX(ctx, "k", bad, opts...))
		},
		"CompareAndSwap, old": func(ctx context.Context, bad any, opts ...adaptor.Option) error {
			return unfound(s.CompareAndSwap(ctx, "k", bad, 1, opts...))
		},
		"CompareAndSwap, new": func(ctx context.Context, bad any, opts ...adaptor.Option) error {
			return unfound(s.CompareAndSwap(ctx, "k", 1, bad, opts...))
		},
		"CompareAndDelete": func(ctx context.Context, bad any, _ ...adaptor.Option) error {
			return unfound(s.CompareAndDelete(ctx, "k", bad))
		},
		"Swap": func(ctx context.Context, bad any, opts ...adaptor.Option) error {
			_, found, err := s.Swap(ctx, "k", bad, opts...)
			return unfound(found, err)
		},
		"SetMany": func(ctx context.Context, bad any, opts ...adaptor.Option) error {
			return s.SetMany(ctx, []adaptor.Entry{{Key: "good", Value: 1}, {Key: "k", Value: bad}}, opts...)
		},
	}
	h := adaptor.Of[any](s)
	for name, opt := range map[string]adaptor.Option{"": {}, ", WithTTL": adaptor.WithTTL(time.Hour), ", WithKeepTTL": adaptor.WithKeepTTL()} {
		with := func(opts []adaptor.Option) []adaptor.Option { return append(opts, opt) }
		calls["Typed.Set"+name] = func(ctx context.Context, bad any, opts ...adaptor.Option) error {
			return h.Set(ctx, "k", bad, with(opts)...)
		}
		calls["Typed.CompareAndSwap"+name] = func(ctx context.Context, bad any, opts ...adaptor.Option) error {
			return unfound(h.CompareAndSwap(ctx, "k", 1, bad, with(opts)...))
		}
		calls["Typed.SetMany"+name] = func(ctx context.Context, bad any, opts ...adaptor.Option) error {
			return h.SetMany(ctx, map[string]any{"good": 1, "k": bad}, with(opts)...)
		}
		if name != ", WithKeepTTL" {
			calls["Typed.SetNX"+name] = func(ctx context.Context, bad any, opts ...adaptor.Option) error {
				return unfound(h.SetNX(ctx, "k", bad, with(opts)...))
			}
		}
	}
	bad := make(chan int)
	for name, call := range calls {
		if name != "CompareAndDelete" { // it has no options
			for _, opts := range [][]adaptor.Option{{adaptor.WithTTL(0)}, {adaptor.WithTTL(1), adaptor.WithKeepTTL()}, {adaptor.WithTTL(1), adaptor.WithTTL(1)}} {
				assert.ErrorIs(t, call(done, bad, opts...), adaptor.ErrInvalidTTL, name)
			}
		}
		err := call(done, bad)
		assert.ErrorIs(t, err, context.Canceled, name)
		assert.Equal(t, adaptor.CodeStoreOperationFailed, adaptor.CodeOf(err), name)
		assert.False(t, adaptor.OutcomeUnknown(err), name)
		err = call(ctx, bad)
		assert.Equal(t, adaptor.CodeInvalidValue, adaptor.CodeOf(err), name)
		var e *adaptor.Error
		require.ErrorAs(t, err, &e, name)
		assert.Equal(t, "k", e.Key, name)
		assert.Equal(t, "nothing", b.last(), name)
	}
	_, err := s.Expire(done, "k", 0)
	assert.ErrorIs(t, err, adaptor.ErrInvalidTTL)
	_, _, err = s.GetExpire(done, "k", 0)
	assert.ErrorIs(t, err, adaptor.ErrInvalidTTL)
	_, err = s.Incr(done, "k", 1, adaptor.WithTTL(0))
	assert.ErrorIs(t, err, adaptor.ErrInvalidTTL)
	assert.Equal(t, "nothing", b.last())
}

func TestDoneContext(t *testing.T) {
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	expired, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	for _, o := range operations {
		for _, done := range []context.Context{canceled, expired} {
			b := &backend{}
			err := o.call(done, open(t, b))
			assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, o.op)
			assert.ErrorIs(t, err, done.Err(), o.op)
			assert.ErrorContains(t, err, done.Err().Error(), o.op)
			assert.False(t, adaptor.OutcomeUnknown(err), "surely not applied")
			assert.Equal(t, "nothing", b.last(), o.op)
		}
	}
}

func TestDriverErrors(t *testing.T) {
	planted := errors.New("secret cause about secret-key and secret-value")
	for _, o := range operations {
		for _, tt := range []struct {
			err     error
			code    adaptor.Code
			unknown bool
			text    string
		}{
			{planted, adaptor.CodeStoreOperationFailed, false, ": STORE_OPERATION_FAILED: an error of type *errors.errorString"},
			{fmt.Errorf("wrapped: %w", planted), adaptor.CodeStoreOperationFailed, false, ": STORE_OPERATION_FAILED: an error of type *errors.errorString"},
			{driver.Reason(planted, "OOM"), adaptor.CodeStoreOperationFailed, false, ": STORE_OPERATION_FAILED: OOM"},
			{driver.Unknown(planted), adaptor.CodeStoreOperationFailed, true, ": STORE_OPERATION_FAILED: an error of type *errors.errorString"},
			{driver.Unknown(driver.Reason(io.EOF, "connection lost")), adaptor.CodeStoreOperationFailed, true, ": STORE_OPERATION_FAILED: connection lost"},
			{driver.Unknown(fmt.Errorf("secret: %w", context.DeadlineExceeded)), adaptor.CodeStoreOperationFailed, true, ": STORE_OPERATION_FAILED: context deadline exceeded"},
			{driver.ErrInvalidValue, adaptor.CodeInvalidValue, false, ": INVALID_VALUE: " + driver.ErrInvalidValue.Error()},
			{fmt.Errorf("secret: %w", driver.ErrInvalidValue), adaptor.CodeInvalidValue, false, ": INVALID_VALUE: " + driver.ErrInvalidValue.Error()},
			{driver.Unknown(driver.ErrInvalidValue), adaptor.CodeStoreOperationFailed, true, ": STORE_OPERATION_FAILED: " + driver.ErrInvalidValue.Error()},
		} {
			err := o.call(ctx, open(t, &backend{err: tt.err, stored: []byte("1")}))
			want := "kv: " + o.op + ` in namespace "ns"` + tt.text
			if tt.unknown && o.writes {
				want += " (outcome unknown: the write may have happened)"
			}
			assert.EqualError(t, err, want)
			assert.ErrorIs(t, err, tt.err)
			assert.Equal(t, tt.code, adaptor.CodeOf(err))
			assert.Equal(t, tt.unknown && o.writes, adaptor.OutcomeUnknown(err), "%s: never for reads", o.op)
			assert.Equal(t, tt.unknown && o.writes, adaptor.OutcomeUnknown(fmt.Errorf("service: %w", errors.Join(io.EOF, err))))

			var e *adaptor.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, adaptor.Error{Code: tt.code, Op: o.op, Namespace: "ns", Key: "secret-key", Err: tt.err}, *e)
		}
	}
}

func TestSentinelsAndCodes(t *testing.T) {
	sentinels := map[adaptor.Code]error{
		"INVALID_TTL":            adaptor.ErrInvalidTTL,
		"EMPTY_NAMESPACE":        adaptor.ErrEmptyNamespace,
		"INVALID_VALUE":          adaptor.ErrInvalidValue,
		"STORE_OPERATION_FAILED": adaptor.ErrStoreOperationFailed,
	}
	for code, sentinel := range sentinels {
		err := fmt.Errorf("service: %w", &adaptor.Error{Code: code, Op: "Set", Err: io.EOF})
		assert.ErrorIs(t, err, sentinel)
		assert.ErrorIs(t, err, io.EOF)
		assert.Equal(t, code, adaptor.CodeOf(err))
		assert.Equal(t, code, adaptor.CodeOf(fmt.Errorf("from a fake: %w", sentinel)))
		for other, sentinel := range sentinels {
			assert.Equal(t, code == other, errors.Is(err, sentinel))
		}
	}
	assert.Equal(t, io.EOF, errors.Unwrap(&adaptor.Error{Err: io.EOF}))
	assert.Empty(t, adaptor.CodeOf(io.EOF))
	assert.Empty(t, adaptor.CodeOf(nil))
	assert.False(t, adaptor.OutcomeUnknown(nil))
	assert.False(t, adaptor.OutcomeUnknown((*adaptor.Error)(nil)))
	assert.EqualError(t, &adaptor.Error{}, "kv: : ")
	var none *adaptor.Error
	assert.Empty(t, adaptor.CodeOf(fmt.Errorf("%w", error(none))))
	assert.NotEmpty(t, none.Error())
	assert.Equal(t, adaptor.CodeInvalidTTL, adaptor.CodeOf(errors.Join(adaptor.ErrInvalidValue, adaptor.ErrInvalidTTL)))
}

func TestEmptyNamespace(t *testing.T) {
	b := &backend{}
	s := open(t, b)
	for where, call := range map[string]func() error{
		"New":           func() error { _, err := adaptor.New(b).Namespace(""); return err },
		"NewAtomic":     func() error { _, err := adaptor.NewAtomic(b).Namespace(""); return err },
		"WithoutAtomic": func() error { _, err := adaptor.WithoutAtomic(s).Namespace(""); return err },
		"KVStore":       func() error { _, err := s.KVStore.Namespace(""); return err },
		"AtomicKVStore": func() error { _, err := s.Namespace(""); return err },
	} {
		err := call()
		assert.ErrorIs(t, err, adaptor.ErrEmptyNamespace, where)
		assert.Equal(t, adaptor.CodeEmptyNamespace, adaptor.CodeOf(err), where)
	}
	_, err := s.Namespace("")
	assert.EqualError(t, err, `kv: Namespace in namespace "ns": EMPTY_NAMESPACE: a namespace needs a name that is not empty`)
	_, err = adaptor.New(b).Namespace("")
	assert.EqualError(t, err, `kv: Namespace: EMPTY_NAMESPACE: a namespace needs a name that is not empty`)
}

// Opening a namespace never changes the path of a sibling, at any depth, directly or through a wrapper.
func TestSiblingsDoNotShareAPath(t *testing.T) {
	pass := func(ctx context.Context, c *driver.Call) error { return c.Next(ctx) }
	b := &backend{}
	s := open(t, b)
	want := `"ns"`
	for depth := range 9 { // the slices of some paths have spare capacity
		for kind, a := range map[string]adaptor.AtomicKVAdaptor{
			"directly": s, "Intercept": adaptor.Intercept(s, pass), "twice": adaptor.Intercept(adaptor.Intercept(s, pass), pass),
			"another type": adaptor.Intercept(opaque{s}, pass),
		} {
			one, err := a.Namespace("one")
			require.NoError(t, err)
			below, err := one.Namespace("below")
			require.NoError(t, err)
			two, err := a.Namespace("two")
			require.NoError(t, err)
			_, err = one.Namespace("beside")
			require.NoError(t, err)
			for store, path := range map[*adaptor.AtomicKVStore]string{one: `"one"`, two: `"two"`, below: `"one" "below"`} {
				require.NoError(t, store.Del(ctx, "k"))
				assert.Equal(t, `Del [`+want+` `+path+`] "k"`, b.last(), "%s, depth %d", kind, depth)
				b.err = io.EOF
				err := store.Del(ctx, "k")
				b.err = nil
				var e *adaptor.Error
				require.ErrorAs(t, err, &e)
				assert.Equal(t, strings.NewReplacer(`"`, "", " ", "/").Replace(want+" "+path), e.Namespace, "%s, depth %d", kind, depth)
			}
		}
		name := fmt.Sprint(depth)
		var err error
		s, err = s.Namespace(name)
		require.NoError(t, err)
		want += ` "` + name + `"`
	}
}

// Names of namespaces and keys may share memory with a buffer that the caller uses again. A store keeps its
// namespace, and an error keeps its namespace and its key.
func TestNamesAndKeysAreCopied(t *testing.T) {
	buffer := []byte("name")
	name := unsafe.String(&buffer[0], len(buffer))
	b := &backend{}
	below := func(a adaptor.AtomicKVAdaptor, err error) adaptor.AtomicKVAdaptor {
		require.NoError(t, err)
		return a
	}
	root := adaptor.NewAtomic(b)
	for where, a := range map[string]adaptor.AtomicKVAdaptor{
		"NewAtomic": root, "a store": below(root.Namespace("name")),
		"Intercept": adaptor.Intercept(root, func(ctx context.Context, c *driver.Call) error { return c.Next(ctx) }),
	} {
		for kind, a := range map[string]adaptor.KVAdaptor{"atomic": adaptor.WithoutAtomic(a), "plain": adaptor.New(b)} {
			where := where + ", " + kind
			copy(buffer, "name")
			b.err = nil
			s, err := a.Namespace(name)
			require.NoError(t, err, where)
			child, err := s.Namespace(name)
			require.NoError(t, err, where)
			want := strings.Repeat(`"name" `, strings.Count(operationPath(t, b, s), `"name"`)+1)
			copy(buffer, "xxxx")
			assert.Equal(t, "["+strings.TrimSpace(want)+"]", operationPath(t, b, child), where)

			copy(buffer, "name")
			b.err = io.EOF
			var errs []error
			errs = append(errs, child.Del(ctx, name), child.SetMany(ctx, []adaptor.Entry{{Key: name}}), child.Set(ctx, name, 1, adaptor.WithTTL(0)),
				child.Set(ctx, name, make(chan int)))
			results, _ := child.GetMany(ctx, []string{name})
			errs = append(errs, results[0].Err)
			copy(buffer, "xxxx")
			for i, err := range errs {
				var keys adaptor.KeyErrors
				if errors.As(err, &keys) {
					err = keys[0]
				}
				var e *adaptor.Error
				require.ErrorAs(t, err, &e, where)
				assert.Equal(t, "name", e.Key, "%s, error %d", where, i)
				assert.NotContains(t, e.Namespace, "x", "%s, error %d", where, i)
			}
		}
	}
}

// operationPath returns the path with which an operation of s reaches the backend.
func operationPath(t *testing.T, b *backend, s *adaptor.KVStore) string {
	require.NoError(t, s.Del(ctx, "k"))
	path, _, _ := strings.Cut(strings.TrimPrefix(b.last(), "Del "), "]")
	return path + "]"
}

func TestAStoreIsAnAdaptor(t *testing.T) {
	b := &backend{}
	var tenant adaptor.AtomicKVAdaptor = open(t, b)
	var plain adaptor.KVAdaptor = adaptor.WithoutAtomic(tenant)
	s, err := plain.Namespace("cache")
	require.NoError(t, err)
	require.NoError(t, s.Set(ctx, "k", 1))
	assert.Equal(t, `Set ["ns" "cache"] "k" 1 0s`, b.last())
	var deeper adaptor.KVAdaptor = s
	s, err = deeper.Namespace("more")
	require.NoError(t, err)
	require.NoError(t, s.Set(ctx, "k", 1))
	assert.Equal(t, `Set ["ns" "cache" "more"] "k" 1 0s`, b.last())
}

func TestNilAndZeroStores(t *testing.T) {
	filled := open(t, &backend{}).KVStore
	for name, s := range map[string]*adaptor.AtomicKVStore{"nil": nil, "zero": {}, "half": {KVStore: filled}} {
		for _, o := range operations {
			err := o.call(ctx, s)
			_, atomic := map[string]bool{"Incr": true, "IncrTTL": true, "SetNX": true, "CompareAndSwap": true, "CompareAndDelete": true, "GetDel": true, "Swap": true, "GetExpire": true}[o.op]
			if name == "half" && !atomic {
				assert.NoError(t, err)
				continue
			}
			assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, "%s %s", name, o.op)
			assert.ErrorContains(t, err, "nil or was not opened")
		}
		_, err := s.Namespace("x")
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed, name)
	}
	for _, s := range []*adaptor.KVStore{nil, {}} {
		_, err := s.Namespace("x")
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		_, _, err = adaptor.Get[int](ctx, s, "k")
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
		_, err = s.Expire(ctx, "k", -1)
		assert.Error(t, err)
	}
	_, _, err := adaptor.Get[int](ctx, nil, "k")
	assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
}

func TestNilBackends(t *testing.T) {
	for _, a := range []adaptor.KVAdaptor{
		adaptor.New(nil), adaptor.WithoutAtomic(nil), adaptor.WithoutAtomic(adaptor.NewAtomic(nil)),
		adaptor.New(&backend{noStore: true}), adaptor.WithoutAtomic(adaptor.NewAtomic(&backend{noStore: true})),
		adaptor.WithoutAtomic((*adaptor.AtomicKVStore)(nil)),
	} {
		s, err := a.Namespace("x")
		assert.Nil(t, s)
		assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	}
	_, err := adaptor.New(&backend{openErr: io.EOF}).Namespace("x")
	assert.ErrorIs(t, err, adaptor.ErrStoreOperationFailed)
	assert.ErrorIs(t, err, io.EOF)
}

type leaky struct{ err error }

func (l leaky) MarshalJSON() ([]byte, error) { return nil, l.err }

// No error text contains a key or a value, also if a codec or a marshaler wrote the text.
func TestErrorsKeepSecrets(t *testing.T) {
	s := open(t, &backend{stored: []byte(`"secret"`)})
	get := func(_ any, _ bool, err error) error { return err }
	marshaler := errors.New("secret")
	for name, err := range map[string]error{
		"Get[time.Time]":   get(box(adaptor.Get[time.Time](ctx, s, "secret"))),
		"Get[json.Number]": get(box(adaptor.Get[json.Number](ctx, s, "secret"))),
		"Get[int8]":        get(box(adaptor.Get[int8](ctx, s, "secret"))),
		"Set(json.Number)": s.Set(ctx, "secret", json.Number("secret")),
		"Set(MarshalJSON)": s.Set(ctx, "secret", leaky{marshaler}),
		"Set(RawMessage)":  s.Set(ctx, "secret", json.RawMessage(`{"secret`)),
		"Set(ttl)":         s.Set(ctx, "secret", "secret", adaptor.WithTTL(-1)),
	} {
		require.Error(t, err, name)
		for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %#v %s %q", err, err, err, err, err), asJSON(t, err)} {
			assert.NotContains(t, text, "secret", name)
		}
	}
	err := s.Set(ctx, "k", leaky{marshaler})
	assert.ErrorIs(t, err, marshaler, "the cause stays reachable")
	_, _, err = adaptor.Get[int8](ctx, s, "k")
	assert.EqualError(t, err, `kv: Get in namespace "ns": INVALID_VALUE: the stored value does not decode into type int8 (at byte 8)`)
}

func asJSON(t *testing.T, v any) string {
	text, err := json.Marshal(map[string]any{"error": v})
	require.NoError(t, err)
	return string(text)
}

func box[T any](value T, found bool, err error) (any, bool, error) { return value, found, err }

func TestAFailedGetReturnsTheZeroValue(t *testing.T) {
	s := open(t, &backend{stored: []byte(`{"A":1,"B":"x"}`)})
	v, found, err := adaptor.Get[struct{ A, B int }](ctx, s, "k")
	assert.ErrorIs(t, err, adaptor.ErrInvalidValue)
	assert.False(t, found)
	assert.Zero(t, v)
}

// Get checks text that another program stored in a shared server.
func TestGetChecksForeignText(t *testing.T) {
	for _, text := range []string{"", "hello", "\"\xff\"", `"\ud800"`, `{"a":1`, "1 2"} {
		s := open(t, &backend{stored: []byte(text)})
		_, found, err := adaptor.Get[any](ctx, s, "k")
		assert.ErrorIs(t, err, adaptor.ErrInvalidValue, "%q", text)
		assert.False(t, found)
	}
}
