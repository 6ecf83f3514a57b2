package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// writeTimeout is how long an answer may take, without the time of a job.
const writeTimeout = 15 * time.Second

// Server serves HTTP from Start to Stop.
type Server struct {
	http     *http.Server
	conns    conns
	health   *Health
	live     *Live
	jobs     *Jobs
	log      *slog.Logger
	addr     string
	drain    time.Duration
	listener net.Listener
	ended    chan struct{} // closed when the server no longer accepts connections
	failed   chan error
}

// NewServer returns a Server of handler.
func NewServer(handler http.Handler, health *Health, live *Live, jobs *Jobs, log *slog.Logger, config Config) *Server {
	s := &Server{
		conns:  conns{busy: map[net.Conn]time.Time{}},
		health: health, live: live, jobs: jobs, log: log,
		addr: config.Addr, drain: config.Drain,
		ended: make(chan struct{}), failed: make(chan error, 1),
	}
	s.http = &http.Server{
		Handler:           s.closing(handler),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnState:         s.conns.track,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return s
}

// Failed returns the channel that receives the error of a server that ended by itself.
func (s *Server) Failed() <-chan error { return s.failed }

// URL returns the address of the server. It is valid after Start.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Start listens and serves in the background.
func (s *Server) Start(ctx context.Context) error {
	var config net.ListenConfig
	var err error
	if s.listener, err = config.Listen(ctx, "tcp", s.addr); err != nil {
		return fmt.Errorf("%w (--addr or ADDR says where to listen)", err)
	}
	go func() {
		defer close(s.ended)
		if err := s.http.Serve(s.listener); !errors.Is(err, net.ErrClosed) {
			s.failed <- err
		}
	}()
	return nil
}

// Stop stops the server in three steps.
//
//  1. For the time of the drain, the server still takes requests. /healthz answers 503, and connections
//     close after their next answer, so that balancers and clients go elsewhere.
//  2. The server takes no more connections and waits for the requests that it has. Jobs may use three
//     quarters of the time that ctx has left.
//  3. Jobs that still run end early, so that they release their locks while the store answers.
//
// Stop returns an error if ctx ends before all requests are answered.
//
// [http.Server.Shutdown] is not enough here: it drops the requests of connections that it has accepted
// and not read yet, and waits five seconds for silent connections.
func (s *Server) Stop(ctx context.Context) error {
	s.health.stopping.Store(true)
	s.live.End()
	select {
	case <-time.After(s.drain):
	case <-ctx.Done():
	}
	_ = s.listener.Close()
	<-s.ended
	defer s.http.Close()
	defer s.jobs.End()
	var jobsEnd <-chan time.Time
	if deadline, has := ctx.Deadline(); has {
		jobsEnd = time.After(time.Until(deadline) * 3 / 4)
	}
	for !s.conns.quiet() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-jobsEnd:
			s.jobs.End()
		case <-ctx.Done():
			return fmt.Errorf("requests in flight were cut: %w", ctx.Err())
		}
	}
	return nil
}

// closing closes connections after their next answer while the server stops.
func (s *Server) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.health.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
