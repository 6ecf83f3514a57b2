package redis

import (
	"context"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/adaptor/redis/internal/script"
)

// A store accesses one namespace, which is a prefix of the server's keys.
//
// A command may still wait to be sent after the call has returned, and it refers to the key and the
// value. Joining the key with the prefix makes a new string, which later changes of the caller cannot
// reach.
type store struct {
	kv       *RedisKV
	prefix   string
	oneEvent atomic.Pointer[eventArgs] // of the last limiter that used the store
}

var (
	_ driver.AtomicStore = (*store)(nil)
	_ driver.Counter     = (*store)(nil)
	_ driver.Taker       = (*store)(nil)
	_ driver.Persister   = (*store)(nil)
	_ driver.Limiter     = (*store)(nil)
)

// Get implements [driver.Store].
func (s *store) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	c, err := s.kv.running()
	if err != nil {
		return nil, false, err
	}
	return textReply(c.do(ctx, c.rueidis.B().Get().Key(s.prefix+key).Build()))
}

// textReply returns the value in a reply. It reports found == false for a nil reply.
func textReply(m rueidis.RedisMessage, err error) (value []byte, found bool, _ error) {
	if err != nil || m.IsNil() {
		return nil, false, err
	}
	if value, err = m.AsBytes(); err != nil {
		return nil, false, errMalformedReply
	}
	return value, true, nil
}

// Has implements [driver.Store].
func (s *store) Has(ctx context.Context, key string) (bool, error) {
	c, err := s.kv.running()
	if err != nil {
		return false, err
	}
	return boolReply(c.do(ctx, c.rueidis.B().Exists().Key(s.prefix+key).Build()))
}

// TTL implements [driver.Store].
func (s *store) TTL(ctx context.Context, key string) (ttl time.Duration, found bool, err error) {
	c, err := s.kv.running()
	if err != nil {
		return 0, false, err
	}
	left, err := intReply(c.do(ctx, c.rueidis.B().Pttl().Key(s.prefix+key).Build()))
	if err != nil || left == -2 {
		return 0, false, err
	}
	return ttlOf(left), true, nil
}

// Set implements [driver.Store].
func (s *store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	c, err := s.kv.running()
	if err != nil {
		return err
	}
	_, err = c.do(ctx, setCommand(c.rueidis, s.prefix+key, value, ttl))
	return err
}

// setCommand returns a SET with the given value and ttl, which may be [driver.NoTTL] or
// [driver.KeepTTL].
func setCommand(rc rueidis.Client, key string, value []byte, ttl time.Duration) rueidis.Completed {
	cmd := rc.B().Set().Key(key).Value(rueidis.BinaryString(value))
	switch ttl {
	case driver.NoTTL:
		return cmd.Build()
	case driver.KeepTTL:
		return cmd.Keepttl().Build()
	default:
		return cmd.PxMilliseconds(ttl.Milliseconds()).Build()
	}
}

// Del implements [driver.Store].
func (s *store) Del(ctx context.Context, key string) error {
	c, err := s.kv.running()
	if err != nil {
		return err
	}
	_, err = c.do(ctx, c.rueidis.B().Del().Key(s.prefix+key).Build())
	return err
}

// Expire implements [driver.Store].
func (s *store) Expire(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	c, err := s.kv.running()
	if err != nil {
		return false, err
	}
	return boolReply(c.do(ctx, c.rueidis.B().Pexpire().Key(s.prefix+key).Milliseconds(ttl.Milliseconds()).Build()))
}

// Incr implements [driver.AtomicStore].
func (s *store) Incr(ctx context.Context, key string, by int64, ttl time.Duration) (sum int64, left time.Duration, err error) {
	c, err := s.kv.running()
	if err != nil {
		return 0, 0, err
	}
	ttlArg := ""
	if ttl != driver.NoTTL {
		ttlArg = strconv.FormatInt(ttl.Milliseconds(), 10)
	}
	m, err := c.eval(ctx, script.Incr, s.prefix+key, strconv.FormatInt(by, 10), ttlArg)
	if err != nil {
		return 0, 0, err
	}
	reply, err := m.ToArray()
	if err != nil || len(reply) != 2 {
		return 0, 0, errMalformedReply
	}
	sum, err = reply[0].AsInt64()
	if err != nil {
		return 0, 0, errMalformedReply
	}
	ms, err := reply[1].AsInt64()
	if err != nil {
		return 0, 0, errMalformedReply
	}
	return sum, ttlOf(ms), nil
}

// Count implements [driver.Counter]. Without a ttl, it uses INCRBY, which is five times as fast as a
// script.
func (s *store) Count(ctx context.Context, key string, by int64, ttl time.Duration) (sum int64, err error) {
	c, err := s.kv.running()
	if err != nil {
		return 0, err
	}
	if ttl == driver.NoTTL {
		return intReply(c.do(ctx, c.rueidis.B().Incrby().Key(s.prefix+key).Increment(by).Build()))
	}
	return intReply(c.eval(ctx, script.Count, s.prefix+key, strconv.FormatInt(by, 10), strconv.FormatInt(ttl.Milliseconds(), 10)))
}

// SetNX implements [driver.AtomicStore].
func (s *store) SetNX(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	c, err := s.kv.running()
	if err != nil {
		return false, err
	}
	set := c.rueidis.B().Set().Key(s.prefix + key).Value(rueidis.BinaryString(value)).Nx()
	var cmd rueidis.Completed
	if ttl == driver.NoTTL {
		cmd = set.Build()
	} else {
		cmd = set.PxMilliseconds(ttl.Milliseconds()).Build()
	}
	m, err := c.do(ctx, cmd)
	return err == nil && !m.IsNil(), err
}

// CompareAndSwap implements [driver.AtomicStore].
func (s *store) CompareAndSwap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	c, err := s.kv.running()
	if err != nil {
		return false, err
	}
	option, argument := "PX", ""
	switch ttl {
	case driver.NoTTL:
		option = ""
	case driver.KeepTTL:
		option = "KEEPTTL"
	default:
		argument = strconv.FormatInt(ttl.Milliseconds(), 10)
	}
	return boolReply(c.eval(ctx, script.CompareAndSwap, s.prefix+key, rueidis.BinaryString(old), rueidis.BinaryString(new), option, argument))
}

// CompareAndDelete implements [driver.AtomicStore].
func (s *store) CompareAndDelete(ctx context.Context, key string, old []byte) (bool, error) {
	c, err := s.kv.running()
	if err != nil {
		return false, err
	}
	return boolReply(c.eval(ctx, script.CompareAndDelete, s.prefix+key, rueidis.BinaryString(old)))
}

// boolReply reports whether the reply is 1.
func boolReply(m rueidis.RedisMessage, err error) (bool, error) {
	n, err := intReply(m, err)
	return n == 1, err
}

// intReply returns the integer in a reply.
func intReply(m rueidis.RedisMessage, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	n, err := m.AsInt64()
	if err != nil {
		return 0, errMalformedReply
	}
	return n, nil
}

// ttlOf converts a reply to PTTL, in milliseconds, into a ttl.
func ttlOf(ms int64) time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	switch {
	case ms == -1:
		return driver.NoTTL
	case ms > most:
		return math.MaxInt64
	default:
		return time.Duration(max(ms, 1)) * time.Millisecond // PTTL returns 0 in the last millisecond of an entry
	}
}
