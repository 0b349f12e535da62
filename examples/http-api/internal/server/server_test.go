package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/http-api/internal/config"
	"example.com/http-api/internal/telemetry"
)

// logBuffer can be read while the server writes to it.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// line returns the only line of the log with a message, decoded.
func (b *logBuffer) line(t *testing.T, message string) map[string]any {
	t.Helper()
	var found []map[string]any
	for text := range strings.Lines(b.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("log line %q: %v", text, err)
		}
		if line["msg"] == message {
			found = append(found, line)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d lines with message %q in:\n%s", len(found), message, b.String())
	}
	return found[0]
}

func testOptions(w io.Writer) Options {
	cfg := config.Default()
	cfg.HTTPAddr, cfg.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
	level := new(slog.LevelVar)
	return Options{
		Config:   cfg,
		Logger:   telemetry.NewLogger(w, level),
		Level:    level,
		Registry: prometheus.NewRegistry(),
		Build:    telemetry.Build{Version: "v1.2.3", Revision: "abc", Go: "go"},
	}
}

// testServer has routes but no connections: requests go to its handlers.
func testServer(t *testing.T, change func(*config.Config), routes ...Route) (*Server, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	o := testOptions(log)
	if change != nil {
		change(&o.Config)
	}
	s := New(o)
	s.Handle(routes...)
	return s, log
}

func (s *Server) answer(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func get(path string) *http.Request {
	return httptest.NewRequest(http.MethodGet, path, nil)
}

func ok(w http.ResponseWriter, _ *http.Request) error {
	_, err := io.WriteString(w, "ok")
	return err
}

// prepared is for a server whose routes are mounted.
func prepared(context.Context) error { return nil }

// serve runs a server on free ports until the test ends it with stop, which returns Serve's error.
func serve(t *testing.T, o Options, routes ...Route) (s *Server, stop func(cause error) error) {
	t.Helper()
	s = New(o)
	s.Handle(routes...)
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	var result error
	go func() {
		result = s.Serve(ctx, prepared)
		close(done)
	}()
	stop = func(cause error) error {
		cancel(cause)
		<-done
		return result
	}
	t.Cleanup(func() { _ = stop(ErrInterrupted) })
	eventually(t, "it serves", s.started.Load)
	return s, stop
}

func (s *Server) url(path string) string { return "http://" + s.listener.Addr().String() + path }

func (s *Server) adminURL(path string) string {
	return "http://" + s.adminListener.Addr().String() + path
}

func TestListenFailsWhenAPortIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, set := range map[string]func(*config.Config){
		"API":            func(c *config.Config) { c.HTTPAddr = taken.Addr().String() },
		"administration": func(c *config.Config) { c.AdminAddr = taken.Addr().String() },
	} {
		o := testOptions(io.Discard)
		set(&o.Config)
		if err := New(o).Listen(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("with the port of %s taken: %v", name, err)
		}
	}
}

func TestServeEndsWhenAListenerBreaks(t *testing.T) {
	for name, broken := range map[string]func(*Server) net.Listener{
		"API":            func(s *Server) net.Listener { return s.listener },
		"administration": func(s *Server) net.Listener { return s.adminListener },
	} {
		s := New(testOptions(io.Discard))
		if err := s.Listen(t.Context()); err != nil {
			t.Fatal(err)
		}
		broken(s).Close()
		released := false
		s.OnDrained(func(ctx context.Context) error {
			released = true
			return ctx.Err()
		})
		if err := s.Serve(t.Context(), prepared); !released || !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), name) {
			t.Errorf("with the listener of %s closed: %v", name, err)
		}
	}
}

func TestHTTP2NeedsNoTLS(t *testing.T) {
	s, _ := serve(t, testOptions(io.Discard), Route{"GET /", ok})
	client := http2Client(t)
	response, err := client.Get(s.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
		t.Errorf("got %s over %s", response.Status, response.Proto)
	}
}

func http2Client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestHeaderIsBounded(t *testing.T) {
	s, _ := serve(t, testOptions(io.Discard), Route{"GET /", ok})
	for name, test := range map[string]struct{ headers, size, want int }{
		"a header of 8 KiB":    {1, 8 << 10, http.StatusOK},
		"a header of 32 KiB":   {1, 32 << 10, http.StatusRequestHeaderFieldsTooLarge},
		"ten thousand headers": {10_000, 1, http.StatusRequestHeaderFieldsTooLarge},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url("/"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range test.headers {
			r.Header.Set("H"+strconv.Itoa(i), strings.Repeat("x", test.size))
		}
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != test.want {
			t.Errorf("%s: answered %s", name, response.Status)
		}
	}
}

func TestWarningsOfTheStandardLibraryAreInTheLog(t *testing.T) {
	log := new(logBuffer)
	s, _ := serve(t, testOptions(log), Route{"GET /", func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(http.StatusOK)
		w.WriteHeader(http.StatusOK)
		return ok(w, r)
	}})
	statusOf(http.DefaultClient, s.url("/"))
	if text := log.String(); !strings.Contains(text, `"level":"WARN","msg":"http: superfluous`) {
		t.Errorf("logged %s", text)
	}
}

func TestOptionsOfTheServerAreARequestLikeAnyOther(t *testing.T) {
	s, _ := serve(t, testOptions(io.Discard))
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	response, err := exchangeOver(conn, bufio.NewReader(conn), "OPTIONS * HTTP/1.1")
	if err != nil || response.StatusCode != http.StatusNotFound {
		t.Errorf("got %+v, %v", response, err)
	}
}

func TestAnswerThatNobodyReadsIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written := make(chan error, 1)
		server := run(t, Route{"GET /", func(w http.ResponseWriter, _ *http.Request) error {
			_, err := w.Write(make([]byte, 1<<20))
			written <- err
			return err
		}})
		start := time.Now()
		conn := server.connect(t)
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := <-written; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the handler was told %v", err)
		}
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("after %v", took)
		}
		server.stop(ErrInterrupted)
		if err := <-server.done; err != nil {
			t.Error(err)
		}
	})
}

func TestPanicAfterTheClientHasLeftIsLoggedAsWell(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	s, log := testServer(t, nil, Route{"GET /", func(http.ResponseWriter, *http.Request) error {
		leave()
		panic("the cause")
	}})
	func() {
		defer func() {
			if cause := recover(); cause != http.ErrAbortHandler {
				t.Errorf("ended with %v", cause)
			}
		}()
		s.answer(get("/").WithContext(ctx))
	}()
	line := log.line(t, "request")
	if line["status"] != 499.0 || line["error"] != "panic: the cause" || line["stack"] == nil {
		t.Errorf("logged %v", line)
	}
	if !strings.Contains(s.metricsText(), "http_server_active_requests 0\n") {
		t.Error("the request is still counted as active")
	}
}
