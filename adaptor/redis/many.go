package redis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Batch = (*store)(nil)

// mostCommands is how many commands go to the server together: fewer than those for which the
// client makes another connection, also if each has an ASKING before it, in a slot that moves.
const mostCommands = 1000

// GetMany implements [driver.Batch]. It is no MGET, which takes a key of another type for a
// missing one.
func (s *store) GetMany(ctx context.Context, keys []string) []driver.Got {
	got := make([]driver.Got, len(keys))
	l, err := s.kv.running()
	if err != nil {
		for i := range got {
			got[i].Err = err
		}
		return got
	}
	l.doMany(ctx, l.client, len(keys),
		func(i int) rueidis.Completed { return l.client.B().Get().Key(s.prefix + keys[i]).Build() },
		func(i int, m rueidis.RedisMessage, err error) {
			got[i].Value, got[i].Found, got[i].Err = text(m, err)
		})
	return got
}

// SetMany implements [driver.Batch].
func (s *store) SetMany(ctx context.Context, keys []string, values [][]byte, ttl time.Duration) []error {
	return s.writeMany(ctx, len(keys), func(l *link, i int) rueidis.Completed {
		return set(l.client, s.prefix+keys[i], values[i], ttl)
	})
}

// DelMany implements [driver.Batch].
func (s *store) DelMany(ctx context.Context, keys []string) []error {
	return s.writeMany(ctx, len(keys), func(l *link, i int) rueidis.Completed {
		return l.client.B().Del().Key(s.prefix + keys[i]).Build()
	})
}

// writeMany returns the errors of n commands; nil if there is none.
func (s *store) writeMany(ctx context.Context, n int, command func(l *link, i int) rueidis.Completed) []error {
	var errs []error
	fail := func(i int, err error) {
		if errs == nil {
			errs = make([]error, n)
		}
		errs[i] = err
	}
	l, err := s.kv.running()
	if err != nil {
		for i := range n {
			fail(i, err)
		}
		return errs
	}
	l.doMany(ctx, l.client, n,
		func(i int) rueidis.Completed { return command(l, i) },
		func(i int, _ rueidis.RedisMessage, err error) {
			if err != nil {
				fail(i, err)
			}
		})
	return errs
}

// doMany sends n commands, each once, and hands out the answers, or errors as a driver returns
// them, in order. The client, which is l's own or one of a node's, sends up to mostCommands
// together, to all nodes at a time. Like do it ends when ctx does; without a deadline each
// such part has the timeout.
func (l *link) doMany(ctx context.Context, client rueidis.Client, n int, command func(i int) rueidis.Completed, answer func(i int, m rueidis.RedisMessage, err error)) {
	for from := 0; from < n; from += mostCommands {
		part := min(mostCommands, n-from)
		if err := ctx.Err(); err != nil {
			for i := range part {
				answer(from+i, rueidis.RedisMessage{}, err)
			}
			continue
		}
		l.doPart(ctx, client, part, func(i int) rueidis.Completed { return command(from + i) },
			func(i int, m rueidis.RedisMessage, err error) { answer(from+i, m, err) })
	}
}

func (l *link) doPart(ctx context.Context, client rueidis.Client, n int, command func(i int) rueidis.Completed, answer func(i int, m rueidis.RedisMessage, err error)) {
	ctx, cancel := l.bound(ctx)
	defer cancel()
	b := &batch{client: client, commands: make([]rueidis.Completed, n)}
	for i := range n {
		b.commands[i] = command(i)
	}
	results, sent, err := patiently(ctx, l, b.do, unsent)
	if err != nil {
		if sent {
			l.hear(false)
			err = l.unanswered(ctx, err)
		}
		for i := range n {
			answer(i, rueidis.RedisMessage{}, err)
		}
		return
	}
	heard := true
	for i, result := range results {
		m, err := result.ToMessage()
		var reply *rueidis.RedisError
		switch {
		case err == nil || rueidis.IsRedisNil(err):
			err = nil
		case errors.As(err, &reply):
			err = refusal(reply)
		case errors.Is(err, errNoConnection):
			err = l.ended(ctx, "no connection yet")
		default:
			heard = false
			err = l.unanswered(ctx, err)
		}
		answer(i, m, err)
	}
	l.hear(heard)
}

// A batch is commands that go to their nodes together.
type batch struct {
	client   rueidis.Client
	commands []rueidis.Completed
	results  []rueidis.RedisResult // nil before the first try
}

// do sends the commands that have not been sent.
func (b *batch) do(ctx context.Context) []rueidis.RedisResult {
	if b.results == nil {
		b.results = b.client.DoMulti(ctx, b.commands...)
		return b.results
	}
	var again []rueidis.Completed
	var at []int
	for i, r := range b.results {
		if errors.Is(r.NonRedisError(), errNoConnection) {
			again, at = append(again, b.commands[i]), append(at, i)
		}
	}
	for i, r := range b.client.DoMulti(ctx, again...) {
		b.results[at[i]] = r
	}
	return b.results
}

func unsent(results []rueidis.RedisResult) (some, all bool) {
	all = true
	for _, r := range results {
		is := errors.Is(r.NonRedisError(), errNoConnection)
		some, all = some || is, all && is
	}
	return some, all
}
