package kvmodule

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.uber.org/fx"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/namespace"
)

// Provide puts an [adaptor.Typed] of T into the graph. It is a handle on the namespace of the
// given name in the app's adaptor.AtomicKVAdaptor, with either module:
//
//	fx.New(kvmodule.Module, kvmodule.Provide[Session]("sessions", adaptor.DefaultTTL(30*time.Minute)), …)
//
// Inside an fx.Module the handle uses the AtomicKVAdaptor of this module, with its decorations.
//
// fx.New fails in these cases, whether or not a service uses the handles:
//
//   - Two handles have the same namespace, or the namespace of one is inside the namespace of
//     the other. The error names both handles.
//   - An option is wrong: adaptor.ErrInvalidTTL.
//   - The name is empty: adaptor.ErrEmptyNamespace.
//
// To check this, fx.New builds the app's store, and the store starts with the app. fx refuses
// two handles of one type. For a second namespace of sessions, declare another type, such as
// type AdminSession Session.
func Provide[T any](name string, opts ...adaptor.TypedOption) fx.Option {
	return fx.Options(
		fx.Provide(func(kv adaptor.AtomicKVAdaptor) (handle[T], error) {
			h, err := newHandle[T](kv, name, opts)
			if err != nil {
				return handle[T]{}, fmt.Errorf("kvmodule: Provide[%v]: %w", reflect.TypeFor[T](), err)
			}
			return h, nil
		}),
		fx.Invoke(apart),
	)
}

// handle is the output of Provide's constructor.
type handle[T any] struct {
	fx.Out

	Typed adaptor.Typed[T]
	Claim claim `group:"kvmodule.claims"`
}

// claim is one handle's claim on its namespace.
type claim struct {
	of reflect.Type
	at namespace.Namespace
}

func newHandle[T any](kv adaptor.AtomicKVAdaptor, name string, opts []adaptor.TypedOption) (h handle[T], err error) {
	if isNil(kv) {
		return h, errNilAdaptor
	}
	store, err := kv.Namespace(name)
	if err != nil {
		return h, err
	}
	h.Typed = adaptor.Of[T](store, opts...)
	h.Claim = claim{reflect.TypeFor[T](), namespace.Of(store)}
	return h, h.Typed.Err()
}

func (c claim) String() string {
	return fmt.Sprintf("Provide[%v] (%q)", c.of, strings.TrimSuffix(driver.Key(c.at.Path, ""), ":"))
}

// claims are the claims of a whole app. They are a value group, because fx builds every member
// of a group. A single handle is built only if a service uses it, and then two handles with the
// same namespace could stay unnoticed.
type claims struct {
	fx.In

	All []claim `group:"kvmodule.claims"`
}

// apart returns an error if one handle reads and writes the entries of another handle.
func apart(c claims) error {
	// Outer namespaces come first. fx passes the members of a group in random order.
	slices.SortFunc(c.All, func(a, b claim) int {
		return cmp.Or(cmp.Compare(len(a.at.Path), len(b.at.Path)), cmp.Compare(a.String(), b.String()))
	})
	for i, outer := range c.All {
		for _, inner := range c.All[i+1:] {
			switch {
			case !outer.at.Contains(inner.at):
			case len(outer.at.Path) == len(inner.at.Path):
				return fmt.Errorf("kvmodule: %v and %v have the same namespace: give each handle its own namespace", outer, inner)
			default:
				return fmt.Errorf("kvmodule: the namespace of %v is inside the namespace of %v: give each handle its own namespace", inner, outer)
			}
		}
	}
	return nil
}
