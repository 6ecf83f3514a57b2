package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/examples/session"
)

// cookieName is the name of the cookie that holds the id of a session.
const cookieName = "session"

// Logins logs users in and out. The server chooses the id of each session, and each login gets a new id.
// An id that a client has chosen never becomes a session.
type Logins struct {
	sessions *session.Sessions
	limit    *Limit
	activity *Activity
	secure   bool
}

// NewLogins returns Logins.
func NewLogins(sessions *session.Sessions, limit *Limit, activity *Activity, config Config) *Logins {
	return &Logins{sessions, limit, activity, config.Secure}
}

// LogIn ends the session old, if any, and begins a new session.
func (l *Logins) LogIn(ctx context.Context, old, user string) (id string, err error) {
	if old != "" {
		if err := l.sessions.End(ctx, old); err != nil {
			return "", err
		}
	}
	return l.sessions.Create(ctx, session.Session{UserID: user})
}

// currentSession returns the session of a request and does not change its time to live. A stored value
// that is not a session with a user counts as no session.
func currentSession(r *http.Request, sessions *session.Sessions) (id string, data session.Session, found bool, err error) {
	if id = idOf(r); id == "" {
		return "", data, false, nil
	}
	data, found, err = sessions.Get(r.Context(), id)
	if errors.Is(err, adaptor.ErrInvalidValue) {
		found, err = false, nil
	}
	return id, data, found && data.UserID != "", err
}

// idOf returns the session id that a request contains, or "".
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

// login checks no password. Add your own check here.
func (l *Logins) login(w http.ResponseWriter, r *http.Request) error {
	var body me
	bad := readJSON(w, r, &body)
	if bad == nil && !isText(body.User) {
		bad = badRequest("the user of a login is UTF-8 text of 1 to 100 bytes")
	}
	if bad != nil {
		body.User = ""
	}
	if err := l.limit.CheckLogin(w, r, body.User); err != nil {
		return err
	}
	if bad != nil {
		return bad
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
	id, data, found, err := currentSession(r, l.sessions)
	if err == nil && found {
		found, err = l.sessions.Touch(r.Context(), id)
	}
	if err != nil {
		return err
	}
	if !found {
		return &ProblemError{Status: http.StatusUnauthorized, Title: "not logged in"}
	}
	return writeJSON(w, me{data.UserID})
}

// logout also removes a stored value that is not a session.
func (l *Logins) logout(w http.ResponseWriter, r *http.Request) error {
	id, _, found, err := currentSession(r, l.sessions)
	if err == nil && id != "" {
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
