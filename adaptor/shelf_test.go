package adaptor_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// shelf is a backend that several processes share.
type shelf struct {
	mu      sync.Mutex
	entries map[string]shelved
}

type shelved struct {
	text     string
	deadline time.Time // zero: none
}

func newShelf() *shelf { return &shelf{entries: map[string]shelved{}} }

func (s *shelf) process() *process {
	return &process{shelf: s, fail: func(string) error { return nil }, pause: func(string) {}}
}

// process is the backend of one process on a shelf. It can be slow and can fail. Two processes share no
// load. It overwrites each slice that it owns, as a backend may.
type process struct {
	*shelf
	fail  func(op string) error // called before each step; an error replaces the step
	pause func(op string)       // called before and after each step
	// trouble, if it is set, returns the fault of each step, or nil for none. The shelf is locked during the call.
	// The process honours the context of each step if trouble is set.
	trouble func(ctx context.Context, op string) *fault
}

func (p *process) OpenAtomic(path []string) (driver.AtomicStore, error) { return p, nil }

func (p *process) store(t testing.TB) *adaptor.AtomicKVStore {
	s, err := adaptor.NewAtomic(p).Namespace("ns")
	require.NoError(t, err)
	return s
}

// step does one atomic step: f gets the entry at key and returns the new entry.
func (p *process) step(ctx context.Context, op, key string, f func(e shelved, found bool) (shelved, bool)) error {
	p.pause(op)
	defer p.pause(op)
	if err := p.fail(op); err != nil {
		return err
	}
	apply := func() { p.apply(key, f) }
	if p.trouble == nil {
		apply()
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	trouble := p.trouble(ctx, op)
	p.mu.Unlock()
	if trouble != nil {
		return trouble.meet(ctx, apply)
	}
	apply()
	return nil
}

func (p *process) apply(key string, f func(e shelved, found bool) (shelved, bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, found := p.entries[key]
	if found && !e.deadline.IsZero() && !time.Now().Before(e.deadline) {
		e, found = shelved{}, false
	}
	if e, found = f(e, found); found {
		p.entries[key] = e
	} else {
		delete(p.entries, key)
	}
}

// with returns the entry with which a write of text replaces e.
func (e shelved) with(text []byte, ttl time.Duration) shelved {
	switch ttl {
	case driver.NoTTL:
		return shelved{text: string(text)}
	case driver.KeepTTL:
		return shelved{string(text), e.deadline}
	}
	return shelved{string(text), time.Now().Add(ttl)}
}

func (p *process) Get(ctx context.Context, key string) (text []byte, had bool, err error) {
	err = p.step(ctx, "Get", key, func(e shelved, found bool) (shelved, bool) {
		text, had = []byte(e.text), found
		return e, found
	})
	return result(text, had, err)
}

func (p *process) Set(ctx context.Context, key string, text []byte, ttl time.Duration) error {
	defer overwrite(text)
	return p.step(ctx, "Set", key, func(e shelved, _ bool) (shelved, bool) { return e.with(text, ttl), true })
}

func (p *process) Del(ctx context.Context, key string) error {
	return p.step(ctx, "Del", key, func(shelved, bool) (shelved, bool) { return shelved{}, false })
}

func (p *process) Has(ctx context.Context, key string) (bool, error) {
	_, found, err := p.Get(ctx, key)
	return found, err
}

func (p *process) Expire(ctx context.Context, key string, ttl time.Duration) (had bool, err error) {
	err = p.step(ctx, "Expire", key, func(e shelved, found bool) (shelved, bool) {
		had = found
		return e.with([]byte(e.text), ttl), found
	})
	return had && err == nil, err
}

func (p *process) SetNX(ctx context.Context, key string, text []byte, ttl time.Duration) (done bool, err error) {
	defer overwrite(text)
	err = p.step(ctx, "SetNX", key, func(e shelved, found bool) (shelved, bool) {
		if done = !found; done {
			e = e.with(text, ttl)
		}
		return e, true
	})
	return done && err == nil, err
}

func (p *process) CompareAndSwap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (done bool, err error) {
	defer overwrite(old, new)
	err = p.step(ctx, "CompareAndSwap", key, func(e shelved, found bool) (shelved, bool) {
		if done = found && e.text == string(old); done {
			e = e.with(new, ttl)
		}
		return e, found
	})
	return done && err == nil, err
}

func (p *process) CompareAndDelete(ctx context.Context, key string, old []byte) (done bool, err error) {
	defer overwrite(old)
	err = p.step(ctx, "CompareAndDelete", key, func(e shelved, found bool) (shelved, bool) {
		done = found && e.text == string(old)
		return e, found && !done
	})
	return done && err == nil, err
}

// overwrite changes all bytes of slices that the backend owns.
func overwrite(owned ...[]byte) {
	for _, bytes := range owned {
		for i := range bytes {
			bytes[i] = '#'
		}
	}
}

// rich is a process with driver.Taker and driver.GetExpirer.
type rich struct{ *process }

func (r rich) OpenAtomic([]string) (driver.AtomicStore, error) { return r, nil }

func (r rich) GetDel(ctx context.Context, key string) (text []byte, had bool, err error) {
	err = r.step(ctx, "GetDel", key, func(e shelved, found bool) (shelved, bool) {
		text, had = []byte(e.text), found
		return shelved{}, false
	})
	return result(text, had, err)
}

func (r rich) Swap(ctx context.Context, key string, new []byte, ttl time.Duration) (text []byte, had bool, err error) {
	defer overwrite(new)
	err = r.step(ctx, "Swap", key, func(e shelved, found bool) (shelved, bool) {
		text, had = []byte(e.text), found
		return e.with(new, ttl), true
	})
	return result(text, had, err)
}

func (r rich) GetExpire(ctx context.Context, key string, ttl time.Duration) (text []byte, had bool, err error) {
	err = r.step(ctx, "GetExpire", key, func(e shelved, found bool) (shelved, bool) {
		if text, had = []byte(e.text), found; found && !driver.IsPlaceholder(text) {
			e = e.with(text, ttl)
		}
		return e, found
	})
	return result(text, had, err)
}

func result(text []byte, had bool, err error) ([]byte, bool, error) {
	if err != nil {
		return nil, false, err
	}
	return text, had, nil
}

func (p *process) TTL(context.Context, string) (time.Duration, bool, error) { panic("not used") }

func (p *process) Incr(context.Context, string, int64, time.Duration) (int64, time.Duration, error) {
	panic("not used")
}
