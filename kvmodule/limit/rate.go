package limit

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A Rate allows Events events per Per in the long run, and up to Burst events in one moment. A key starts with
// Burst events, and regains one every Per/Events.
type Rate struct {
	Events int64
	Per    time.Duration
	Burst  int64 // 0: the same as Events
}

// PerSecond returns the rate of n events per second, with a burst of n.
func PerSecond(n int64) Rate { return Rate{Events: n, Per: time.Second} }

// PerMinute returns the rate of n events per minute, with a burst of n.
func PerMinute(n int64) Rate { return Rate{Events: n, Per: time.Minute} }

// PerHour returns the rate of n events per hour, with a burst of n.
func PerHour(n int64) Rate { return Rate{Events: n, Per: time.Hour} }

// prepare checks rates. It returns a copy with all bursts set.
func prepare(rates []Rate) ([]Rate, *driver.Limits, error) {
	if len(rates) == 0 {
		return nil, nil, fmt.Errorf("limit: Config.Rates must contain at least one rate, such as limit.PerMinute(100)")
	}
	rates = append([]Rate(nil), rates...)
	same := make([]driver.LimitRate, len(rates))
	for i := range rates {
		r := &rates[i]
		switch {
		case r.Events < 1:
			return nil, nil, fmt.Errorf("limit: Config.Rates[%d].Events must be positive, got %d", i, r.Events)
		case r.Per < 1:
			return nil, nil, fmt.Errorf("limit: Config.Rates[%d].Per must be positive, got %v", i, r.Per)
		case r.Burst < 0:
			return nil, nil, fmt.Errorf("limit: Config.Rates[%d].Burst must not be negative, got %d (zero means Events)", i, r.Burst)
		case r.Burst == 0:
			r.Burst = r.Events
		}
		same[i] = driver.LimitRate(*r)
	}
	limits, err := driver.NewLimits(same)
	if err != nil {
		return nil, nil, fmt.Errorf("limit: Config.Rates: %w", err)
	}
	return rates, limits, nil
}

// regain returns the time in which a burst is regained.
func regain(r Rate) time.Duration {
	hi, lo := bits.Mul64(uint64(r.Burst), uint64(r.Per))
	ns, rest := bits.Div64(hi, lo, uint64(r.Events)) // prepare has checked the range
	if rest > 0 {
		ns++
	}
	return time.Duration(ns)
}
