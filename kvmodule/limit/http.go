package limit

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// Middleware returns a handler that takes one event per request, and calls next if the event is allowed. key returns the
// key of a request, for example [ByAddress] or a user name.
//
// Every answer has the fields RateLimit and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers-10. An answer that
// Middleware makes itself has a body of the type application/problem+json:
//
//	400  key returned "": neither the store nor next was called
//	429  the event was refused; Retry-After is in whole seconds, rounded up
//	500  the stored value is not a limiter's
//	503  the store cannot answer, and Config.OnOutage is Fail
func (l *Limiter) Middleware(key func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l == nil || l.store == nil || key == nil || next == nil {
			problem(w, http.StatusInternalServerError, "The rate limiter is not set up.")
			return
		}
		h := w.Header()
		h.Set("RateLimit-Policy", l.policy)
		k := key(r)
		if k == "" {
			h.Set("RateLimit", l.policies[l.tightest()]+";r=0")
			problem(w, http.StatusBadRequest, "The request has no key by which it could be counted.")
			return
		}
		v, err := l.allow(r.Context(), opAllow, k, 1)
		switch {
		case err == nil:
			h.Set("RateLimit", fmt.Sprintf("%s;r=%d;t=%d", l.policies[v.rate], min(v.Remaining, mostInteger), seconds(l.resetOf(v))))
			if v.Allowed {
				next.ServeHTTP(w, r)
				return
			}
			retry := max(1, seconds(v.RetryAfter))
			h.Set("Retry-After", strconv.FormatInt(retry, 10))
			problem(w, http.StatusTooManyRequests, fmt.Sprintf("Too many requests. Try again in %d s.", retry))
		case errors.Is(err, adaptor.ErrInvalidValue):
			h.Set("RateLimit", l.policies[l.tightest()]+";r=0")
			problem(w, http.StatusInternalServerError, "The state of the rate limiter cannot be read.")
		default:
			h.Set("RateLimit", l.policies[l.tightest()]+";r=0")
			h.Set("Retry-After", "1")
			problem(w, http.StatusServiceUnavailable, "The rate limiter cannot answer. Try again later.")
		}
	})
}

// resetOf returns the time until the burst of the deciding rate is whole.
func (l *Limiter) resetOf(v verdict) time.Duration {
	r := l.rates[v.rate]
	r.Burst -= v.Remaining // the events that are missing
	return min(v.ResetIn, regain(r))
}

// problem writes a problem of RFC 9457.
func problem(w http.ResponseWriter, status int, detail string) {
	body, _ := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{"about:blank", http.StatusText(status), status, detail})
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// seconds rounds up to whole seconds.
func seconds(d time.Duration) int64 { return int64((d-1)/time.Second) + 1 }

// mostInteger is the largest Integer of a structured field, RFC 9651.
const mostInteger = 999_999_999_999_999

// policies returns the names of the rates as Strings of structured fields, and the field RateLimit-Policy.
//
// The quota q of a rate is its burst, and the window w the time in which a burst is regained.
func policies(name string, rates []Rate) (names []string, field string) {
	var items []string
	for i, r := range rates {
		n := name
		if len(rates) > 1 {
			n += "-" + strconv.Itoa(i+1)
		}
		names = append(names, quoted(n))
		window := seconds(regain(r))
		items = append(items, fmt.Sprintf("%s;q=%d;w=%d", names[i], min(r.Burst, mostInteger), max(1, window)))
	}
	return names, strings.Join(items, ", ")
}

// quoted returns a String of a structured field. It encodes bytes that such a String cannot contain as in a URL.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~' || c == '%':
			fmt.Fprintf(&b, "%%%02X", c)
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
