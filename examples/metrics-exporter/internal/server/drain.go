package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// DrainOverhead is what a drain adds to its delay and its timeout at most, beside what releases take.
const DrainOverhead = queueBound

// drain stops in an order that costs Prometheus no scrape: first it looks for another instance, then
// nobody is let in, then everybody is answered.
func (s *Server) drain(ctx context.Context, delay time.Duration, done <-chan error, abort context.CancelCauseFunc) (err error) {
	start := time.Now()
	s.draining.Store(true)
	s.logger.LogAttrs(ctx, slog.LevelInfo, "draining", slog.String("delay", delay.String()))
	<-time.After(delay)
	_ = s.listener.retire() // what can't be retired has ended by itself
	<-done
	bounded, cancel := context.WithTimeout(ctx, s.cfg.DrainTimeout)
	defer cancel()
	s.connections.settle()
	if s.admin.Shutdown(bounded) != nil {
		abort(context.DeadlineExceeded)
		err = errors.Join(ErrAborted, s.admin.Close())
	}
	ctx = context.WithoutCancel(ctx) // which the end of the time has cancelled
	for _, release := range s.releases {
		err = errors.Join(err, release(ctx))
	}
	s.logger.LogAttrs(ctx, slog.LevelInfo, "stopped", slog.Float64("seconds", time.Since(start).Seconds()))
	return err
}

// Bounds of settle: a connection over which nothing comes for so long is as good as idle.
const (
	settlePoll  = 5 * time.Millisecond
	settleBound = time.Second
)

// connections keeps those that may have a request under way. http.Server.Shutdown would drop a
// request that it reads after it was called, also on a connection that it does not take for idle.
type connections struct {
	mu   sync.Mutex
	busy map[net.Conn]struct{}
}

func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateNew || state == http.StateActive {
		c.busy[conn] = struct{}{}
	} else {
		delete(c.busy, conn)
	}
}

// settle waits for all to be answered or silent.
func (c *connections) settle() {
	for end := time.Now().Add(settleBound); c.count() > 0 && time.Now().Before(end); {
		<-time.After(settlePoll)
	}
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.busy)
}

// Bounds of takeQueue. Clients that wait for an answer before they connect again fall silent while
// theirs is held back; those that don't are cut off after the longer time.
const (
	queueLook  = 5 * time.Millisecond
	queueLooks = 10
	queueBound = 3 * time.Second
)

// deadlineListener is what TCP and Unix listeners are.
type deadlineListener interface {
	net.Listener
	SetDeadline(time.Time) error
}

// listener can close without losing a client: closing a socket resets the connections that the
// kernel has completed but nobody has accepted.
type listener struct {
	deadlineListener
	retired bool
	queue   []net.Conn
}

// retire ends accepting: what is queued is still returned by Accept, then net.ErrClosed.
func (l *listener) retire() error {
	return l.SetDeadline(time.Unix(1, 0))
}

// Accept is called by one goroutine, that of http.Server.Serve.
func (l *listener) Accept() (net.Conn, error) {
	if !l.retired {
		conn, err := l.deadlineListener.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return conn, err
		}
		l.retired = true
		l.takeQueue()
	}
	if len(l.queue) == 0 {
		return nil, net.ErrClosed
	}
	conn := l.queue[0]
	l.queue = l.queue[1:]
	return conn, nil
}

func (l *listener) takeQueue() {
	defer l.Close()
	end := time.Now().Add(queueBound)
	for quiet := 0; quiet < queueLooks && time.Now().Before(end); {
		look := time.Now().Add(queueLook)
		_ = l.SetDeadline(look) // Accept knows why not
		conn, err := l.deadlineListener.Accept()
		switch {
		case err == nil:
			l.queue = append(l.queue, conn)
			quiet = 0
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Since(look) <= queueLook:
			quiet++
		default: // the machine was too busy for clients as well, or has no room for another connection
			<-time.After(queueLook)
			quiet = 0
		}
	}
}
