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

// writeTimeout is how long an answer may take, what a job takes not included.
const writeTimeout = 15 * time.Second

// Server serves HTTP from Start to Stop.
type Server struct {
	http     *http.Server
	conns    conns
	health   *Health
	live     *Live
	log      *slog.Logger
	addr     string
	drain    time.Duration
	listener net.Listener
	ended    chan struct{} // serving has
	failed   chan error
}

// NewServer returns a Server of handler.
func NewServer(handler http.Handler, health *Health, live *Live, log *slog.Logger, config Config) *Server {
	s := &Server{
		conns:  conns{busy: map[net.Conn]time.Time{}},
		health: health, live: live, log: log,
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

// Failed gets the error of a server that ended by itself.
func (s *Server) Failed() <-chan error { return s.failed }

// URL is where the server listens, after Start.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Start listens, and serves in the background.
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

// Stop has balancers and clients go elsewhere, for as long as the drain lasts: /healthz says so, and
// connections are closed after their next answer. Then it takes no more connections, and waits for the
// requests of those that it has, or for ctx, whose error it then returns.
//
// [http.Server.Shutdown] is not enough for that: it drops the requests of connections that it has taken
// and not read yet, and waits five seconds for those that stay silent.
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
	for !s.conns.quiet() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("requests in flight were cut: %w", ctx.Err())
		}
	}
	return nil
}

// closing closes connections after their next answer once the server is to stop.
func (s *Server) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.health.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
