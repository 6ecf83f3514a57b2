package redis

import (
	"context"
	"strconv"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/adaptor/redis/internal/script"
)

// Limit implements [driver.Limiter] by one script on one key. The clock of the server, in microseconds, decides.
func (s *store) Limit(ctx context.Context, key string, l *driver.Limits, c driver.LimitCall) (driver.Limited, error) {
	conn, err := s.kv.running()
	if err != nil {
		return driver.Limited{}, err
	}
	args, steps := s.limitArgs(l, c)
	m, err := conn.eval(ctx, script.Limit, s.prefix+key, args...)
	if err != nil {
		return driver.Limited{}, err
	}
	reply, err := m.ToArray()
	if err != nil {
		if text, notText := m.ToString(); notText == nil && text == "INVALID" {
			return driver.Limited{}, errNotALimit
		}
		return driver.Limited{}, errMalformedReply
	}
	if c.Reset {
		return l.Result(make([]driver.Span, l.Len()), c, 0, time.Microsecond), nil
	}
	if len(reply) != 1+2*l.Len() {
		return driver.Limited{}, errMalformedReply
	}
	var few [4]driver.Span
	debts := few[:0]
	done, err := reply[0].AsInt64()
	if err != nil {
		return driver.Limited{}, errMalformedReply
	}
	for i := range l.Len() {
		us, err := reply[1+2*i].AsInt64()
		if err != nil {
			return driver.Limited{}, errMalformedReply
		}
		part, err := reply[2+2*i].AsInt64()
		if err != nil {
			return driver.Limited{}, errMalformedReply
		}
		d := l.Denominator(i)
		debts = append(debts, driver.Span{NS: us*1000 + part/d, Part: part % d})
	}
	taken := int64(0)
	for i, n := range steps {
		if done>>i&1 == 1 {
			taken += n
		}
	}
	return l.Result(debts, c, taken, time.Microsecond), nil
}

var errNotALimit = driver.Reason(driver.ErrInvalidValue, "the stored value is not the state of a rate limiter")

// limitArgs returns the arguments of the script, and how many events each step takes. The caller must not change them.
func (s *store) limitArgs(l *driver.Limits, c driver.LimitCall) (args []string, steps []int64) {
	one := c == driver.LimitCall{Need: 1, Take: 1}
	if kept := s.oneEvent.Load(); one && kept != nil && kept.limits == l {
		return kept.args, oneStep
	}
	switch {
	case c.Reset:
		return append(args, "reset", "0"), nil
	case c.Give > 0:
		args = append(args, "give")
	default:
		args = append(args, "take")
	}
	args = append(args, strconv.Itoa(l.Len()))
	for i := range l.Len() {
		us, part := microseconds(l.Capacity(i), l.Denominator(i))
		args = append(args, l.ID(i), strconv.FormatInt(l.Denominator(i), 10), us, part)
	}
	switch {
	case c.Give > 0:
		for i := range l.Len() {
			us, part := microseconds(l.Refund(i, c), l.Denominator(i))
			args = append(args, us, part)
		}
	case c.Take > 0:
		steps = limitSteps(c.Need, min(c.Take, max(c.Need, l.MinBurst())))
		for _, n := range steps {
			for i := range l.Len() {
				us, part := microseconds(l.Cost(i, n), l.Denominator(i))
				args = append(args, us, part)
			}
		}
	}
	if one {
		s.oneEvent.Store(&eventArgs{l, args})
	}
	return args, steps
}

// eventArgs are the arguments for one event, which is what most calls take.
type eventArgs struct {
	limits *driver.Limits
	args   []string
}

var oneStep = []int64{1}

// limitSteps returns need, and then parts of the rest of which some add up to each number up to the rest: the
// script takes the greatest number that is available by trying one part after the other.
func limitSteps(need, take int64) []int64 {
	steps := []int64{need}
	for rest := take - need; rest > 0; rest /= 2 {
		steps = append(steps, rest-rest/2)
	}
	return steps
}

// microseconds returns a span as the script has it.
func microseconds(s driver.Span, d int64) (us, part string) {
	return strconv.FormatInt(s.NS/1000, 10), strconv.FormatInt(s.NS%1000*d+s.Part, 10)
}
