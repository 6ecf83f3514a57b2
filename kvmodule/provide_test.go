package kvmodule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/kvmodule"
)

type (
	session struct{ User string }
	token   struct{ Secret string }
	third   struct{}
)

func TestProvide(t *testing.T) {
	fake := newMemory(t)
	var sessions adaptor.Typed[session]
	app := fxtest.New(t, kvmodule.Module,
		kvmodule.Provide[session]("sessions", adaptor.DefaultTTL(30*time.Minute)),
		kvmodule.Provide[token]("tokens"),
		fx.Populate(&sessions),
		kvmodule.ReplaceAdaptor(fake),
	)
	app.RequireStart()
	defer app.RequireStop()
	require.NoError(t, sessions.Set(ctx, "k", session{"Ada"}))

	store, err := fake.Namespace("sessions")
	require.NoError(t, err)
	got, found, err := adaptor.Get[session](ctx, store, "k")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, session{"Ada"}, got)
	ttl, _, err := store.TTL(ctx, "k")
	require.NoError(t, err)
	assert.Greater(t, ttl, 29*time.Minute)
	assert.LessOrEqual(t, ttl, 30*time.Minute)
}

// within makes an fx.Module whose adaptor is the namespace of that name.
func within(name string, opts ...fx.Option) fx.Option {
	inside := fx.Decorate(func(kv adaptor.AtomicKVAdaptor) (adaptor.AtomicKVAdaptor, error) { return kv.Namespace(name) })
	return fx.Module(name, append(opts, inside)...)
}

// Whether a service uses one of the handles, both or none.
func TestHandlesAreApart(t *testing.T) {
	sessions, tokens := kvmodule.Provide[session]("sessions"), kvmodule.Provide[token]("tokens")
	for name, tt := range map[string]struct {
		opts fx.Option
		want string
	}{
		"apart": {fx.Options(sessions, tokens), ""},
		"the same": {fx.Options(sessions, kvmodule.Provide[token]("sessions")),
			`kvmodule: Provide[kvmodule_test.session] ("sessions") and Provide[kvmodule_test.token] ("sessions") have the same namespace: give each handle its own namespace`},
		"inside": {fx.Options(within("sessions", tokens), sessions),
			`kvmodule: the namespace of Provide[kvmodule_test.token] ("sessions/tokens") is inside the namespace of Provide[kvmodule_test.session] ("sessions"): give each handle its own namespace`},
		"deep inside": {fx.Options(sessions, within("sessions", within("x", tokens))),
			`kvmodule: the namespace of Provide[kvmodule_test.token] ("sessions/x/tokens") is inside the namespace of Provide[kvmodule_test.session] ("sessions"): give each handle its own namespace`},
		"one name, two tenants":      {fx.Options(within("a", sessions), within("b", kvmodule.Provide[token]("sessions"))), ""},
		"a name that looks like one": {fx.Options(sessions, kvmodule.Provide[token]("sessions/tokens"), kvmodule.Provide[third]("sessionsAbc")), ""},
		"another adaptor": {fx.Options(sessions, fx.Module("other", kvmodule.Provide[token]("sessions"),
			fx.Decorate(func() adaptor.AtomicKVAdaptor { return newMemory(t) }))), ""},
	} {
		for used, use := range map[string]fx.Option{
			"none": fx.Options(),
			"one":  fx.Invoke(func(adaptor.Typed[session]) {}),
			"both": fx.Invoke(func(adaptor.Typed[token], adaptor.Typed[session]) {}),
		} {
			err := quiet(kvmodule.Module, tt.opts, use).Err()
			if tt.want == "" {
				assert.NoError(t, err, "%s, %s used", name, used)
				continue
			}
			assert.EqualError(t, err, tt.want, "%s, %s used", name, used)
		}
	}
}

// All pairs of handles are compared, wherever the other handles are: the two handles that overlap need not be
// neighbours in any order.
func TestEachPairOfHandlesIsCompared(t *testing.T) {
	for name, tt := range map[string]struct {
		overlap fx.Option
		want    string
	}{
		"the same":    {kvmodule.Provide[token]("sessions"), "have the same namespace"},
		"inside":      {within("sessions", kvmodule.Provide[token]("tokens")), "is inside the namespace of"},
		"deep inside": {within("sessions", within("x", within("y", kvmodule.Provide[token]("tokens")))), "is inside the namespace of"},
	} {
		for _, first := range []bool{true, false} {
			opts := []fx.Option{
				kvmodule.Module,
				kvmodule.Provide[third]("a"), kvmodule.Provide[fourth]("b"), kvmodule.Provide[fifth]("c"),
				within("sessionr", kvmodule.Provide[sixth]("tokens")), within("sessiont", within("x", kvmodule.Provide[seventh]("tokens"))),
				kvmodule.Provide[eighth]("sessions "), kvmodule.Provide[ninth]("sessionsAbc"), kvmodule.Provide[tenth]("x"),
			}
			require.NoError(t, quiet(append(opts, kvmodule.Provide[session]("sessions"))...).Err(), name)
			two := []fx.Option{kvmodule.Provide[session]("sessions"), tt.overlap}
			if !first {
				two[0], two[1] = two[1], two[0]
			}
			err := quiet(append(append(opts, two[0]), two[1])...).Err()
			require.ErrorContains(t, err, tt.want, name)
			assert.ErrorContains(t, err, `Provide[kvmodule_test.session] ("sessions")`, name)
			assert.ErrorContains(t, err, "Provide[kvmodule_test.token]", name)
		}
	}
}

type (
	fourth  struct{}
	fifth   struct{}
	sixth   struct{}
	seventh struct{}
	eighth  struct{}
	ninth   struct{}
	tenth   struct{}
)

// What one app has claimed is free in another, at the same time as well.
func TestAppsDoNotDisturbEachOther(t *testing.T) {
	for range 3 {
		app := fxtest.New(t, kvmodule.Module, kvmodule.Provide[session]("sessions"), fx.Invoke(func(adaptor.Typed[session]) {}))
		app.RequireStart()
		defer app.RequireStop()
	}
}

func TestProvideFailsTheApp(t *testing.T) {
	bad := kvmodule.Provide[session]("sessions", adaptor.DefaultTTL(-time.Second))
	err := quiet(kvmodule.Module, bad).Err()
	assert.ErrorIs(t, err, adaptor.ErrInvalidTTL)
	assert.ErrorContains(t, err, `kvmodule: Provide[kvmodule_test.session]: kv: Of in namespace "sessions": INVALID_TTL: the ttl must be positive, got -1s`)
	assert.ErrorIs(t, quiet(kvmodule.Module, kvmodule.Provide[session]("")).Err(), adaptor.ErrEmptyNamespace)
	assert.ErrorContains(t, quiet(kvmodule.Provide[session]("x")).Err(), "missing type: adaptor.AtomicKVAdaptor")

	none := fx.Decorate(func() adaptor.AtomicKVAdaptor { return nil })
	assert.ErrorContains(t, quiet(kvmodule.Module, none, kvmodule.Provide[session]("x")).Err(), "AtomicKVAdaptor in the app is nil")
	broken := kvmodule.ReplaceAdaptor(&storeless{})
	assert.ErrorIs(t, quiet(kvmodule.Module, broken, kvmodule.Provide[session]("x")).Err(), adaptor.ErrStoreOperationFailed)
}

// storeless is a fake that was written in a hurry.
type storeless struct{}

func (*storeless) Namespace(string) (*adaptor.AtomicKVStore, error) { return nil, nil }

// fx refuses a second handle of one type by itself, and names the type.
func TestPitfallTwoHandlesOfOneType(t *testing.T) {
	err := quiet(kvmodule.Module, kvmodule.Provide[session]("a"), kvmodule.Provide[session]("b")).Err()
	assert.ErrorContains(t, err, "already provided")
	assert.ErrorContains(t, err, "adaptor.Typed[github.com/zelt-go/kv/kvmodule_test.session]")
}

func TestValidateAppWithHandles(t *testing.T) {
	assert.NoError(t, fx.ValidateApp(kvmodule.Module, kvmodule.Provide[session]("a"), fx.Invoke(func(adaptor.Typed[session]) {})))
}
