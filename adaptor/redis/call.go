package redis

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/redis/internal/script"
)

// do sends a command once. It returns the reply, which may be the nil reply, or an error that follows
// the rules of package driver. It returns when ctx ends, or after the timeout if ctx has no deadline.
func (c *client) do(ctx context.Context, cmd rueidis.Completed) (rueidis.RedisMessage, error) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	return c.call(ctx, cmd)
}

// withTimeout returns ctx if it has a deadline. Otherwise it returns a context that also ends after the
// timeout. The caller must call the returned function after the call.
func (c *client) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	if ctx.Done() == nil && c.owned { // a caller's client may keep the context, so it gets a new one
		t := c.timeouts.get(ctx, c.timeout)
		return t, t.release
	}
	return context.WithTimeoutCause(ctx, c.timeout, errConfigTimeout)
}

// call does the work of do. The ctx comes from withTimeout.
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
	c.abandoned.replied(start)
	c.setResponsive(true)
	return message, err
}

// peer returns the name of the server in error texts.
func (c *client) peer() string {
	if c.watcher != nil {
		c.watcher.mu.Lock()
		defer c.watcher.mu.Unlock()
		return "the primary at " + c.watcher.primary
	}
	return c.address
}

// setResponsive records whether the last call to end had a reply. It stores only a change, because most
// calls change nothing.
func (c *client) setResponsive(replied bool) {
	if c.responsive.Load() != replied {
		c.responsive.Store(replied)
	}
}

// send passes a command to rueidis, as a direct call if possible and otherwise as a detached call. If
// sent is false, the command was surely not sent, and the error is ready for the caller.
func (c *client) send(ctx context.Context, cmd rueidis.Completed) (result rueidis.RedisResult, sent bool) {
	if c.responsive.Load() {
		if c.directCalls.Add(1)+c.abandoned.count.Load() <= c.maxDirect {
			d := &directContext{Context: ctx, client: c}
			c.acquiring.Add(1)
			if c.dialing.Load() == 0 { // after acquiring.Add: dial adds to dialing and then loads acquiring
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

// callDetached runs do in its own goroutine, with a detachedContext. When ctx ends, callDetached
// returns and the goroutine continues.
//
// The function unsent reports whether some or all commands of a result were not sent because a direct
// call could not dial. In this case, the goroutine calls do again.
//
// If err is not nil, sent reports whether a command may have been sent. If sent is false, err is ready
// for the caller.
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
	results := make(chan R, 1)
	go func() {
		result := do(d)
		for some, all := unsent(result); some && ctx.Err() == nil; some, all = unsent(result) {
			if all {
				d.state.CompareAndSwap(commandMaybeSent, commandUnsent)
			}
			time.Sleep(time.Millisecond) // the direct calls that prevented the dialing are ending
			result = do(d)
		}
		<-c.semaphore
		results <- result
	}()
	select {
	case result = <-results:
		return result, true, nil
	case <-ctx.Done():
		// A caller's client may check a context other than d before it sends.
		if d.state.CompareAndSwap(commandUnsent, commandAbandoned) && c.owned {
			c.setResponsive(false)
			return result, false, c.endedError(ctx, "no connection to "+c.peer()+" yet")
		}
		return result, true, ctx.Err()
	}
}

// A detachedContext is the context of a detached call. It does not end when the caller returns. A
// command that is still unsent at this time is never sent: rueidis calls Err after it has connected
// and before it sends, and Err then returns an error.
type detachedContext struct {
	context.Context // the client's lifetime
	caller          context.Context
	state           atomic.Int32
}

const (
	commandUnsent    = iota
	commandMaybeSent // rueidis has called Err, so the command may have been sent
	commandAbandoned // the caller has returned, and the command is never sent
)

// Err implements [context.Context]. On a Cluster, rueidis may call it concurrently, once per node.
func (d *detachedContext) Err() error {
	if !d.state.CompareAndSwap(commandUnsent, commandMaybeSent) && d.state.Load() == commandAbandoned {
		return d.caller.Err()
	}
	return d.Context.Err()
}

// A directContext is the context of a direct call. It hides the deadline, because rueidis would close
// the connection at the deadline. It also tells dial that the call must not connect.
type directContext struct {
	context.Context
	client  *client
	hasConn atomic.Bool
}

// Err implements [context.Context]. rueidis calls it when it has a connection and before it sends.
func (d *directContext) Err() error {
	d.acquired()
	return d.Context.Err()
}

// acquired records that the call no longer waits for a connection.
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

// errNoConnection says that a direct call found no connection. The command was not sent.
var errNoConnection = errors.New("redis: no connection")

// eval runs a script on a key. It takes one round trip, or two if the server does not know the script.
func (c *client) eval(ctx context.Context, s *script.Script, key string, args ...string) (rueidis.RedisMessage, error) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	m, err := c.call(ctx, c.rueidis.B().Evalsha().Sha1(s.SHA).Numkeys(1).Key(key).Arg(args...).Build())
	if reply, refused := errors.AsType[*rueidis.RedisError](err); refused && reply.IsNoScript() {
		return c.call(ctx, c.rueidis.B().Eval().Script(s.Text).Numkeys(1).Key(key).Arg(args...).Build())
	}
	return m, err
}
