// Package limit limits how often something may happen, per client, on any adaptor: memory, Redis, a Redis Cluster.
//
//	limiter, err := limit.New(kv, limit.Config{
//		Name:  "api",
//		Rates: []limit.Rate{limit.PerSecond(10), limit.PerHour(5_000)},
//	})
//	decision, err := limiter.Allow(ctx, userID)
//
//	to do this                                        use
//	ask, and act immediately                             Allow, AllowN
//	ask without taking an event                       Peek
//	wait for a turn, for example in a worker          Wait
//	count only failures, such as wrong passwords      Allow, then Refund after a success
//	unlock a client                                   Reset
//	limit an HTTP handler                             Middleware, with ByAddress or your own key
//	save round trips for busy clients                 Config.Lease
//	decide during an outage of the store              Config.OnOutage
//
// # Which rate
//
// A client gets Events per Per in the long run. After a quiet time it may use Burst events in one moment; the default
// is Events.
//
//	Rate{Events: 10, Per: time.Second, Burst: 5}
//
//	time        0 ms       100   200   300         1000 ms
//	calls       ||||||||    |     |     |           ||||||
//	allowed     |||||       |     |     |           |||||
//	refused          |||                                 |
//	left after  5 ... 0     0     0     0   ...     5 ... 0
//
// There is no window at whose border a client may use twice the limit. The algorithm is GCRA, the generic cell
// rate algorithm of ITU-T recommendation I.371: a token bucket whose whole state is one point in time. Its
// arithmetic uses integers only and does not drift; see [driver.Limits].
//
//   - A page that loads 30 files: a Burst of at least 30.
//   - A login: PerMinute(5) by user name and PerHour(100) by address, in two limiters.
//   - An API with a quota: several rates in one limiter. Every rate must allow an event. It is taken from all
//     rates or from none, in one round trip. [Decision] reports the rate with the fewest events left.
//
// # One limiter per route, with fx
//
// The constructor takes an adaptor and a [Config], so each route has its own limiter with its own name:
//
//	type Limits struct{ Search, Login *limit.Limiter }
//
//	func NewLimits(lc fx.Lifecycle, kv adaptor.AtomicKVAdaptor) (l Limits, err error) {
//		if l.Search, err = limit.New(kv, limit.Config{Name: "search", Rates: []limit.Rate{limit.PerSecond(20)}, Lease: 20}); err != nil {
//			return l, err
//		}
//		lc.Append(fx.StopHook(l.Search.Close)) // gives leased events back
//		l.Login, err = limit.New(kv, limit.Config{Name: "login", Rates: []limit.Rate{limit.PerMinute(5)}, OnOutage: limit.Closed})
//		return l, err
//	}
//
// # Behind a proxy
//
// [ByAddress] without arguments uses the address of the connection, which behind a proxy is the proxy. Pass the networks of
// your own proxies, and no others: a client can write any X-Forwarded-For.
//
//	handler = limiter.Middleware(limit.ByAddress(netip.MustParsePrefix("10.0.0.0/8")), handler)
//
// # Outages
//
// A decision waits for the store for at most Config.Timeout. Then [Outage] decides:
//
//	Fail     an error; the middleware answers 503    the caller decides
//	Open     allow                                   availability counts more than the limit
//	Closed   refuse                                  the limit protects something, such as logins
//	Local    count in this process                   each process allows the whole rate
//
// After a time-out the other calls do not wait: at most one per second asks the store again. A caller whose own context ends
// gets the context's error in every mode.
//
// # Leases
//
// With Config.Lease, one round trip takes up to that many events of a key ahead. Leases never allow more than the rates do.
// They may allow less: events that one process holds are not available to the others, and a process loses
// leased events as fast as the rate regains events. A process gives unused events back after Config.LeaseFor and in
// [Limiter.Close], and remembers a refusal until its RetryAfter. Good leases are much smaller than the burst.
//
// # Header fields
//
// [Limiter.Middleware] sends the fields of draft-ietf-httpapi-ratelimit-headers-10 with every answer:
//
//	RateLimit-Policy: "api-1";q=10;w=1, "api-2";q=5000;w=3600    per rate: the burst, and the seconds to regain it
//	RateLimit: "api-1";r=9;t=1                                   the deciding rate: events left, seconds until it is whole
//	Retry-After: 1                                               of a refused request: seconds, rounded up
//
// # The stored state
//
// The state of a client is one entry in the namespace limit/<Name>, a JSON string of about 13 bytes per rate. It expires when every
// burst is whole. The clock of the store decides, never the caller's: processes with wrong clocks share one limit. Rates that
// a deploy does not change keep their state; a new rate starts full.
//
// A store that has [driver.Limiter], such as memory and Redis, decides in one step. The result on any other store is the same, in
// three round trips.
package limit
