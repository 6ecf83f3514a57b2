package main

import (
	"context"
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
	http   *http.Server
	health *Health
	live   *Live
	log    *slog.Logger
	addr   string
	drain  time.Duration
	failed chan error
}

// NewServer returns a Server of handler.
func NewServer(handler http.Handler, health *Health, live *Live, log *slog.Logger, config Config) *Server {
	s := &Server{health: health, live: live, log: log, addr: config.Addr, drain: config.Drain, failed: make(chan error, 1)}
	s.http = &http.Server{
		Handler:           s.closing(handler),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return s
}

// Failed gets the error of a server that ended by itself.
func (s *Server) Failed() <-chan error { return s.failed }

// Start listens, and serves in the background.
func (s *Server) Start(ctx context.Context) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("%w (--addr or ADDR says where to listen)", err)
	}
	s.log.Info("serving", "url", "http://"+listener.Addr().String())
	go func() {
		if err := s.http.Serve(listener); err != http.ErrServerClosed {
			s.failed <- err
		}
	}()
	return nil
}

// Stop lets balancers and clients go elsewhere, for as long as the drain lasts, then takes no more
// requests, and waits for those in flight, or for ctx, whose error it then returns.
func (s *Server) Stop(ctx context.Context) error {
	s.health.stopping.Store(true)
	s.live.End()
	select {
	case <-time.After(s.drain):
	case <-ctx.Done():
	}
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
		return fmt.Errorf("requests in flight were cut: %w", err)
	}
	return nil
}

// closing closes connections after their next answer once the server is to stop: of those that
// Shutdown closes, none is likely to have a request on its way.
func (s *Server) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.health.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
