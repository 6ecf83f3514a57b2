package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/zelt-go/kv/examples/lock"
)

// maxTakes is the longest time that a job may take.
const maxTakes = time.Minute

// Jobs runs jobs. Among all replicas, each job has one holder at a time.
type Jobs struct {
	locker   *lock.Locker
	activity *Activity
	log      *slog.Logger
	names    []string
	ttl      time.Duration
	takes    time.Duration
	replica  string
	stopping context.Context // ends when running jobs must end
	end      context.CancelCauseFunc
}

// NewJobs returns Jobs.
func NewJobs(locker *lock.Locker, activity *Activity, log *slog.Logger, config Config) *Jobs {
	stopping, end := context.WithCancelCause(context.Background())
	return &Jobs{locker, activity, log, config.Jobs, config.JobTTL, config.JobTakes, config.Name, stopping, end}
}

// errJobsEnded is the cause of a job's end when the server stops.
var errJobsEnded = errors.New("the server is stopping")

// End ends the running jobs early, so that they release their locks while the store still answers. No job
// starts after End.
func (j *Jobs) End() { j.end(errJobsEnded) }

// Run runs the job of the given name, which takes the given time, and reports whether it ran. ran is
// false if another holder runs the job. Run returns [lock.ErrLost] if the job ended early because it may
// have lost its lock, and errJobsEnded if the server stops.
func (j *Jobs) Run(ctx context.Context, name string, takes time.Duration) (ran bool, err error) {
	if j.stopping.Err() != nil {
		return false, errJobsEnded
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(j.stopping, func() { cancel(errJobsEnded) })()
	asked := time.Now() // the time to live of the lock begins later
	ran, err = j.locker.Run(ctx, name, j.ttl, func(ctx context.Context, l *lock.Lock) error {
		j.log.Info("job began", "job", name)
		err := j.work(ctx, l, asked.Add(j.ttl), takes)
		j.log.Info("job ended", "job", name)
		return err
	})
	if !ran && err != nil && j.stopping.Err() != nil {
		err = errJobsEnded
	}
	return ran, err
}

// work stands for a job that takes the given time. It extends its lock early, and ends if it cannot. At
// the time held, another holder may get the lock: work ends earlier, because requests that it has sent
// need time to arrive.
func (j *Jobs) work(ctx context.Context, l *lock.Lock, held time.Time, takes time.Duration) error {
	done := time.After(takes)
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
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
		return &ProblemError{Status: http.StatusNotFound, Title: "no such job", Detail: "--jobs (JOBS) lists the jobs"}
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
		if errors.Is(err, errJobsEnded) { // the lock is released
			return &ProblemError{Status: http.StatusServiceUnavailable, Title: "the job ended early because the server is stopping", retryAfter: time.Second}
		}
		return &ProblemError{Status: http.StatusInternalServerError, Title: "the job did not end well: it may have lost its lock"}
	case errors.Is(err, errJobsEnded):
		return errStopping
	case err != nil:
		return err
	}
	j.activity.JobsBusy.Add(1)
	return j.busy(r.Context(), name)
}

// busy returns the ProblemError that names the holder of a job, and the time that its lock has left.
func (j *Jobs) busy(ctx context.Context, name string) error {
	holder, found, err := j.locker.Holder(ctx, name)
	if err != nil {
		return err
	}
	p := &ProblemError{Status: http.StatusConflict, Title: name + " has just ended elsewhere", retryAfter: time.Second}
	if found {
		p.Title = name + " is held by " + holderName(holder)
		p.Holder, p.LeftMS, p.retryAfter = holder.Owner, holder.Left.Milliseconds(), holder.Left
	}
	return p
}

// holderName returns the name of a holder for people.
func holderName(holder lock.Holder) string {
	if holder.Owner == "" {
		return "another program"
	}
	return holder.Owner
}
