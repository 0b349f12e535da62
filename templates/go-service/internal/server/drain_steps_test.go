package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener makes connections in memory, where synctest keeps the time. Accept waits for a byte
// from a pipe, since pipes know deadlines.
type pipeListener struct {
	net.Conn
	bell  net.Conn
	conns chan net.Conn
}

func newPipeListener() *pipeListener {
	door, bell := net.Pipe()
	return &pipeListener{Conn: door, bell: bell, conns: make(chan net.Conn, 1)}
}

func (l *pipeListener) Addr() net.Addr { return l.LocalAddr() }

func (l *pipeListener) Accept() (net.Conn, error) {
	if _, err := l.Read(make([]byte, 1)); err != nil {
		return nil, err
	}
	return <-l.conns, nil
}

// client connects anew for each request.
func (l *pipeListener) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			l.conns <- far
			if _, err := l.bell.Write([]byte{0}); err != nil {
				<-l.conns
				return nil, err
			}
			return near, nil
		},
	}}
}

// running is a server in memory, and how to reach and stop it.
type running struct {
	api, admin *http.Client
	stop       context.CancelCauseFunc
	done       chan error
}

func run(t *testing.T, routes ...Route) running {
	t.Helper()
	api, admin := newPipeListener(), newPipeListener()
	o := testOptions(io.Discard)
	o.Config.RequestTimeout = 29 * time.Second
	s := New(o)
	s.listener, s.adminListener = &listener{deadlineListener: api}, admin
	s.Handle(routes...)
	ctx, stop := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	synctest.Wait()
	return running{api.client(), admin.client(), stop, done}
}

func wantStatus(t *testing.T, client *http.Client, path, want string) {
	t.Helper()
	if got := statusOf(client, "http://server"+path); got != want {
		t.Errorf("%s is answered %s, want %s", path, got, want)
	}
}

func wantRefused(t *testing.T, client *http.Client, path string) {
	t.Helper()
	if response, err := client.Get("http://server" + path); err == nil {
		response.Body.Close()
		t.Errorf("%s is answered %s, want no connection", path, response.Status)
	}
}

func TestDrainGoesStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := run(t, Route{"GET /{$}", ok}, Route{"GET /slow", func(w http.ResponseWriter, r *http.Request) error {
			time.Sleep(12 * time.Second)
			return ok(w, r)
		}})
		start := time.Now()
		slow := make(chan string, 1)
		go func() { slow <- statusOf(server.api, "http://server/slow") }()
		synctest.Wait()
		server.stop(nil)
		synctest.Wait()

		wantStatus(t, server.admin, "/readyz", "503 Service Unavailable")
		wantStatus(t, server.api, "/", "200 OK")
		time.Sleep(4900 * time.Millisecond)
		wantStatus(t, server.api, "/", "200 OK")
		time.Sleep(time.Second)
		wantRefused(t, server.api, "/")
		wantStatus(t, server.admin, "/readyz", "503 Service Unavailable")
		wantStatus(t, server.admin, "/livez", "200 OK")

		if got := <-slow; got != "200 OK" {
			t.Errorf("the request that was under way: %s", got)
		}
		if err := <-server.done; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 12*time.Second || took > 13*time.Second {
			t.Errorf("stopped after %v, want as soon as the request was answered", took)
		}
		wantRefused(t, server.admin, "/livez")
	})
}

func TestInterruptSkipsTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := run(t)
		start := time.Now()
		server.stop(ErrInterrupted)
		if err := <-server.done; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("stopped after %v", took)
		}
	})
}

func TestRequestThatOutlastsTheDrainIsAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := make(chan error, 1)
		server := run(t, Route{"GET /", func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			cause <- context.Cause(r.Context())
			return r.Context().Err()
		}})
		start := time.Now()
		go statusOf(server.api, "http://server/")
		synctest.Wait()
		server.stop(nil)
		if err := <-server.done; !errors.Is(err, ErrAborted) {
			t.Errorf("got %v, want ErrAborted", err)
		}
		if took := time.Since(start); took < 25*time.Second || took > 26*time.Second {
			t.Errorf("stopped after %v, want delay and timeout", took)
		}
		if err := <-cause; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the handler was told %v", err)
		}
	})
}
