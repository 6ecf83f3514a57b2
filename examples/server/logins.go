package main

import (
	"context"
	"net/http"

	"github.com/zelt-go/kv/examples/session"
)

// cookieName is the name of the cookie that holds the id of a session.
const cookieName = "session"

// Logins lets users in and out. The id of a session is always one of ours, and a new one with
// each login: one that a client brought along, from wherever, gets nowhere.
type Logins struct {
	sessions *session.Sessions
	activity *Activity
	secure   bool
}

// NewLogins returns Logins.
func NewLogins(sessions *session.Sessions, activity *Activity, config Config) *Logins {
	return &Logins{sessions, activity, config.Secure}
}

// LogIn ends the session that there may be, and begins another.
func (l *Logins) LogIn(ctx context.Context, old, user string) (id string, err error) {
	if old != "" {
		if err := l.sessions.End(ctx, old); err != nil {
			return "", err
		}
	}
	return l.sessions.Create(ctx, session.Session{UserID: user})
}

// Current returns the session of a request, and leaves its time to live alone.
func (l *Logins) Current(r *http.Request) (id string, data session.Session, found bool, err error) {
	if id = idOf(r); id == "" {
		return "", data, false, nil
	}
	data, found, err = l.sessions.Get(r.Context(), id)
	return id, data, found, err
}

// idOf is the id that a request brings; "" if none.
func idOf(r *http.Request) string {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (l *Logins) cookie(id string) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: l.secure}
}

type me struct {
	User string `json:"user"`
}

// login checks no password: put yours here.
func (l *Logins) login(w http.ResponseWriter, r *http.Request) error {
	var body me
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if body.User == "" || len(body.User) > 100 {
		return badRequest("a login has a user, of 100 bytes at most")
	}
	id, err := l.LogIn(r.Context(), idOf(r), body.User)
	if err != nil {
		return err
	}
	l.activity.Logins.Add(1)
	http.SetCookie(w, l.cookie(id))
	return writeJSON(w, body)
}

func (l *Logins) me(w http.ResponseWriter, r *http.Request) error {
	id, data, found, err := l.Current(r)
	if err == nil && found {
		found, err = l.sessions.Touch(r.Context(), id)
	}
	if err != nil {
		return err
	}
	if !found {
		return &Problem{Status: http.StatusUnauthorized, Title: "not logged in"}
	}
	return writeJSON(w, me{data.UserID})
}

func (l *Logins) logout(w http.ResponseWriter, r *http.Request) error {
	id, _, found, err := l.Current(r)
	if err == nil && found {
		err = l.sessions.End(r.Context(), id)
	}
	if err != nil {
		return err
	}
	if found {
		l.activity.Logouts.Add(1)
	}
	gone := l.cookie("")
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
