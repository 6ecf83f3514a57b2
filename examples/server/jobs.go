package main

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/zelt-go/kv/examples/lock"
)

// maxTakes is the longest that a job may take.
const maxTakes = time.Minute

// Jobs runs jobs, each on one holder at a time among all replicas.
type Jobs struct {
	locker   *lock.Locker
	activity *Activity
	log      *slog.Logger
	names    []string
	ttl      time.Duration
	takes    time.Duration
	replica  string
}

// NewJobs returns Jobs.
func NewJobs(locker *lock.Locker, activity *Activity, log *slog.Logger, config Config) *Jobs {
	return &Jobs{locker, activity, log, config.Jobs, config.JobTTL, config.JobTakes, config.Name}
}

// Run does the job of the given name, which takes so long, if nobody else is at it: ran is
// false if somebody is. A job that may have lost its lock ends early, with [lock.ErrLost].
func (j *Jobs) Run(ctx context.Context, name string, takes time.Duration) (ran bool, err error) {
	asked := time.Now() // the lock's time began later
	return j.locker.Run(ctx, name, j.ttl, func(ctx context.Context, l *lock.Lock) error {
		j.log.Info("job began", "job", name)
		err := j.work(ctx, l, asked.Add(j.ttl), takes)
		j.log.Info("job ended", "job", name)
		return err
	})
}

// work plays a job that takes so long. It extends its lock in good time, and ends when it can't:
// before the lock may be another's, at held, some time is left for what is on its way.
func (j *Jobs) work(ctx context.Context, l *lock.Lock, held time.Time, takes time.Duration) error {
	done := time.After(takes)
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(j.ttl / 4):
		}
		asked, last := time.Now(), held.Add(-j.ttl/4)
		extending, cancel := context.WithDeadline(ctx, last)
		still, err := l.Extend(extending)
		cancel()
		switch {
		case err == nil && still:
			held = asked.Add(j.ttl)
		case err == nil || !time.Now().Before(last):
			return lock.ErrLost
		}
	}
}

func (j *Jobs) post(w http.ResponseWriter, r *http.Request) error {
	name, takes := r.PathValue("name"), j.takes
	if !slices.Contains(j.names, name) {
		return &Problem{Status: http.StatusNotFound, Title: "no such job"}
	}
	if text := r.URL.Query().Get("takes"); text != "" {
		var err error
		if takes, err = time.ParseDuration(text); err != nil || takes < 0 || takes > maxTakes {
			return badRequest("takes is a duration such as 300ms, of " + maxTakes.String() + " at most")
		}
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(takes + writeTimeout))
	ran, err := j.Run(r.Context(), name, takes)
	switch {
	case ran && err == nil:
		j.activity.JobsRun.Add(1)
		return writeJSON(w, struct {
			Job    string `json:"job"`
			Holder string `json:"holder"`
		}{name, j.replica})
	case ran:
		j.activity.JobsFailed.Add(1)
		j.log.Warn("job failed", "job", name, "error", err)
		return &Problem{Status: http.StatusInternalServerError, Title: "the job did not end well: it may have lost its lock"}
	case err != nil:
		return err
	}
	j.activity.JobsBusy.Add(1)
	return j.busy(r.Context(), name)
}

// busy says who is at the job, and for how long at least.
func (j *Jobs) busy(ctx context.Context, name string) error {
	holder, found, err := j.locker.Holder(ctx, name)
	if err != nil {
		return err
	}
	p := &Problem{Status: http.StatusConflict, Title: name + " has just ended elsewhere", retryAfter: time.Second}
	if found {
		p.Title = name + " is held by " + holder.Owner
		p.Holder, p.LeftMS, p.retryAfter = holder.Owner, holder.Left.Milliseconds(), holder.Left
	}
	return p
}
