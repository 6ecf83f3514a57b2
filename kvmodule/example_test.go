package kvmodule_test

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

// Visits counts the visits of pages.
type Visits struct{ store *adaptor.AtomicKVStore }

func NewVisits(kv adaptor.AtomicKVAdaptor) (*Visits, error) {
	store, err := kv.Namespace("visits")
	return &Visits{store}, err
}

func (v *Visits) Count(ctx context.Context, page string) (int64, error) {
	return v.store.Incr(ctx, page, 1)
}

// run starts an app, calls f with its Visits, and stops it.
func run(f func(v *Visits), opts ...fx.Option) {
	var v *Visits
	app := fx.New(fx.NopLogger, fx.Provide(NewVisits), fx.Populate(&v), fx.Options(opts...))
	if err := app.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	f(v)
	_ = app.Stop(context.Background())
}

func ExampleWithConfig() {
	run(func(v *Visits) {
		fmt.Println(v.Count(context.Background(), "home"))
	},
		kvmodule.Module,
		kvmodule.WithConfig(memory.Config{GCInterval: 10 * time.Second}),
	)
	// Output: 1 <nil>
}

// Session is what Logins keeps.
type Session struct {
	User string `json:"user"`
}

type Logins struct{ sessions adaptor.Typed[Session] }

func NewLogins(sessions adaptor.Typed[Session]) *Logins { return &Logins{sessions} }

func ExampleProvide() {
	var logins *Logins
	app := fx.New(fx.NopLogger,
		kvmodule.Module,
		kvmodule.Provide[Session]("sessions", adaptor.DefaultTTL(30*time.Minute)),
		fx.Provide(NewLogins),
		fx.Populate(&logins),
	)
	if app.Err() != nil {
		return
	}
	ctx := context.Background()
	_ = logins.sessions.Set(ctx, "abc", Session{"Ada"})
	fmt.Println(logins.sessions.Get(ctx, "abc"))
	// Output: {Ada} true <nil>
}

// Two handles must not write over each other.
func ExampleProvide_sameNamespace() {
	type Token string
	app := fx.New(fx.NopLogger,
		kvmodule.Module,
		kvmodule.Provide[Session]("sessions"),
		kvmodule.Provide[Token]("sessions"),
	)
	fmt.Println(app.Err())
	// Output: kvmodule: Provide[kvmodule_test.Session] ("sessions") and Provide[kvmodule_test.Token] ("sessions") have the same namespace: give each handle its own namespace
}

// A test gives the app a store of its own, and looks into it afterwards.
func ExampleReplaceAdaptor() {
	ctx := context.Background()

	fake, _ := memory.New(memory.Config{})
	var visits *Visits
	app := fx.New(fx.NopLogger,
		kvmodule.Module,
		fx.Provide(NewVisits),
		fx.Populate(&visits),
		kvmodule.ReplaceAdaptor(fake), // the one line
	)
	if app.Err() != nil {
		return
	}
	_, _ = visits.Count(ctx, "home")

	store, _ := fake.Namespace("visits")
	n, found, err := adaptor.Get[int](ctx, store, "home")
	fmt.Println(n, found, err)
	// Output: 1 true <nil>
}

// All services of this app use one tenant's namespace.
func ExampleInNamespace() {
	run(func(v *Visits) {
		fmt.Println(v.Count(context.Background(), "home"))
	}, kvmodule.Module, kvmodule.InNamespace("tenant-1"))
	// Output: 1 <nil>
}

// An interceptor sees every operation of every service.
func ExampleIntercept() {
	trace := func(ctx context.Context, call *driver.Call) error {
		err := call.Next(ctx)
		fmt.Println(call, err)
		return err
	}
	run(func(v *Visits) {
		_, _ = v.Count(context.Background(), "home")
	}, kvmodule.Module, kvmodule.Intercept(trace))
	// Output: Incr in namespace "visits" <nil>
}

// AuditParams asks for the second store of an app by its name.
type AuditParams struct {
	fx.In
	KV adaptor.AtomicKVAdaptor `name:"audit"`
}

type Audit struct{ store *adaptor.AtomicKVStore }

func NewAudit(p AuditParams) (*Audit, error) {
	store, err := p.KV.Namespace("audit")
	return &Audit{store}, err
}

// A second store in one app has a name. A service asks for it by this name.
func ExampleModule_twoStores() {
	auditKV := fx.Annotate(
		func(lc fx.Lifecycle) (adaptor.AtomicKVAdaptor, error) {
			kv, err := memory.New(memory.Config{GCInterval: time.Hour})
			if err != nil {
				return nil, err
			}
			lc.Append(fx.StartStopHook(kv.Start, kv.Stop))
			return kv, nil
		},
		fx.ResultTags(`name:"audit"`),
	)
	run(func(v *Visits) {
		fmt.Println(v.Count(context.Background(), "home"))
	},
		kvmodule.Module,
		fx.Provide(auditKV, NewAudit),
		fx.Invoke(func(a *Audit) error { return a.store.Set(context.Background(), "started", time.Time{}) }),
	)
	// Output: 1 <nil>
}
