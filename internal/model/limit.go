package model

import (
	"math/big"
	"math/rand/v2"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// Limit is an exact limiter of one key: token buckets in rational arithmetic.
type Limit struct {
	rates []driver.LimitRate
	whole []*big.Rat // when each bucket is whole, in nanoseconds
}

// NewLimit returns a limiter whose bursts are whole.
func NewLimit(rates []driver.LimitRate) *Limit {
	m := &Limit{rates: rates, whole: make([]*big.Rat, len(rates))}
	for i := range m.whole {
		m.whole[i] = new(big.Rat)
	}
	return m
}

// Decide makes a decision at now, in nanoseconds after the zero of the model's clock. The times of the result are rounded
// up to whole units.
func (m *Limit) Decide(now int64, c driver.LimitCall, unit time.Duration) (res driver.Limited) {
	if c.Reset {
		m.whole = NewLimit(m.rates).whole
	}
	debts, cost, capacity := make([]*big.Rat, len(m.rates)), make([]*big.Rat, len(m.rates)), make([]*big.Rat, len(m.rates))
	zero := new(big.Rat)
	var available int64
	left := func(i int) int64 {
		free := new(big.Rat).Sub(capacity[i], debts[i])
		free.Quo(free, cost[i])
		return new(big.Int).Div(free.Num(), free.Denom()).Int64()
	}
	least := func() (rate int, n int64) {
		n = -1
		for i := range m.rates {
			if l := left(i); n < 0 || l < n {
				rate, n = i, l
			}
		}
		return rate, n
	}
	times := func(x *big.Rat, n int64) *big.Rat { return new(big.Rat).Mul(x, new(big.Rat).SetInt64(n)) }
	for i, r := range m.rates {
		cost[i] = big.NewRat(int64(r.Per), r.Events)
		capacity[i] = times(cost[i], r.Burst)
		debts[i] = new(big.Rat).Sub(m.whole[i], new(big.Rat).SetInt64(now))
		if debts[i].Cmp(zero) < 0 {
			debts[i].SetInt64(0)
		}
	}
	switch _, available = least(); {
	case c.Give > 0:
		for i := range debts {
			back := times(cost[i], min(c.Give, m.rates[i].Burst))
			back.Sub(back, new(big.Rat).SetInt64(int64(c.Age)))
			if back.Cmp(zero) > 0 {
				debts[i].Sub(debts[i], back)
			}
			if debts[i].Cmp(zero) < 0 {
				debts[i].SetInt64(0)
			}
		}
	case c.Take > 0 && available >= c.Need:
		res.Taken = min(c.Take, available)
		for i := range debts {
			debts[i].Add(debts[i], times(cost[i], res.Taken))
		}
	}
	for i := range debts {
		m.whole[i] = new(big.Rat).Add(debts[i], new(big.Rat).SetInt64(now))
		res.ResetIn = max(res.ResetIn, up(debts[i], unit))
	}
	res.Rate, res.Remaining = least()
	if res.Allowed = res.Taken > 0 || c.Take == 0 && res.Remaining >= c.Need; !res.Allowed {
		for i := range debts {
			over := new(big.Rat).Add(debts[i], times(cost[i], c.Need))
			res.RetryAfter = max(res.RetryAfter, up(over.Sub(over, capacity[i]), unit))
		}
	}
	return res
}

// up rounds a number of nanoseconds up to whole units.
func up(ns *big.Rat, unit time.Duration) time.Duration {
	x := new(big.Rat).Quo(ns, new(big.Rat).SetInt64(int64(unit)))
	n, rest := new(big.Int).DivMod(x.Num(), x.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		n.Add(n, big.NewInt(1))
	}
	return time.Duration(n.Int64()) * unit
}

// RandomRates returns one to three rates whose bursts become whole in about the time scale.
func RandomRates(r *rand.Rand, scale time.Duration) []driver.LimitRate {
	rates := make([]driver.LimitRate, 1+r.IntN(3))
	for i := range rates {
		events := 1 + r.Int64N(20)
		if r.IntN(5) == 0 {
			events = 1 + r.Int64N(100_000)
		}
		per := 1 + time.Duration(r.Int64N(int64(scale)))
		if r.IntN(2) == 0 {
			per = max(per.Truncate(scale/100), scale/100)
		}
		burst := events
		if r.IntN(2) == 0 {
			burst = 1 + r.Int64N(2*events)
		}
		rates[i] = driver.LimitRate{Events: events, Per: per, Burst: burst}
	}
	return rates
}

// RandomCall returns a decision for l.
func RandomCall(r *rand.Rand, l *driver.Limits) driver.LimitCall {
	most := l.MinBurst()
	few := func() int64 { return 1 + r.Int64N(min(most, 1+r.Int64N(most))) }
	switch r.IntN(10) {
	case 0:
		return driver.LimitCall{Need: 1}
	case 1:
		return driver.LimitCall{Need: 1, Give: 1 + r.Int64N(most+3)}
	case 2:
		n := few()
		return driver.LimitCall{Need: n, Take: n + r.Int64N(most)}
	case 3:
		if r.IntN(5) == 0 {
			return driver.LimitCall{Need: 1, Reset: true}
		}
		return driver.LimitCall{Need: 1, Give: few(), Age: time.Duration(r.Int64N(int64(l.Rate(0).Per)))}
	case 4, 5:
		n := few()
		return driver.LimitCall{Need: n, Take: n}
	}
	return driver.LimitCall{Need: 1, Take: 1}
}

// RandomPause returns a time to let pass, often nothing, often exactly the time after which a refused call is allowed.
func RandomPause(r *rand.Rand, scale time.Duration, last driver.Limited) time.Duration {
	switch r.IntN(6) {
	case 0:
		return time.Duration(r.Int64N(int64(scale) / 4))
	case 1:
		return time.Duration(r.Int64N(int64(scale) / 100))
	case 2:
		return last.RetryAfter
	case 3:
		return max(0, last.RetryAfter-1)
	}
	return 0
}
