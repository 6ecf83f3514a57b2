package redis

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/redis/internal/script"
)

// do sends a command once, and returns the answer, which may be nil, or an error as a driver
// returns it. It ends when ctx does, or after the timeout if ctx has no deadline.
func (c *client) do(ctx context.Context, cmd rueidis.Completed) (rueidis.RedisMessage, error) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	return c.call(ctx, cmd)
}

// bound gives ctx the timeout if it has no deadline.
func (c *client) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	if ctx.Done() == nil && c.owned { // a client that we were handed may keep what it is given
		t := c.timeouts.get(ctx, c.timeout)
		return t, t.release
	}
	return context.WithTimeoutCause(ctx, c.timeout, errConfigTimeout)
}

func (c *client) call(ctx context.Context, cmd rueidis.Completed) (rueidis.RedisMessage, error) {
	start := c.abandoned.startTime()
	result, sent := c.send(ctx, cmd)
	message, err := result.ToMessage()
	reply, refused := errors.AsType[*rueidis.RedisError](err)
	switch {
	case err == nil || rueidis.IsRedisNil(err):
		err = nil
	case refused:
		err = replyError(reply)
	case !sent:
		return message, err
	default:
		c.setResponsive(false)
		return message, c.noReplyError(ctx, err)
	}
	c.abandoned.answered(start)
	c.setResponsive(true)
	return message, err
}

// peer is what errors call the server.
func (c *client) peer() string {
	if c.watcher != nil {
		c.watcher.mu.Lock()
		defer c.watcher.mu.Unlock()
		return "the primary at " + c.watcher.primary
	}
	return c.address
}

func (c *client) setResponsive(answer bool) {
	if c.responsive.Load() != answer {
		c.responsive.Store(answer)
	}
}

// send gives a command to the client. If sent is false, the error is complete.
func (c *client) send(ctx context.Context, cmd rueidis.Completed) (result rueidis.RedisResult, sent bool) {
	if c.responsive.Load() {
		if c.directCalls.Add(1)+c.abandoned.count.Load() <= c.maxDirect {
			d := &directContext{Context: ctx, client: c}
			c.acquiring.Add(1)
			if c.dialing.Load() == 0 { // the order matters: dial looks at them the other way round
				result = c.rueidis.Do(d, cmd)
			} else {
				result = rueidis.NewResult(rueidis.RedisMessage{}, errNoConnection)
			}
			d.acquired()
			if ctx.Err() != nil {
				c.abandoned.add()
			}
			c.directCalls.Add(-1)
			if !errors.Is(result.NonRedisError(), errNoConnection) {
				return result, true
			}
		} else {
			c.directCalls.Add(-1)
		}
	}
	result, sent, err := callDetached(ctx, c,
		func(ctx context.Context) rueidis.RedisResult { return c.rueidis.Do(ctx, cmd) },
		func(r rueidis.RedisResult) (some, all bool) {
			unsent := errors.Is(r.NonRedisError(), errNoConnection)
			return unsent, unsent
		})
	if err != nil {
		result = rueidis.NewResult(rueidis.RedisMessage{}, err)
	}
	return result, sent
}

// patiently runs do, with a patient context, in a goroutine of its own, which it leaves behind when ctx
// ends. unsent says of a result whether some or all commands were not sent because no connection
// could be made just then: do is called again. Beside an error, sent tells whether a
// command may have been sent; if not, the error is complete.
func callDetached[R any](ctx context.Context, c *client, do func(context.Context) R, unsent func(R) (some, all bool)) (result R, sent bool, err error) {
	c.detachedCallers.Add(1)
	defer c.detachedCallers.Add(-1)
	select {
	case c.semaphore <- struct{}{}:
	case <-ctx.Done():
		return result, false, c.endedError(ctx, reasonPipelineFull)
	case <-c.lifetime.Done():
		return result, false, errNotStarted
	}
	d := &detachedContext{Context: c.lifetime, caller: ctx}
	answer := make(chan R, 1)
	go func() {
		result := do(d)
		for some, all := unsent(result); some && ctx.Err() == nil; some, all = unsent(result) {
			if all {
				d.state.CompareAndSwap(commandMaybeSent, commandUnsent) // it was not
			}
			time.Sleep(time.Millisecond) // the direct calls that were in the way are ending
			result = do(d)
		}
		<-c.semaphore
		answer <- result
	}()
	select {
	case result = <-answer:
		return result, true, nil
	case <-ctx.Done():
		// A client that we were handed may ask another context than ours.
		if d.state.CompareAndSwap(commandUnsent, commandAbandoned) && c.owned {
			c.setResponsive(false)
			return result, false, c.endedError(ctx, "no connection to "+c.peer()+" yet")
		}
		return result, true, ctx.Err()
	}
}

// patient is the context of a call that has a goroutine of its own, and is not ended when the
// caller leaves. But a command that has not been sent by then never is: the client asks for
// Err before it sends anything, after it has connected.
type detachedContext struct {
	context.Context // of the link
	caller          context.Context
	state           atomic.Int32
}

const (
	commandUnsent    = iota
	commandMaybeSent // or it may be: the client has asked
	commandAbandoned // and never sent
)

// Err is asked by one goroutine at a time for each node.
func (d *detachedContext) Err() error {
	if !d.state.CompareAndSwap(commandUnsent, commandMaybeSent) && d.state.Load() == commandAbandoned {
		return d.caller.Err()
	}
	return d.Context.Err()
}

// direct is the context of a call in the caller's goroutine: it hides its deadline, for which
// the client would close the connection, and must not dial.
type directContext struct {
	context.Context
	client  *client
	hasConn atomic.Bool
}

// Err is asked by the client when it has a connection, before it sends anything.
func (d *directContext) Err() error {
	d.acquired()
	return d.Context.Err()
}

func (d *directContext) acquired() {
	if !d.hasConn.Load() && d.hasConn.CompareAndSwap(false, true) {
		d.client.acquiring.Add(-1)
	}
}

func (*directContext) Deadline() (time.Time, bool) { return time.Time{}, false }

func (d *directContext) Value(key any) any {
	if key == (directKey{}) {
		return true
	}
	return d.Context.Value(key)
}

type directKey struct{}

var errNoConnection = errors.New("redis: no connection")

// eval runs a script on a key: in one round trip, or in two if the server does not know it yet,
// or any more.
func (c *client) eval(ctx context.Context, s *script.Script, key string, args ...string) (rueidis.RedisMessage, error) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	m, err := c.call(ctx, c.rueidis.B().Evalsha().Sha1(s.SHA).Numkeys(1).Key(key).Arg(args...).Build())
	if reply, refused := errors.AsType[*rueidis.RedisError](err); refused && reply.IsNoScript() {
		return c.call(ctx, c.rueidis.B().Eval().Script(s.Text).Numkeys(1).Key(key).Arg(args...).Build())
	}
	return m, err
}
