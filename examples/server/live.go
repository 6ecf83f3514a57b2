package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	liveInterval = 500 * time.Millisecond
	maxStreams   = 100
)

// Live sends the page the state of this replica twice a second, by server-sent events.
type Live struct {
	activity *Activity
	backend  Backend
	jobs     *Jobs
	limit    *Limit
	config   Config
	streams  chan struct{} // one element for each open stream
	end      chan struct{}
	ended    sync.Once
}

// NewLive returns a Live.
func NewLive(activity *Activity, backend Backend, jobs *Jobs, limit *Limit, config Config) *Live {
	return &Live{
		activity: activity, backend: backend, jobs: jobs, limit: limit, config: config,
		streams: make(chan struct{}, maxStreams), end: make(chan struct{}),
	}
}

// State is the content of the page.
type State struct {
	Replica string     `json:"replica"`
	Store   string     `json:"store"`
	Up      bool       `json:"up"`
	Rate    rateState  `json:"rate"`
	Cache   cacheState `json:"cache"`
	Logins  int64      `json:"logins"`
	Logouts int64      `json:"logouts"`
	Jobs    []jobState `json:"jobs"`             // never null
	Memory  *memState  `json:"memory,omitempty"` // only of a store with statistics
}

type rateState struct {
	Limit    int64  `json:"limit"`
	Window   string `json:"window"`
	Fails    string `json:"fails"`
	Allowed  int64  `json:"allowed"`
	Refused  int64  `json:"refused"`
	Unjudged int64  `json:"unjudged"`
}

type cacheState struct {
	Hits     int64 `json:"hits"`
	Misses   int64 `json:"misses"`
	Bypassed int64 `json:"bypassed"`
}

type jobState struct {
	Name   string `json:"name"`
	Held   bool   `json:"held"`
	Holder string `json:"holder,omitempty"`
	LeftMS int64  `json:"left_ms"`
}

type memState struct {
	Entries   int    `json:"entries"`
	Bytes     int64  `json:"bytes"`
	Expired   uint64 `json:"expired"`
	Sweeps    uint64 `json:"sweeps"`
	LastSweep string `json:"last_sweep"`
}

// State returns the present state.
func (l *Live) State(ctx context.Context) State {
	a := l.activity
	s := State{
		Replica: l.config.Name, Store: l.backend.Name, Up: true,
		Rate: rateState{
			Limit: l.config.RateLimit, Window: l.config.RateWindow.String(), Fails: l.config.RateFail,
			Allowed: a.Allowed.Load(), Refused: a.Refused.Load(), Unjudged: a.FailedOpen.Load() + a.FailedClosed.Load(),
		},
		Cache:  cacheState{a.CacheHits.Load(), a.CacheMisses.Load(), a.CacheBypassed.Load()},
		Logins: a.Logins.Load(), Logouts: a.Logouts.Load(),
		Jobs: []jobState{},
	}
	for _, name := range l.jobs.names {
		job := jobState{Name: name}
		if s.Up { // a store that does not answer is asked once
			holder, held, err := l.jobs.locker.Holder(ctx, name)
			s.Up = err == nil
			if job.Held = held; held {
				job.Holder, job.LeftMS = holderName(holder), holder.Left.Milliseconds()
			}
		}
		s.Jobs = append(s.Jobs, job)
	}
	if l.backend.Stats != nil {
		m := l.backend.Stats()
		s.Memory = &memState{m.Entries, m.Bytes, m.Expired, m.Sweeps, m.LastSweep.Round(time.Microsecond).String()}
	}
	return s
}

// End ends the streams, which otherwise last as long as their clients.
func (l *Live) End() { l.ended.Do(func() { close(l.end) }) }

func (l *Live) get(w http.ResponseWriter, r *http.Request) error {
	select {
	case <-l.end:
		return errStopping
	case l.streams <- struct{}{}:
		defer func() { <-l.streams }()
	default:
		return &ProblemError{Status: http.StatusServiceUnavailable, Title: "too many pages are open", retryAfter: 10 * time.Second}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	stream := http.NewResponseController(w)
	tick := time.NewTicker(liveInterval)
	defer tick.Stop()
	for {
		text, err := json.Marshal(l.State(r.Context()))
		if err != nil {
			return err
		}
		_ = stream.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil {
			return nil
		}
		if err := stream.Flush(); err != nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-l.end:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}
