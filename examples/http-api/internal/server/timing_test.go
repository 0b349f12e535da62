package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
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

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	l.conns <- far
	if _, err := l.bell.Write([]byte{0}); err != nil {
		<-l.conns
		return nil, err
	}
	return near, nil
}

// client connects anew for each request.
func (l *pipeListener) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: l.dial}}
}

// running is a server in memory, and how to reach and stop it.
type running struct {
	listener   *pipeListener
	api, admin *http.Client
	stop       context.CancelCauseFunc
	done       chan error
}

func (r running) connect(t *testing.T) net.Conn {
	t.Helper()
	conn, err := r.listener.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func run(t *testing.T, routes ...Route) running {
	t.Helper()
	return runServer(t, func(s *Server) { s.Handle(routes...) })
}

// runServer has a server prepared before it serves.
func runServer(t *testing.T, prepare func(*Server)) running {
	t.Helper()
	api, admin := newPipeListener(), newPipeListener()
	o := testOptions(io.Discard)
	o.Config.DrainDelay, o.Config.DrainTimeout = 5*time.Second, 20*time.Second
	o.Config.RequestTimeout = 29 * time.Second
	s := New(o)
	s.listener, s.adminListener = &listener{deadlineListener: api}, admin
	prepare(s)
	ctx, stop := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, prepared) }()
	synctest.Wait()
	return running{api, api.client(), admin.client(), stop, done}
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

func TestDrainServesIdleConnectionsOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := run(t, Route{"GET /{$}", ok})
		asking, silent := server.connect(t), server.connect(t)
		answers := bufio.NewReader(asking)
		for _, conn := range []net.Conn{asking, silent} {
			if response, err := exchangeOver(conn, bufio.NewReader(conn), "GET / HTTP/1.1"); err != nil || response.Close {
				t.Fatalf("before the drain: %+v, %v", response, err)
			}
		}
		start := time.Now()
		server.stop(nil)
		synctest.Wait()

		time.Sleep(4900 * time.Millisecond)
		response, err := exchangeOver(asking, answers, "GET / HTTP/1.1")
		if err != nil || response.StatusCode != http.StatusOK || !response.Close {
			t.Errorf("got %+v, %v, want an answer that closes the connection", response, err)
		}
		if n, err := silent.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read %d, %v from the silent connection", n, err)
		}
		if err := <-server.done; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("stopped after %v, want no wait for idle connections", took)
		}
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
	for name, test := range map[string]struct {
		ending, until time.Duration
		first         string
	}{
		"and ends":  {500 * time.Millisecond, 25500 * time.Millisecond, "answer"},
		"and stays": {time.Hour, 26 * time.Second, "release"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cause, answer, events := make(chan error, 1), make(chan string, 1), make(chan string, 2)
				server := runServer(t, func(s *Server) {
					s.OnDrained(func(context.Context) error {
						events <- "release"
						return nil
					})
					s.Handle(Route{"GET /", func(_ http.ResponseWriter, r *http.Request) error {
						<-r.Context().Done()
						cause <- context.Cause(r.Context())
						time.Sleep(test.ending)
						events <- "answer"
						return r.Context().Err()
					}})
				})
				start := time.Now()
				go func() { answer <- statusOf(server.api, "http://server/") }()
				synctest.Wait()
				server.stop(nil)
				if err := <-server.done; !errors.Is(err, ErrAborted) {
					t.Errorf("got %v, want ErrAborted", err)
				}
				if got := <-answer; !strings.Contains(got, "EOF") {
					t.Errorf("the client was told %s", got)
				}
				if took := time.Since(start); took < test.until || took > test.until+200*time.Millisecond {
					t.Errorf("stopped after %v, want delay, timeout and a moment for the handler", took)
				}
				if got := <-events; got != test.first {
					t.Errorf("the %s came first", got)
				}
				if err := <-cause; !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the handler was told %v", err)
				}
				time.Sleep(test.ending) // no goroutine may be left
			})
		})
	}
}

func readAll(w http.ResponseWriter, r *http.Request) error {
	if _, err := io.ReadAll(r.Body); err != nil {
		return err
	}
	return ok(w, r)
}

func TestNoClientHoldsAConnectionForLong(t *testing.T) {
	for name, test := range map[string]struct {
		sent, answer string
		until        time.Duration
	}{
		"nothing is sent":       {"", "", 5 * time.Second},
		"the header never ends": {"GET / HTTP/1.1\r\nHost: x\r\n", "", 5 * time.Second},
		"the body never comes": {
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{",
			`"code":"`, 15 * time.Second,
		},
		"nothing more is asked": {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", 120 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := run(t, Route{"GET /", ok}, Route{"POST /", readAll})
				start := time.Now()
				conn := server.connect(t)
				go func() { _, _ = io.WriteString(conn, test.sent) }()
				answer, err := io.ReadAll(conn)
				if err != nil || !strings.Contains(string(answer), test.answer) || test.answer == "" && len(answer) > 0 {
					t.Errorf("answered %q, %v", answer, err)
				}
				if took := time.Since(start); took < test.until || took > test.until+time.Second {
					t.Errorf("closed after %v, want %v", took, test.until)
				}
				server.stop(ErrInterrupted)
				if err := <-server.done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
