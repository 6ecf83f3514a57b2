package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/zelt-go/kv/examples/ratelimit"
	"github.com/zelt-go/kv/examples/session"
)

// userSessions is how many sessions of one user can use their whole limit at the same time.
const userSessions = 4

// Limit lets each client make a number of requests in a window. While the store is down it fails open or
// closed, as the configuration says.
//
// A client is its address, or its session if it has one (--rate-by=session). A new session is not a new
// limit. A login always counts for the address and for the user who logs in. All sessions of one user
// together get the limit of four sessions.
type Limit struct {
	limiter   *ratelimit.RateLimiter
	sessions  *session.Sessions
	addresses *addresses
	activity  *Activity
	log       *slog.Logger
	config    Config
	policy    string
	down      atomic.Bool
}

// NewLimit returns a Limit.
func NewLimit(limiter *ratelimit.RateLimiter, sessions *session.Sessions, activity *Activity, log *slog.Logger, config Config) *Limit {
	return &Limit{
		limiter: limiter, sessions: sessions, addresses: &addresses{forwarded: config.Forwarded, log: log},
		activity: activity, log: log, config: config,
		policy: fmt.Sprintf(`"default";q=%d;w=%s`, config.RateLimit, seconds(config.RateWindow)),
	}
}

// Wrap returns next behind the limit of the client.
func (l *Limit) Wrap(next handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request) error {
		if err := l.check(w, r, l.client); err != nil {
			return err
		}
		return next(w, r)
	})
}

// CheckLogin counts a login for the client's address and for the user, or for the address alone if user
// is empty. It returns a ProblemError if the login must be refused.
func (l *Limit) CheckLogin(w http.ResponseWriter, r *http.Request, user string) error {
	return l.check(w, r, func(r *http.Request) ([]quota, error) {
		quotas := []quota{l.address(r)}
		if user != "" {
			quotas = append(quotas, quota{"login:" + user, l.config.RateLimit})
		}
		return quotas, nil
	})
}

// quota is the limit of one counter in a window.
type quota struct {
	counter string
	limit   int64
}

// check counts a request against its quotas and returns a ProblemError if a quota is used up. The answer
// gets the header fields of draft-ietf-httpapi-ratelimit-headers, version 10, for the quota with the
// fewest remaining requests. Times are whole seconds, rounded up.
func (l *Limit) check(w http.ResponseWriter, r *http.Request, quotasOf func(*http.Request) ([]quota, error)) error {
	if l.config.RateLimit == 0 {
		return nil
	}
	quotas, err := quotasOf(r)
	var decision ratelimit.Decision
	if err == nil {
		decision, err = l.count(r, quotas)
	}
	if ctxErr := r.Context().Err(); ctxErr != nil {
		return ctxErr // the client has gone, which says nothing about the store
	}
	l.logIfDown(err)
	switch {
	case err != nil && l.config.RateFail == "closed":
		l.activity.FailedClosed.Add(1)
		return &ProblemError{Status: http.StatusServiceUnavailable, Title: "the store of the rate limit does not answer, and it fails closed", retryAfter: time.Second}
	case err != nil:
		l.activity.FailedOpen.Add(1)
		return nil
	}
	w.Header().Set("RateLimit-Policy", l.policy)
	w.Header().Set("RateLimit", fmt.Sprintf(`"default";r=%d;t=%s`, decision.Remaining, seconds(decision.ResetIn)))
	if !decision.Allowed {
		l.activity.Refused.Add(1)
		return &ProblemError{Status: http.StatusTooManyRequests, Title: "too many requests", retryAfter: decision.ResetIn}
	}
	l.activity.Allowed.Add(1)
	return nil
}

// count counts a request against its quotas, until a quota is used up. It returns the decision with
// the fewest remaining requests.
func (l *Limit) count(r *http.Request, quotas []quota) (strictest ratelimit.Decision, err error) {
	for i, q := range quotas {
		decision, err := l.limiter.CheckLimit(r.Context(), q.counter, q.limit)
		if err != nil || !decision.Allowed {
			return decision, err
		}
		if i == 0 || decision.Remaining < strictest.Remaining {
			strictest = decision
		}
	}
	return strictest, nil
}

// client returns the quotas of the client who makes a request. An id that is not the id of a session
// does not count: a client could send a new one with each request.
func (l *Limit) client(r *http.Request) ([]quota, error) {
	if l.config.RateBy == "session" {
		id, data, found, err := currentSession(r, l.sessions)
		if err != nil {
			return nil, err
		}
		if found {
			return []quota{
				{"session:" + id, l.config.RateLimit},
				{"user:" + data.UserID, l.config.RateLimit * userSessions},
			}, nil
		}
	}
	return []quota{l.address(r)}, nil
}

func (l *Limit) address(r *http.Request) quota {
	return quota{"address:" + l.addresses.of(r), l.config.RateLimit}
}

// logIfDown logs when the store stops answering, and when it answers again.
func (l *Limit) logIfDown(err error) {
	if down := err != nil; l.down.Load() != down && l.down.CompareAndSwap(!down, down) {
		if down {
			l.log.Warn("the store of the rate limit does not answer", "fails", l.config.RateFail, "error", err)
		} else {
			l.log.Info("the store of the rate limit answers again")
		}
	}
}
