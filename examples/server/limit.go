package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/examples/ratelimit"
)

// Limit lets each client make so many requests in a window. While the store is down it fails open or
// closed, as the configuration says.
type Limit struct {
	limiter  *ratelimit.RateLimiter
	logins   *Logins
	activity *Activity
	log      *slog.Logger
	config   Config
	policy   string
	down     atomic.Bool
}

// NewLimit returns a Limit.
func NewLimit(limiter *ratelimit.RateLimiter, logins *Logins, activity *Activity, log *slog.Logger, config Config) *Limit {
	return &Limit{
		limiter: limiter, logins: logins, activity: activity, log: log, config: config,
		policy: fmt.Sprintf(`"default";q=%d;w=%s`, config.RateLimit, seconds(config.RateWindow)),
	}
}

// Wrap puts the limit before next. Answers have the headers of draft-ietf-httpapi-ratelimit-headers,
// version 10, in whole seconds, rounded up.
func (l *Limit) Wrap(next http.Handler) http.Handler {
	if l.config.RateLimit == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		decision, err := l.check(r)
		if r.Context().Err() != nil {
			return // the client has gone, which says nothing of the store
		}
		l.noteIfDown(err)
		if err != nil {
			if l.config.RateFail == "closed" {
				l.activity.FailedClosed.Add(1)
				(&Problem{Status: http.StatusServiceUnavailable, Title: "the store of the rate limit does not answer, and it fails closed", retryAfter: time.Second}).write(w)
				return
			}
			l.activity.FailedOpen.Add(1)
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("RateLimit-Policy", l.policy)
		w.Header().Set("RateLimit", fmt.Sprintf(`"default";r=%d;t=%s`, decision.Remaining, seconds(decision.ResetIn)))
		if !decision.Allowed {
			l.activity.Refused.Add(1)
			(&Problem{Status: http.StatusTooManyRequests, Title: "too many requests", retryAfter: decision.ResetIn}).write(w)
			return
		}
		l.activity.Allowed.Add(1)
		next.ServeHTTP(w, r)
	})
}

func (l *Limit) check(r *http.Request) (ratelimit.Decision, error) {
	client, err := l.client(r)
	if err != nil {
		return ratelimit.Decision{}, err
	}
	return l.limiter.CheckLimit(r.Context(), client, l.config.RateLimit)
}

// client is who makes a request. A session counts if it is one of ours: otherwise a client could
// bring a new one along with each request.
func (l *Limit) client(r *http.Request) (string, error) {
	if l.config.RateBy == "session" {
		if id, _, found, err := l.logins.Current(r); err != nil || found {
			return "session:" + id, err
		}
	}
	return "address:" + l.address(r), nil
}

// address is the client's address. Of IPv6 it is the /64, which one client has to itself.
func (l *Limit) address(r *http.Request) string {
	text, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		text = r.RemoteAddr
	}
	if list := r.Header.Values("X-Forwarded-For"); l.config.Forwarded && len(list) > 0 {
		last := list[len(list)-1]
		text = strings.TrimSpace(last[strings.LastIndex(last, ",")+1:])
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return "unknown"
	}
	address = address.Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	network, _ := address.Prefix(64)
	return network.String()
}

// noteIfDown logs when the store goes down, and when it is back.
func (l *Limit) noteIfDown(err error) {
	if down := err != nil; l.down.Load() != down && l.down.CompareAndSwap(!down, down) {
		if down {
			l.log.Warn("the store of the rate limit does not answer", "fails", l.config.RateFail, "error", err)
		} else {
			l.log.Info("the store of the rate limit answers again")
		}
	}
}
