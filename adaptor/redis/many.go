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
const maxBatch = 1000

// GetMany implements [driver.Batch]. It is no MGET, which takes a key of another type for a
// missing one.
func (s *store) GetMany(ctx context.Context, keys []string) []driver.Got {
	got := make([]driver.Got, len(keys))
	c, err := s.kv.running()
	if err != nil {
		for i := range got {
			got[i].Err = err
		}
		return got
	}
	c.doMany(ctx, c.rueidis, len(keys),
		func(i int) rueidis.Completed { return c.rueidis.B().Get().Key(s.prefix + keys[i]).Build() },
		func(i int, m rueidis.RedisMessage, err error) {
			got[i].Value, got[i].Found, got[i].Err = textReply(m, err)
		})
	return got
}

// SetMany implements [driver.Batch].
func (s *store) SetMany(ctx context.Context, keys []string, values [][]byte, ttl time.Duration) []error {
	return s.writeMany(ctx, len(keys), func(c *client, i int) rueidis.Completed {
		return setCommand(c.rueidis, s.prefix+keys[i], values[i], ttl)
	})
}

// DelMany implements [driver.Batch].
func (s *store) DelMany(ctx context.Context, keys []string) []error {
	return s.writeMany(ctx, len(keys), func(c *client, i int) rueidis.Completed {
		return c.rueidis.B().Del().Key(s.prefix + keys[i]).Build()
	})
}

// writeMany returns the errors of n commands; nil if there is none.
func (s *store) writeMany(ctx context.Context, n int, command func(c *client, i int) rueidis.Completed) []error {
	var errs []error
	fail := func(i int, err error) {
		if errs == nil {
			errs = make([]error, n)
		}
		errs[i] = err
	}
	c, err := s.kv.running()
	if err != nil {
		for i := range n {
			fail(i, err)
		}
		return errs
	}
	c.doMany(ctx, c.rueidis, n,
		func(i int) rueidis.Completed { return command(c, i) },
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
func (c *client) doMany(ctx context.Context, rc rueidis.Client, n int, command func(i int) rueidis.Completed, answer func(i int, m rueidis.RedisMessage, err error)) {
	for start := 0; start < n; start += maxBatch {
		size := min(maxBatch, n-start)
		if err := ctx.Err(); err != nil {
			for i := range size {
				answer(start+i, rueidis.RedisMessage{}, err)
			}
			continue
		}
		c.doChunk(ctx, rc, size, func(i int) rueidis.Completed { return command(start + i) },
			func(i int, m rueidis.RedisMessage, err error) { answer(start+i, m, err) })
	}
}

func (c *client) doChunk(ctx context.Context, rc rueidis.Client, n int, command func(i int) rueidis.Completed, answer func(i int, m rueidis.RedisMessage, err error)) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	b := &batch{rueidis: rc, commands: make([]rueidis.Completed, n)}
	for i := range n {
		b.commands[i] = command(i)
	}
	results, sent, err := callDetached(ctx, c, b.send, unsent)
	if err != nil {
		if sent {
			c.setResponsive(false)
			err = c.noReplyError(ctx, err)
		}
		for i := range n {
			answer(i, rueidis.RedisMessage{}, err)
		}
		return
	}
	answered := true
	for i, result := range results {
		m, err := result.ToMessage()
		var reply *rueidis.RedisError
		switch {
		case err == nil || rueidis.IsRedisNil(err):
			err = nil
		case errors.As(err, &reply):
			err = replyError(reply)
		case errors.Is(err, errNoConnection):
			err = c.endedError(ctx, "no connection yet")
		default:
			answered = false
			err = c.noReplyError(ctx, err)
		}
		answer(i, m, err)
	}
	c.setResponsive(answered)
}

// A batch is commands that go to their nodes together.
type batch struct {
	rueidis  rueidis.Client
	commands []rueidis.Completed
	results  []rueidis.RedisResult // nil before the first try
}

// do sends the commands that have not been sent.
func (b *batch) send(ctx context.Context) []rueidis.RedisResult {
	if b.results == nil {
		b.results = b.rueidis.DoMulti(ctx, b.commands...)
		return b.results
	}
	var retry []rueidis.Completed
	var positions []int
	for i, r := range b.results {
		if errors.Is(r.NonRedisError(), errNoConnection) {
			retry, positions = append(retry, b.commands[i]), append(positions, i)
		}
	}
	for i, r := range b.rueidis.DoMulti(ctx, retry...) {
		b.results[positions[i]] = r
	}
	return b.results
}

func unsent(results []rueidis.RedisResult) (some, all bool) {
	all = true
	for _, r := range results {
		isUnsent := errors.Is(r.NonRedisError(), errNoConnection)
		some, all = some || isUnsent, all && isUnsent
	}
	return some, all
}
