// Package server is the life of the process: the listener for those who operate it, the start, and how it stops.
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

	"github.com/prometheus/client_golang/prometheus"

	"example.com/event-worker/internal/config"
	"example.com/event-worker/internal/telemetry"
)

// StartTimeout is how long a process waits for what it depends on before it ends, to be started anew.
const StartTimeout = 30 * time.Second

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 16 << 10

	abortBound        = 6 * time.Second // to hand back what is not done
	releaseBound      = 2 * time.Second // for all that work has used
	adminCloseTimeout = time.Second

	// DrainOverhead is what a drain adds to its delay and its timeout at most.
	DrainOverhead = abortBound + releaseBound + adminCloseTimeout
)

var (
	// ErrInterrupted is the cause of a context that was cancelled by a person at a terminal: Serve
	// then stops without the delay that a load balancer needs.
	ErrInterrupted = errors.New("interrupted")
	// ErrAborted says that work was still under way when the time to drain was over.
	ErrAborted = errors.New("messages aborted")
)

// Work is what the process is for. It goes on until stop is done, then deals with what it has in hand. When ctx is done
// it hands the rest back, and returns how much that was.
type Work func(ctx, stop context.Context) (aborted int)

// Options is what a Server is made of.
type Options struct {
	Config   config.Config
	Logger   *slog.Logger
	Level    *slog.LevelVar
	Registry *prometheus.Registry
	Build    telemetry.Build
}

// Server has one listener, for those who operate the process.
type Server struct {
	cfg           config.Config
	logger        *slog.Logger
	mux           *http.ServeMux
	adminListener net.Listener
	admin         *http.Server
	started       atomic.Bool
	draining      atomic.Bool
	releases      []func(context.Context) error
}

// New makes a server that has no port yet.
func New(o Options) *Server {
	s := &Server{cfg: o.Config, logger: o.Logger, mux: http.NewServeMux()}
	s.mux.Handle("/", s.adminHandler(o))
	s.admin = &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      adminWriteTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	return s
}

// Listen takes the port. It comes before anything slow, so that a port in use shows at once.
func (s *Server) Listen(ctx context.Context) (err error) {
	s.adminListener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.AdminAddr)
	if err != nil {
		return fmt.Errorf("take the port for administration: %w", err)
	}
	return nil
}

// Handle answers a pattern of http.ServeMux, once the process is ready and until it ends.
func (s *Server) Handle(pattern string, handle http.HandlerFunc) {
	s.mux.HandleFunc(pattern, handle)
}

// OnDrained gives back what work uses: release is called when there is none any more, in the order of the calls of
// OnDrained.
func (s *Server) OnDrained(release func(context.Context) error) {
	s.releases = append(s.releases, release)
}

// Serve has prepare make the work, does it until ctx is cancelled, then drains. While prepare waits for what the
// process depends on, the listener tells that it lives and is not ready. Serve returns nil when nothing was aborted.
func (s *Server) Serve(ctx context.Context, prepare func(context.Context) (Work, error)) error {
	// Work outlives ctx: only the end of the time to drain cancels it.
	base, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	adminDone := make(chan error, 1)
	go func() {
		adminDone <- s.admin.Serve(s.adminListener)
		close(adminDone)
	}()
	starting, cancel := context.WithTimeout(ctx, StartTimeout)
	work, err := prepare(starting)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			err = nil // told to stop before there was anything to stop
		}
		err = errors.Join(err, s.release(base), s.closeAdmin(base))
		<-adminDone
		return err
	}
	stop, stopped := context.WithCancel(base)
	defer stopped()
	workDone := make(chan int, 1)
	go func() { workDone <- work(base, stop) }()
	s.started.Store(true)
	s.logger.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("admin", s.adminListener.Addr().String()))

	delay := s.cfg.DrainDelay
	select {
	case err = <-adminDone:
		err, delay = fmt.Errorf("serve administration: %w", err), 0
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), ErrInterrupted) {
			delay = 0
		}
	}
	start := time.Now()
	s.draining.Store(true)
	s.logger.LogAttrs(base, slog.LevelInfo, "draining", slog.String("delay", delay.String()))
	<-time.After(delay)
	stopped()
	err = errors.Join(err, s.finish(workDone, abort))
	last := context.WithoutCancel(base) // which the end of the time has cancelled
	err = errors.Join(err, s.release(last), s.closeAdmin(last))
	s.logger.LogAttrs(last, slog.LevelInfo, "stopped", slog.Float64("seconds", time.Since(start).Seconds()))
	<-adminDone
	return err
}

// finish waits for what is under way.
func (s *Server) finish(done <-chan int, abort func()) error {
	select {
	case <-done:
		return nil
	case <-time.After(s.cfg.DrainTimeout):
	}
	abort()
	select {
	case aborted := <-done:
		if aborted > 0 {
			return fmt.Errorf("%w: %d", ErrAborted, aborted)
		}
		return nil // every message is settled, and only windows that wait to be published were left
	case <-time.After(abortBound):
		return ErrAborted
	}
}

func (s *Server) release(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, releaseBound)
	defer cancel()
	for _, release := range s.releases {
		err = errors.Join(err, release(ctx))
	}
	return err
}

func (s *Server) closeAdmin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, adminCloseTimeout)
	defer cancel()
	if s.admin.Shutdown(ctx) != nil {
		return s.admin.Close()
	}
	return nil
}
