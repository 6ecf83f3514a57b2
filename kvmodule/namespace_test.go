package kvmodule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/kvmodule"
)

// The services of the root and of a module write through both adaptor types. The table says
// below which names their entries are stored.
func TestInNamespace(t *testing.T) {
	for name, tt := range map[string]struct {
		root, module   []fx.Option
		atRoot, inside []string
	}{
		"nowhere":         {},
		"at the root":     {root: []fx.Option{kvmodule.InNamespace("app")}, atRoot: []string{"app"}, inside: []string{"app"}},
		"inside a module": {module: []fx.Option{kvmodule.InNamespace("m")}, inside: []string{"m"}},
		"in both": {
			root: []fx.Option{kvmodule.InNamespace("app")}, module: []fx.Option{kvmodule.InNamespace("m")},
			atRoot: []string{"app"}, inside: []string{"app", "m"},
		},
	} {
		for _, moduleFirst := range []bool{true, false} {
			fake := newMemory(t)
			var atRoot, inside services
			opts := append(tt.root,
				fx.Module("m", append([]fx.Option{fx.Invoke(func(s services) { inside = s })}, tt.module...)...),
				fx.Invoke(func(s services) { atRoot = s }),
				kvmodule.ReplaceAdaptor(fake))
			if moduleFirst {
				opts = append([]fx.Option{kvmodule.Module}, opts...)
			} else {
				opts = append(opts, kvmodule.Module)
			}
			app := fxtest.New(t, opts...)
			app.RequireStart()
			for _, of := range []struct {
				services services
				path     []string
			}{{atRoot, tt.atRoot}, {inside, tt.inside}} {
				mark(t, of.services)
				var below adaptor.AtomicKVAdaptor = fake
				for _, name := range of.path {
					store, err := below.Namespace(name)
					require.NoError(t, err)
					below = store
				}
				atomic, plain := marked(t, below)
				assert.True(t, atomic, "%s, %v: atomic", name, of.path)
				assert.True(t, plain, "%s, %v: plain", name, of.path)
				store, err := below.Namespace("ns")
				require.NoError(t, err)
				require.NoError(t, store.Clear(ctx))
			}
			assert.Zero(t, fake.Stats().Entries, "%s: entries elsewhere", name)
			app.RequireStop()
		}
	}
}

// Handles of two tenants do not meet; a handle at the root can contain a module's.
func TestInNamespaceKeepsHandlesApart(t *testing.T) {
	tenant := func(name string, handle fx.Option) fx.Option {
		return fx.Module(name, handle, kvmodule.InNamespace(name))
	}
	assert.NoError(t, quiet(kvmodule.Module,
		tenant("a", kvmodule.Provide[session]("sessions")), tenant("b", kvmodule.Provide[token]("sessions"))).Err())
	assert.ErrorContains(t, quiet(kvmodule.Module,
		tenant("a", kvmodule.Provide[session]("sessions")), kvmodule.Provide[token]("a")).Err(), "inside")
}

func TestInNamespaceFails(t *testing.T) {
	err := quiet(kvmodule.Module, kvmodule.InNamespace("")).Err()
	assert.ErrorIs(t, err, adaptor.ErrEmptyNamespace)
	assert.ErrorContains(t, err, "kvmodule: InNamespace")
	assert.EqualError(t, quiet(kvmodule.InNamespace("a")).Err(), "kvmodule: InNamespace needs kvmodule.Module or redismodule.Module in the app")
	both := fx.Decorate(func(a adaptor.AtomicKVAdaptor) adaptor.AtomicKVAdaptor { return a })
	assert.ErrorContains(t, quiet(kvmodule.Module, both, kvmodule.InNamespace("a")).Err(), "already decorated")
	nothing := fx.Decorate(func(*adaptor.KVStore) adaptor.AtomicKVAdaptor { return nil })
	assert.Error(t, quiet(kvmodule.Module, nothing, fx.Invoke(func(services) {})).Err())
	broken := kvmodule.ReplaceAdaptor(adaptor.NewAtomic(broken{}))
	assert.ErrorContains(t, quiet(kvmodule.Module, broken, kvmodule.InNamespace("a"), fx.Invoke(func(services) {})).Err(),
		"kvmodule: InNamespace: kv: Namespace: STORE_OPERATION_FAILED: out of order")
}

// Below a Decorate that returns nil, InNamespace fails the app with an error, and not with a panic.
func TestInNamespaceOfANilAdaptorFails(t *testing.T) {
	for name, none := range map[string]adaptor.AtomicKVAdaptor{"nil": nil, "nil store": (*adaptor.AtomicKVStore)(nil), "nil func": funcAdaptor(nil)} {
		assert.NotPanics(t, func() {
			err := quiet(kvmodule.Module, fx.Decorate(func() adaptor.AtomicKVAdaptor { return none }),
				fx.Module("m", kvmodule.InNamespace("m"), fx.Invoke(func(adaptor.AtomicKVAdaptor) {}))).Err()
			assert.ErrorContains(t, err, "AtomicKVAdaptor in the app is nil", name)
		}, name)
	}
}
