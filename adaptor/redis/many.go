package redis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Batch = (*store)(nil)

// maxBatch limits the number of commands that are sent together. For a batch as long as its option
// BlockingPipeline, rueidis makes another connection. A batch stays shorter, even if each command has an
// ASKING before it because its slot is moving.
const maxBatch = 1000

// GetMany implements [driver.Batch]. It sends one GET per key and no MGET, because MGET reports a key
// of another type as missing.
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

// writeMany sends n commands and returns their errors, or nil if no command failed.
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

// doMany sends n commands, each once, through rc, which is c.rueidis or the client of one node. It calls
// handle for each command in order, with the reply or with an error that follows the rules of package
// driver.
//
// doMany sends up to maxBatch commands together, to all nodes concurrently. It returns when ctx ends. If
// ctx has no deadline, the timeout applies to each chunk of maxBatch commands.
func (c *client) doMany(ctx context.Context, rc rueidis.Client, n int, command func(i int) rueidis.Completed, handle func(i int, m rueidis.RedisMessage, err error)) {
	for start := 0; start < n; start += maxBatch {
		size := min(maxBatch, n-start)
		if err := ctx.Err(); err != nil {
			for i := range size {
				handle(start+i, rueidis.RedisMessage{}, err)
			}
			continue
		}
		c.doChunk(ctx, rc, size, func(i int) rueidis.Completed { return command(start + i) },
			func(i int, m rueidis.RedisMessage, err error) { handle(start+i, m, err) })
	}
}

// doChunk does the work of doMany for at most maxBatch commands.
func (c *client) doChunk(ctx context.Context, rc rueidis.Client, n int, command func(i int) rueidis.Completed, handle func(i int, m rueidis.RedisMessage, err error)) {
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
			handle(i, rueidis.RedisMessage{}, err)
		}
		return
	}
	replied := true
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
			replied = false
			err = c.noReplyError(ctx, err)
		}
		handle(i, m, err)
	}
	c.setResponsive(replied)
}

// A batch holds commands that are sent together.
type batch struct {
	rueidis  rueidis.Client
	commands []rueidis.Completed
	results  []rueidis.RedisResult // nil before the first call of send
}

// send sends the commands that have not been sent and returns the results of all commands.
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

// unsent reports whether some or all commands were not sent because there was no connection.
func unsent(results []rueidis.RedisResult) (some, all bool) {
	all = true
	for _, r := range results {
		isUnsent := errors.Is(r.NonRedisError(), errNoConnection)
		some, all = some || isUnsent, all && isUnsent
	}
	return some, all
}
