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
	"github.com/zelt-go/kv/internal/place"
)

// Provide puts an [adaptor.Typed] of T into the graph, a handle on the namespace of that
// name in the app's adaptor.AtomicKVAdaptor, whichever module provides that:
//
//	fx.New(kvmodule.Module, kvmodule.Provide[Session]("sessions", adaptor.DefaultTTL(30*time.Minute)), …)
//
// Inside an fx.Module it is the AtomicKVAdaptor of that module, with its decorations.
//
// fx.New fails, whether a service uses the handles or not, with an error that names both
// if two of them have one namespace, or one's namespace lies inside another's; with
// adaptor.ErrInvalidTTL if an option can't be, and with adaptor.ErrEmptyNamespace. To
// find that out it builds the app's store, which thus starts with the app. fx
// itself refuses two handles of one type: a second namespace of sessions needs a type of
// its own, such as type AdminSession Session.
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

// handle is what Provide puts into the graph.
type handle[T any] struct {
	fx.Out

	Typed adaptor.Typed[T]
	Claim claim `group:"kvmodule.claims"`
}

// claim is one handle's claim on its namespace.
type claim struct {
	of reflect.Type
	at place.Place
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
	h.Claim = claim{reflect.TypeFor[T](), place.Of(store)}
	return h, h.Typed.Err()
}

func (c claim) String() string {
	return fmt.Sprintf("Provide[%v] (%q)", c.of, strings.TrimSuffix(driver.Key(c.at.Path, ""), ":"))
}

// claims are those of a whole app: a group, since what nobody uses is not built otherwise,
// and two handles would meet only where a service uses both.
type claims struct {
	fx.In

	All []claim `group:"kvmodule.claims"`
}

// apart finds two handles of which one reads and writes what is the other's.
func apart(c claims) error {
	// Outer ones first; fx gives them in any order.
	slices.SortFunc(c.All, func(a, b claim) int {
		return cmp.Or(cmp.Compare(len(a.at.Path), len(b.at.Path)), cmp.Compare(a.String(), b.String()))
	})
	for i, outer := range c.All {
		for _, inner := range c.All[i+1:] {
			switch {
			case !outer.at.Contains(inner.at):
			case len(outer.at.Path) == len(inner.at.Path):
				return fmt.Errorf("kvmodule: %v and %v have one namespace: give each its own", outer, inner)
			default:
				return fmt.Errorf("kvmodule: the namespace of %v lies inside that of %v: give each its own", inner, outer)
			}
		}
	}
	return nil
}
