// Package server is the HTTP server that the capabilities of the service are mounted on: its
// limits, what is observed of each request, the shape of errors, and how it stops.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/rpc-api/internal/config"
	"example.com/rpc-api/internal/telemetry"
)

// StartTimeout is how long a process waits for what it depends on before it ends, to be started anew.
const StartTimeout = 30 * time.Second

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	// Longer than proxies keep unused connections to their upstreams, so that it is they who close.
	idleTimeout    = 120 * time.Second
	maxHeaderBytes = 16 << 10
	// A message of 1 MiB, in the envelope of five bytes that gRPC puts around it.
	maxBodyBytes = maxMessageBytes + 5
)

var (
	// ErrInterrupted is the cause of a context that was cancelled by a person at a terminal: Serve
	// then stops without the delay that a load balancer needs.
	ErrInterrupted = errors.New("interrupted")
	// ErrAborted says that requests were still under way when the time to drain was over.
	ErrAborted = errors.New("requests aborted")
)

// Route is a pattern of http.ServeMux and what answers it.
type Route struct {
	Pattern string
	Handle  HandlerFunc
}

// HandlerFunc answers a request, or returns why it can't: a *Problem is sent as it is, other errors
// as what they are known to mean, the rest as an internal error without its text.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// Options is what a Server is made of.
type Options struct {
	Config   config.Config
	Logger   *slog.Logger
	Level    *slog.LevelVar
	Registry *prometheus.Registry
	Build    telemetry.Build
	Tracing  *telemetry.Tracing
}

// Server has two listeners: one for the API, one for those who operate it.
type Server struct {
	cfg           config.Config
	logger        *slog.Logger
	mux           *http.ServeMux
	listener      *listener
	adminListener net.Listener
	api           *http.Server
	admin         *http.Server
	slots         chan struct{}
	started       atomic.Bool
	draining      atomic.Bool
	connections   connections
	releases      []func(context.Context) error
}

// New makes a server that has no ports and no routes yet.
func New(o Options) *Server {
	s := &Server{
		cfg:         o.Config,
		logger:      o.Logger,
		mux:         http.NewServeMux(),
		slots:       make(chan struct{}, o.Config.MaxInFlight),
		connections: connections{busy: make(map[net.Conn]struct{})},
	}
	api := &observer{o.Logger, newMetrics(o.Registry), &s.draining, o.Tracing, s.protect(http.HandlerFunc(s.route))}
	s.api = newHTTPServer(api, config.WriteTimeout, o.Logger)
	s.api.Protocols = new(http.Protocols)
	s.api.Protocols.SetHTTP1(true)
	s.api.Protocols.SetUnencryptedHTTP2(true)
	s.api.DisableGeneralOptionsHandler = true
	s.api.ConnState = func(conn net.Conn, state http.ConnState) {
		if s.draining.Load() {
			s.connections.track(conn, state)
		}
	}
	s.admin = newHTTPServer(s.adminHandler(o), adminWriteTimeout, o.Logger)
	return s
}

func newHTTPServer(handler http.Handler, writeTimeout time.Duration, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// Listen takes both ports. It comes before anything slow, so that a port in use shows at once.
func (s *Server) Listen(ctx context.Context) error {
	var network net.ListenConfig
	api, err := network.Listen(ctx, "tcp", s.cfg.HTTPAddr)
	if err != nil {
		return fmt.Errorf("take the port of the API: %w", err)
	}
	admin, err := network.Listen(ctx, "tcp", s.cfg.AdminAddr)
	if err != nil {
		return errors.Join(fmt.Errorf("take the port for administration: %w", err), api.Close())
	}
	s.listener = &listener{deadlineListener: api.(*net.TCPListener)}
	s.adminListener = admin
	return nil
}

// Handle mounts routes. It is called before any request is answered.
func (s *Server) Handle(routes ...Route) {
	for _, route := range routes {
		s.mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
			e := exchangeOf(w)
			e.routing = false
			e.route = r.Pattern[strings.IndexByte(r.Pattern, '/'):]
			if err := route.Handle(w, r); err != nil {
				fail(w, r, err)
			}
		})
	}
}

// OnDrained gives back what handlers use: release is called when no request is under way any more,
// in the order of the calls of OnDrained, which come before any request is answered.
func (s *Server) OnDrained(release func(context.Context) error) {
	s.releases = append(s.releases, release)
}

// ServeHTTP answers a request to the API as if it had come over the network.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.api.Handler.ServeHTTP(w, r)
}

// Serve has prepare mount what is served, answers requests until ctx is cancelled, then drains. While
// prepare waits for what the service depends on, the admin listener tells that the process lives and
// is not ready. Serve returns nil when every request had its answer, or none was taken.
func (s *Server) Serve(ctx context.Context, prepare func(context.Context) error) error {
	// Requests outlive ctx: only the end of the time to drain cancels them.
	base, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	s.api.BaseContext = func(net.Listener) context.Context { return base }
	apiDone, adminDone := make(chan error, 1), make(chan error, 1)
	serve := func(server *http.Server, listener net.Listener, done chan<- error) {
		done <- server.Serve(listener)
		close(done)
	}
	go serve(s.admin, s.adminListener, adminDone)

	starting, cancel := context.WithTimeout(ctx, StartTimeout)
	err := prepare(starting)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			err = nil // told to stop before there was anything to stop
		}
		err = errors.Join(err, s.listener.Close(), s.release(base), s.closeAdmin(base))
		<-adminDone
		return err
	}
	go serve(s.api, s.listener, apiDone)
	s.started.Store(true)
	s.logger.LogAttrs(ctx, slog.LevelInfo, "serving",
		slog.String("http", s.listener.Addr().String()),
		slog.String("admin", s.adminListener.Addr().String()))

	delay := s.cfg.DrainDelay
	select {
	case err = <-apiDone:
		err, delay = fmt.Errorf("serve the API: %w", err), 0
	case err = <-adminDone:
		err, delay = fmt.Errorf("serve administration: %w", err), 0
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), ErrInterrupted) {
			delay = 0
		}
	}
	err = errors.Join(err, s.drain(base, delay, apiDone, abort))
	<-adminDone
	return err
}
