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
// load.
type process struct {
	*shelf
	fail  func(op string) error // called before each step; an error replaces the step
	pause func(op string)       // called before and after each step
}

func (p *process) OpenAtomic(path []string) (driver.AtomicStore, error) { return p, nil }

func (p *process) store(t testing.TB) *adaptor.AtomicKVStore {
	s, err := adaptor.NewAtomic(p).Namespace("ns")
	require.NoError(t, err)
	return s
}

// step does one atomic step: f gets the entry at key and returns the new entry.
func (p *process) step(op, key string, f func(e shelved, found bool) (shelved, bool)) error {
	p.pause(op)
	defer p.pause(op)
	if err := p.fail(op); err != nil {
		return err
	}
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
	return nil
}

func shelve(text []byte, ttl time.Duration) shelved {
	if ttl == driver.NoTTL {
		return shelved{text: string(text)}
	}
	return shelved{string(text), time.Now().Add(ttl)}
}

func (p *process) Get(_ context.Context, key string) (text []byte, had bool, err error) {
	err = p.step("Get", key, func(e shelved, found bool) (shelved, bool) {
		text, had = []byte(e.text), found
		return e, found
	})
	return text, had, err
}

func (p *process) Set(_ context.Context, key string, text []byte, ttl time.Duration) error {
	return p.step("Set", key, func(shelved, bool) (shelved, bool) { return shelve(text, ttl), true })
}

func (p *process) Del(_ context.Context, key string) error {
	return p.step("Del", key, func(shelved, bool) (shelved, bool) { return shelved{}, false })
}

func (p *process) Has(ctx context.Context, key string) (bool, error) {
	_, found, err := p.Get(ctx, key)
	return found, err
}

func (p *process) Expire(_ context.Context, key string, ttl time.Duration) (had bool, err error) {
	err = p.step("Expire", key, func(e shelved, found bool) (shelved, bool) {
		had = found
		return shelve([]byte(e.text), ttl), found
	})
	return had, err
}

func (p *process) SetNX(_ context.Context, key string, text []byte, ttl time.Duration) (done bool, err error) {
	err = p.step("SetNX", key, func(e shelved, found bool) (shelved, bool) {
		if done = !found; done {
			e = shelve(text, ttl)
		}
		return e, true
	})
	return done, err
}

func (p *process) CompareAndSwap(_ context.Context, key string, old, new []byte, ttl time.Duration) (done bool, err error) {
	err = p.step("CompareAndSwap", key, func(e shelved, found bool) (shelved, bool) {
		if done = found && e.text == string(old); done {
			e = shelve(new, ttl)
		}
		return e, found
	})
	return done, err
}

func (p *process) CompareAndDelete(_ context.Context, key string, old []byte) (done bool, err error) {
	err = p.step("CompareAndDelete", key, func(e shelved, found bool) (shelved, bool) {
		done = found && e.text == string(old)
		return e, found && !done
	})
	return done, err
}

func (p *process) TTL(context.Context, string) (time.Duration, bool, error) { panic("not used") }

func (p *process) Incr(context.Context, string, int64, time.Duration) (int64, time.Duration, error) {
	panic("not used")
}
