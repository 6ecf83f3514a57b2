package driver_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
	"github.com/zelt-go/kv/internal/model"
)

func limits(t testing.TB, rates ...driver.LimitRate) *driver.Limits {
	t.Helper()
	l, err := driver.NewLimits(rates)
	require.NoError(t, err)
	return l
}

// An entry keeps the state of a key as a backend does: a text and a deadline, on a clock of nanoseconds.
type entry struct {
	text     []byte
	deadline int64
}

func (e *entry) decide(t testing.TB, l *driver.Limits, now int64, c driver.LimitCall, unit time.Duration) driver.Limited {
	t.Helper()
	if e.text != nil && e.deadline <= now {
		e.text = nil
	}
	res, write, text, ttl, err := l.Decide(nil, e.text, time.Duration(e.deadline-now), c, unit)
	require.NoError(t, err)
	switch write {
	case driver.LimitStore:
		require.True(t, json.Valid(text), "%s", text)
		require.Positive(t, ttl)
		require.Zero(t, ttl%unit)
		e.text, e.deadline = text, now+int64(ttl)
	case driver.LimitDrop:
		e.text = nil
	}
	return res
}

// After any history, the state in one text and one deadline decides as rational arithmetic does.
func TestDecideEqualsTheExactModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const scale = time.Second
	for i := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, i))
		rates := model.RandomRates(r, scale)
		l, m := limits(t, rates...), model.NewLimit(rates)
		unit := []time.Duration{1, time.Millisecond}[r.IntN(2)]
		var e entry
		now, last := int64(0), driver.Limited{}
		for range 60 {
			now += int64(model.RandomPause(r, scale, last))
			c := model.RandomCall(r, l)
			got, want := e.decide(t, l, now, c, unit), m.Decide(now, c, 1)
			require.Equal(t, want, got, "history %d, %+v, %+v", i, rates, c)
			if e.text != nil { // the entry ends when the bursts are whole
				require.Less(t, e.deadline-now-int64(want.ResetIn), int64(unit))
			}
			last = got
		}
	}
}

// The rates of a limiter may be as slow or as fast as int64 allows, and are refused beyond.
func TestNewLimitsRefusesWhatIsNotExact(t *testing.T) {
	century := driver.MaxLimitTime
	for _, r := range []driver.LimitRate{
		{0, time.Second, 1}, {-1, time.Second, 1}, {1, 0, 1}, {1, -1, 1}, {1, 1, 0}, {1, 1, -1},
		{1, math.MaxInt64, 1}, {1, 1, math.MaxInt64}, {1, time.Hour, math.MaxInt64}, {1, century + 1, 1}, {1, century, 2},
		{math.MaxInt64, time.Second, 1}, {1<<42 + 1, 1, 1},
	} {
		_, err := driver.NewLimits([]driver.LimitRate{r})
		assert.Error(t, err, "%+v", r)
	}
	_, err := driver.NewLimits(nil)
	assert.Error(t, err)
	for _, rate := range []driver.LimitRate{
		{1, century - 1, 1}, {1, 1, int64(century) - 1}, {1 << 42, 1, math.MaxInt64}, {1 << 42, 1, 1}, {1e9, time.Second, 1e9}, {1<<42 - 1, century - 1, 1<<42 - 1},
		{math.MaxInt64, math.MaxInt64, 5}, {1, 1, 1},
	} {
		l, m := limits(t, rate), model.NewLimit([]driver.LimitRate{rate})
		var e entry
		now := int64(1e18 + 1)
		for range 3 {
			for _, c := range []driver.LimitCall{{Need: 1}, {Need: rate.Burst, Take: rate.Burst}, {Need: 1, Take: 1}, {Need: rate.Burst, Take: rate.Burst}, {Need: 1, Give: 1}, {Need: 1, Give: math.MaxInt64, Age: 5}} {
				got := e.decide(t, l, now, c, 1)
				require.Equal(t, m.Decide(now, c, 1), got, "%+v %+v", rate, c)
				now += int64(got.RetryAfter) / 3
			}
		}
	}
}

// After a deploy with other rates, a rate that both know keeps its state, and the other ones start full; a process that
// still has the old rates finds their state.
func TestDecideKeepsTheStateOfOtherRates(t *testing.T) {
	second, hour := driver.LimitRate{Events: 3, Per: time.Second, Burst: 3}, driver.LimitRate{Events: 10, Per: time.Hour, Burst: 10}
	minute := driver.LimitRate{Events: 7, Per: time.Minute, Burst: 7}
	before, after := limits(t, second, hour), limits(t, minute, hour)
	for _, unit := range []time.Duration{1, time.Millisecond} {
		var e entry
		now := int64(12345)
		take := driver.LimitCall{Need: 1, Take: 1}
		e.decide(t, before, now, take, unit)
		e.decide(t, before, now, take, unit)
		res := e.decide(t, after, now, take, unit)
		assert.Equal(t, driver.Limited{Allowed: true, Taken: 1, Rate: 0, Remaining: 6, ResetIn: 3 * 6 * time.Minute}, res)
		res = e.decide(t, before, now, take, unit)
		assert.Equal(t, driver.Limited{Allowed: true, Taken: 1, Rate: 0, Remaining: 0, ResetIn: 4 * 6 * time.Minute}, res)
		now += int64(time.Minute)
		e.decide(t, after, now, take, unit)
		assert.NotContains(t, string(e.text), before.ID(0), "whole buckets have no item")
		res = e.decide(t, limits(t, minute), now, driver.LimitCall{Need: 1}, unit)
		assert.Equal(t, int64(6), res.Remaining)
		e.decide(t, limits(t, second), now, driver.LimitCall{Need: 1, Give: 100}, unit)
		res = e.decide(t, after, now, driver.LimitCall{Need: 1}, unit)
		assert.Equal(t, int64(5), res.Remaining, "giving back to other rates")
	}
}

// A stored value that is not a limiter's is ErrInvalidValue, whatever the decision.
func TestDecideRefusesOtherValues(t *testing.T) {
	l := limits(t, driver.LimitRate{Events: 3, Per: time.Second, Burst: 3})
	id := l.ID(0)
	for _, text := range []string{
		``, `1`, `null`, `{}`, `""`, `"rl`, `"r"`, `"rl."`, `"rl.` + id, `"rl.` + id + `+"`, `"rl.` + id + `/3"`, `"rl.` + id + `/x"`, `"rl.` + id + `x"`,
		`"rl.` + id[1:] + `"`, `"rl.` + id + `+9999999999999999999"`, `"rl.` + id + `" `, `"rl@.` + id + `"`, `"rl.` + id + `~"`, `"rl.` + id[:7] + `é"`, `rl.` + id + `"`, `"rl.` + id + `+-1"`,
	} {
		for _, c := range []driver.LimitCall{{Need: 1}, {Need: 1, Take: 1}, {Need: 1, Give: 1}, {Need: 1, Reset: true}} {
			_, write, _, _, err := l.Decide(nil, []byte(text), time.Second, c, 1)
			assert.ErrorIs(t, err, driver.ErrInvalidValue, "%s", text)
			assert.Equal(t, driver.LimitKeep, write)
		}
	}
	for _, left := range []time.Duration{driver.NoTTL, driver.KeepTTL, math.MinInt64} {
		_, _, _, _, err := l.Decide(nil, []byte(`"rl.`+id+`"`), left, driver.LimitCall{Need: 1}, 1)
		assert.ErrorIs(t, err, driver.ErrInvalidValue)
	}
	// A deadline that another program has moved makes no debt beyond the burst.
	for _, text := range []string{`"rl.` + id + `"`, `"rl@123.` + id + `+1/2~9"`, `"rl"`, `"rl.AAAAAAAA+5"`} {
		res, _, _, _, err := l.Decide(nil, []byte(text), math.MaxInt64, driver.LimitCall{Need: 1, Take: 1}, 1)
		require.NoError(t, err, text)
		assert.LessOrEqual(t, res.ResetIn, time.Duration(math.MaxInt64))
		assert.LessOrEqual(t, res.RetryAfter, time.Second)
	}
}
