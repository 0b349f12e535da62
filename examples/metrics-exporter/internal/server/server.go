// Package server answers Prometheus, probes and operators on one listener, and stops without cutting off a scrape.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"example.com/metrics-exporter/internal/config"
	"example.com/metrics-exporter/internal/telemetry"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	// Longer than Prometheus waits between two scrapes, so that a connection serves both.
	idleTimeout    = 120 * time.Second
	maxHeaderBytes = 16 << 10
)

var (
	// ErrInterrupted is the cause of a context that was cancelled by a person at a terminal: Serve
	// then stops without delay.
	ErrInterrupted = errors.New("interrupted")
	// ErrAborted says that requests were still under way when the time to drain was over.
	ErrAborted = errors.New("requests aborted")
)

// Options is what a Server is made of.
type Options struct {
	Config  config.Config
	Logger  *slog.Logger
	Level   *slog.LevelVar
	Metrics http.Handler
	Build   telemetry.Build
}

// Server has one listener; a web configuration file guards it with TLS and passwords.
type Server struct {
	cfg         config.Config
	logger      *slog.Logger
	listener    *listener
	admin       *http.Server
	started     atomic.Bool
	draining    atomic.Bool
	connections connections
	releases    []func(context.Context) error
}

// New makes a server that has no port yet.
func New(o Options) *Server {
	s := &Server{
		cfg:         o.Config,
		logger:      o.Logger,
		connections: connections{busy: make(map[net.Conn]struct{})},
	}
	handler := s.adminHandler(o)
	s.admin = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s.draining.Load() {
				w.Header().Set("Connection", "close")
			}
			handler.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      adminWriteTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
		ConnState: func(conn net.Conn, state http.ConnState) {
			if s.draining.Load() {
				s.connections.track(conn, state)
			}
		},
	}
	return s
}

// Listen takes the port. It comes before anything slow, so that a port in use shows at once.
func (s *Server) Listen(ctx context.Context) error {
	var network net.ListenConfig
	taken, err := network.Listen(ctx, "tcp", s.cfg.AdminAddr)
	if err != nil {
		return fmt.Errorf("take the port: %w", err)
	}
	s.listener = &listener{deadlineListener: taken.(*net.TCPListener)}
	return nil
}

// OnDrained gives back what handlers use: release is called when no request is under way any more.
func (s *Server) OnDrained(release func(context.Context) error) {
	s.releases = append(s.releases, release)
}

// Serve answers requests until ctx is cancelled, then drains. It returns nil when each had its answer.
func (s *Server) Serve(ctx context.Context) error {
	// Requests outlive ctx: only the end of the time to drain cancels them.
	base, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	s.admin.BaseContext = func(net.Listener) context.Context { return base }
	done := make(chan error, 1)
	go func() {
		done <- web.Serve(s.listener, s.admin, &web.FlagConfig{WebConfigFile: &s.cfg.ScrapeSettings.WebConfigFile}, s.logger)
		close(done)
	}()
	s.started.Store(true)
	s.logger.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("admin", s.listener.Addr().String()))

	delay := s.cfg.DrainDelay
	var err error
	select {
	case err = <-done:
		err, delay = fmt.Errorf("serve: %w", err), 0
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), ErrInterrupted) {
			delay = 0
		}
	}
	return errors.Join(err, s.drain(base, delay, done, abort))
}
