package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/examples/internal/wrap"
	"github.com/zelt-go/kv/internal/redistest"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

func TestMain(m *testing.M) {
	_ = os.Unsetenv("KV_URL")
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("os/signal.signal_recv"))
}

func newKV(t *testing.T) *memory.MemoryKV {
	t.Helper()
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	return kv
}

func TestTour(t *testing.T) {
	for name, replace := range map[string]func(*memory.MemoryKV) (adaptor.AtomicKVAdaptor, error){
		"memory":           func(kv *memory.MemoryKV) (adaptor.AtomicKVAdaptor, error) { return kv, nil },
		"a tenant's store": func(kv *memory.MemoryKV) (adaptor.AtomicKVAdaptor, error) { return kv.Namespace("tenant-1") },
		"another driver": func(kv *memory.MemoryKV) (adaptor.AtomicKVAdaptor, error) {
			return wrap.Adaptor(kv, func(s wrap.Store) driver.AtomicStore { return s }), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kv, err := replace(newKV(t))
				require.NoError(t, err)
				requireAsPromised(t, kvmodule.ReplaceAdaptor(kv))
			})
		})
	}
}

// The tour of the program: on the real clock and on its own adaptor.
func TestTourInRealTime(t *testing.T) {
	begin := time.Now()
	requireAsPromised(t)
	require.Less(t, time.Since(begin), 10*time.Second)
}

// The tour on a real server leaves no key and no connection.
func TestTourOnRedis(t *testing.T) {
	server := redistest.Start(t)
	t.Setenv("KV_URL", server.URL())
	requireAsPromised(t)
	assert.Equal(t, "0", server.Do("DBSIZE"))
	assert.Zero(t, server.Clients())
}

func requireAsPromised(t *testing.T, options ...fx.Option) {
	t.Helper()
	var out bytes.Buffer
	require.Equal(t, exitAsPromised, run(t.Context(), &out, options...), out.String())
	require.NotContains(t, out.String(), "✗")
	for _, s := range sections {
		assert.Contains(t, out.String(), s.title+"\n")
	}
	for _, code := range []adaptor.Code{adaptor.CodeInvalidTTL, adaptor.CodeEmptyNamespace, adaptor.CodeInvalidValue, adaptor.CodeStoreOperationFailed} {
		assert.Contains(t, out.String(), string(code)+": ")
	}
}

// Each of these stores breaks one promise.
type (
	incrTwice      struct{ wrap.Store }
	movingDeadline struct{ wrap.Store }
	overwriting    struct{ wrap.Store }
	deletesAny     struct{ wrap.Store }
	neverExpires   struct{ wrap.Store }
	forgetsTTL     struct{ wrap.Store }
	expireCreates  struct{ wrap.Store }
	nothingFound   struct{ wrap.Store }
	telltale       struct{ wrap.Store }
)

func (s incrTwice) Incr(ctx context.Context, key string, by int64, ttl time.Duration) (int64, time.Duration, error) {
	if _, _, err := s.Store.Incr(ctx, key, by, ttl); err != nil {
		return 0, 0, err
	}
	return s.Store.Incr(ctx, key, by, ttl)
}

func (s movingDeadline) Incr(ctx context.Context, key string, by int64, ttl time.Duration) (int64, time.Duration, error) {
	sum, left, err := s.Store.Incr(ctx, key, by, ttl)
	if err == nil && ttl > 0 {
		_, err = s.Expire(ctx, key, ttl)
		left = ttl
	}
	return sum, left, err
}

func (s overwriting) SetNX(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	had, err := s.Has(ctx, key)
	if err != nil {
		return false, err
	}
	return !had, s.Set(ctx, key, value, ttl)
}

func (s deletesAny) CompareAndDelete(ctx context.Context, key string, _ []byte) (bool, error) {
	return true, s.Del(ctx, key)
}

func (s neverExpires) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl > 0 {
		ttl = time.Hour
	}
	return s.Store.Set(ctx, key, value, ttl)
}

func (s forgetsTTL) Set(ctx context.Context, key string, value []byte, _ time.Duration) error {
	return s.Store.Set(ctx, key, value, driver.NoTTL)
}

func (s expireCreates) Expire(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	if _, err := s.SetNX(ctx, key, []byte("null"), ttl); err != nil {
		return false, err
	}
	return s.Store.Expire(ctx, key, ttl)
}

func (nothingFound) Get(context.Context, string) ([]byte, bool, error) { return nil, false, nil }

func (s telltale) Incr(ctx context.Context, key string, by int64, ttl time.Duration) (int64, time.Duration, error) {
	sum, left, err := s.Store.Incr(ctx, key, by, ttl)
	return sum, left, driver.Reason(err, "the server said: no integer at "+key)
}

func TestTourFindsABrokenAdaptor(t *testing.T) {
	for name, test := range map[string]struct {
		breaks func(wrap.Store) driver.AtomicStore
		says   string
	}{
		"incr adds twice":         {func(s wrap.Store) driver.AtomicStore { return incrTwice{s} }, "expected 1, got 2"},
		"incr moves the deadline": {func(s wrap.Store) driver.AtomicStore { return movingDeadline{s} }, "expected more than 0 and at most 300ms, got 30m0s"},
		"setnx overwrites":        {func(s wrap.Store) driver.AtomicStore { return overwriting{s} }, `expected "first", got "second"`},
		"any token releases":      {func(s wrap.Store) driver.AtomicStore { return deletesAny{s} }, "expected false, got true"},
		"ttl is at least an hour": {func(s wrap.Store) driver.AtomicStore { return neverExpires{s} }, "expected it to happen, got nothing for 5s"},
		"set has no ttl":          {func(s wrap.Store) driver.AtomicStore { return forgetsTTL{s} }, "expected more than 0 and at most 1h0m0s, got 0s"},
		"expire creates":          {func(s wrap.Store) driver.AtomicStore { return expireCreates{s} }, "expected false, got true"},
		"nothing is found":        {func(s wrap.Store) driver.AtomicStore { return nothingFound{s} }, "expected {ID:42 Name:Ada}, got not found"},
		"an error tells the key":  {func(s wrap.Store) driver.AtomicStore { return telltale{s} }, "expected INVALID_VALUE and no secret, got"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				code := run(t.Context(), &out, kvmodule.ReplaceAdaptor(wrap.Adaptor(newKV(t), test.breaks)))
				require.Equal(t, exitDiffers, code)
				require.Contains(t, out.String(), "✗")
				require.Contains(t, out.String(), test.says)
				require.Contains(t, out.String(), "steps were not as promised.")
			})
		})
	}
}

func TestArguments(t *testing.T) {
	for _, test := range []struct {
		args           []string
		code           int
		done           bool
		stdout, stderr string
	}{
		{nil, 0, false, "", ""},
		{[]string{"-h"}, exitAsPromised, true, "KV_URL", ""},
		{[]string{"--help"}, exitAsPromised, true, "KV_URL", ""},
		{[]string{"redis"}, exitUsage, true, "", `tour: unknown argument "redis" (-h explains)` + "\n"},
		{[]string{"-x"}, exitUsage, true, "", "tour: flag provided but not defined: -x (-h explains)\n"},
	} {
		var stdout, stderr bytes.Buffer
		code, done := parse(test.args, &stdout, &stderr)
		require.Equal(t, test.code, code, test.args)
		require.Equal(t, test.done, done, test.args)
		require.Contains(t, stdout.String(), test.stdout, test.args)
		require.Equal(t, test.stderr, stderr.String(), test.args)
	}
}

// A mistake in KV_URL is one line, which does not quote the URL.
func TestMistakeInTheURLIsOneLine(t *testing.T) {
	for url, says := range map[string]string{
		"http://user:hunter2@host":           "has another scheme",
		"redis://user:hunter2@127.0.0.1:1":   "connection refused",
		"redis://user:hunter2@host:notaport": "is not a URL",
	} {
		t.Setenv("KV_URL", url)
		var out bytes.Buffer
		require.Equal(t, exitDiffers, run(t.Context(), &out))
		require.Equal(t, 1, strings.Count(out.String(), "\n"), out.String())
		require.Less(t, out.Len(), 250, out.String())
		require.Contains(t, out.String(), says)
		require.Contains(t, out.String(), "The app did not start on KV_URL: ")
		require.NotContains(t, out.String(), "hunter2")
	}
}

func TestFailedStartIsReported(t *testing.T) {
	var out bytes.Buffer
	require.Equal(t, exitDiffers, run(t.Context(), &out, kvmodule.ReplaceAdaptor(nil)))
	require.Contains(t, out.String(), "The app did not start:")
	require.Equal(t, exitDiffers, run(t.Context(), &out, kvmodule.ReplaceAdaptor(adaptor.NewAtomic(nil))))
}

func TestFailedStopIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		failed := fx.Invoke(func(lc fx.Lifecycle) {
			lc.Append(fx.StopHook(func() error { return errors.New("stuck") }))
		})
		require.Equal(t, exitDiffers, run(t.Context(), &out, failed))
		require.Contains(t, out.String(), "The app did not stop cleanly: stuck")
	})
}

func TestInterruptStopsTheApp(t *testing.T) {
	for name, after := range map[string]time.Duration{"before": 0, "during": 100 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				begin, stopped := time.Now(), false
				hook := fx.Invoke(func(lc fx.Lifecycle) {
					lc.Append(fx.StartStopHook(func() {}, func(ctx context.Context) error {
						stopped = true
						return ctx.Err()
					}))
				})
				var out bytes.Buffer
				require.Equal(t, exitInterrupted, run(ctx, &out, hook))
				require.Equal(t, after, time.Since(begin), "immediately")
				require.Equal(t, after > 0, stopped, "a started app is stopped")
				require.NotContains(t, out.String(), "✗")
				require.Contains(t, out.String(), "Interrupted after")
			})
		})
	}
}

func TestCtrlC(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to send")
	}
	binary := filepath.Join(t.TempDir(), "tour")
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(built))

	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), binary)
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())

			out := bufio.NewReader(stdout)
			_, err = out.ReadString('\n') // the first heading: the walk has begun
			require.NoError(t, err)
			begin := time.Now()
			require.NoError(t, cmd.Process.Signal(sig))
			rest, err := io.ReadAll(out)
			require.NoError(t, err)

			var exit *exec.ExitError
			require.ErrorAs(t, cmd.Wait(), &exit)
			require.Equal(t, exitInterrupted, exit.ExitCode(), string(rest))
			require.Less(t, time.Since(begin), time.Second)
			require.NotContains(t, string(rest), "✗")
			last := strings.TrimSpace(string(rest))
			require.Regexp(t, `Interrupted after \d+ steps. The app has stopped cleanly.$`, last)
		})
	}
}
