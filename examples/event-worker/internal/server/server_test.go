package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/event-worker/internal/config"
	"example.com/event-worker/internal/telemetry"
)

func testOptions() Options {
	return Options{
		Config:   config.Default(),
		Logger:   slog.New(slog.DiscardHandler),
		Level:    new(slog.LevelVar),
		Registry: telemetry.NewRegistry(telemetry.Build{}),
		Build:    telemetry.Build{Version: "v1.2.3", Revision: "abc", Go: "go"},
	}
}

func (s *Server) administer(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.admin.Handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

func TestAdministration(t *testing.T) {
	s := New(testOptions())
	s.started.Store(true)
	s.Handle("GET /v1/results", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, "many") })
	for target, want := range map[string]struct {
		status int
		body   string
	}{
		"GET /livez":               {http.StatusOK, "ok\n"},
		"GET /readyz":              {http.StatusOK, "ok\n"},
		"POST /readyz":             {http.StatusMethodNotAllowed, ""},
		"GET /version":             {http.StatusOK, `{"version":"v1.2.3","revision":"abc","go":"go"}`},
		"GET /metrics":             {http.StatusOK, "_build_info{"},
		"GET /log-level":           {http.StatusOK, "INFO\n"},
		"GET /debug/pprof/":        {http.StatusOK, "goroutine"},
		"GET /debug/pprof/symbol":  {http.StatusOK, "num_symbols"},
		"GET /debug/pprof/cmdline": {http.StatusNotFound, ""},
		"GET /nothing":             {http.StatusNotFound, ""},
		"GET /v1/results":          {http.StatusOK, "many\n"},
	} {
		method, path, _ := strings.Cut(target, " ")
		w := s.administer(method, path, "")
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.body) {
			t.Errorf("%s gives %d %s", target, w.Code, w.Body)
		}
	}
}

func TestLogLevelChangesAtRunTime(t *testing.T) {
	o := testOptions()
	s := New(o)
	if w := s.administer("PUT", "/log-level", "debug\n"); w.Code != http.StatusOK || o.Level.Level() != slog.LevelDebug {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	for _, body := range []string{"", "loud", "INFO" + strings.Repeat(" ", 13)} {
		if w := s.administer("PUT", "/log-level", body); w.Code != http.StatusBadRequest || o.Level.Level() != slog.LevelDebug {
			t.Errorf("%q is answered %d", body, w.Code)
		}
	}
}

// silent is a listener that nobody connects to.
type silent struct{ closed chan struct{} }

func (l silent) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

func (l silent) Close() error {
	close(l.closed)
	return nil
}

func (l silent) Addr() net.Addr { return &net.TCPAddr{} }

// life is a server in a bubble of synctest, and how it ends.
type life struct {
	*Server
	cancel   context.CancelCauseFunc
	done     chan error
	released bool
}

func live(t *testing.T, prepare func(context.Context) (Work, error)) *life {
	t.Helper()
	l := &life{Server: New(testOptions()), done: make(chan error, 1)}
	l.adminListener = silent{make(chan struct{})}
	l.OnDrained(func(ctx context.Context) error {
		l.released = true
		return ctx.Err()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	l.cancel = cancel
	go func() { l.done <- l.Serve(ctx, prepare) }()
	synctest.Wait()
	return l
}

// taking is work that takes so long to deal with what it has in hand, and does not do it sooner.
func taking(duration time.Duration, aborted int) func(context.Context) (Work, error) {
	return func(context.Context) (Work, error) {
		return func(ctx, stop context.Context) int {
			<-stop.Done()
			select {
			case <-time.After(duration):
				return 0
			case <-ctx.Done():
				return aborted
			}
		}, nil
	}
}

func TestDrainWorksOnThenWaitsForWhatIsInHand(t *testing.T) {
	for cause, delay := range map[error]time.Duration{nil: config.Default().DrainDelay, ErrInterrupted: 0} {
		synctest.Test(t, func(t *testing.T) {
			l := live(t, taking(7*time.Second, 1))
			if w := l.administer("GET", "/readyz", ""); w.Code != http.StatusOK {
				t.Errorf("readiness is %d", w.Code)
			}
			start := time.Now()
			l.cancel(cause)
			synctest.Wait()
			if w := l.administer("GET", "/readyz", ""); w.Code != http.StatusServiceUnavailable {
				t.Errorf("readiness is %d in the drain", w.Code)
			}
			if w := l.administer("GET", "/livez", ""); w.Code != http.StatusOK {
				t.Errorf("liveness is %d in the drain", w.Code)
			}
			if err := <-l.done; err != nil || !l.released {
				t.Errorf("got %v, given back %v", err, l.released)
			}
			if took := time.Since(start); took != delay+7*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestWorkThatDoesNotEndIsAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := live(t, taking(time.Hour, 3))
		start := time.Now()
		l.cancel(nil)
		if err := <-l.done; !errors.Is(err, ErrAborted) || !strings.Contains(err.Error(), "3") || !l.released {
			t.Errorf("got %v, given back %v", err, l.released)
		}
		if took, want := time.Since(start), l.cfg.DrainDelay+l.cfg.DrainTimeout; took != want {
			t.Errorf("took %v, want %v", took, want)
		}
	})
}

func TestWorkThatHasNoMessageInHandEndsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := live(t, taking(time.Hour, 0))
		l.cancel(nil)
		if err := <-l.done; err != nil || !l.released {
			t.Errorf("got %v, given back %v", err, l.released)
		}
	})
}

func TestWorkThatDoesNotEvenHandBackIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		defer close(stuck)
		l := live(t, func(context.Context) (Work, error) {
			return func(_, _ context.Context) int {
				<-stuck
				return 0
			}, nil
		})
		start := time.Now()
		l.cancel(nil)
		if err := <-l.done; !errors.Is(err, ErrAborted) {
			t.Errorf("got %v", err)
		}
		if took, most := time.Since(start), l.cfg.DrainDelay+l.cfg.DrainTimeout+DrainOverhead; took > most {
			t.Errorf("took %v", took)
		}
	})
}

func TestReleaseThatHangsIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := live(t, taking(0, 0))
		l.OnDrained(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		start := time.Now()
		l.cancel(ErrInterrupted)
		if err := <-l.done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > DrainOverhead {
			t.Errorf("took %v", took)
		}
	})
}

func TestProcessThatWaitsForWhatItNeedsLivesAndIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := live(t, func(ctx context.Context) (Work, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if w := l.administer("GET", "/readyz", ""); w.Code != http.StatusServiceUnavailable {
			t.Errorf("readiness is %d", w.Code)
		}
		start := time.Now()
		if err := <-l.done; !errors.Is(err, context.DeadlineExceeded) || !l.released {
			t.Errorf("got %v, given back %v", err, l.released)
		}
		if took := time.Since(start); took != StartTimeout {
			t.Errorf("gave up after %v", took)
		}
	})
}

func TestProcessThatWaitsForWhatItNeedsCanBeStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := live(t, func(ctx context.Context) (Work, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		l.cancel(nil)
		if err := <-l.done; err != nil || !l.released {
			t.Errorf("got %v, given back %v", err, l.released)
		}
	})
}

func TestListenerIsOpenUntilTheEnd(t *testing.T) {
	o := testOptions()
	o.Config.AdminAddr, o.Config.DrainDelay = "127.0.0.1:0", 0
	s := New(o)
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	url := "http://" + s.adminListener.Addr().String() + "/livez"
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, taking(0, 0)) }()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); string(text) != "ok\n" {
		t.Errorf("answered %q, %v", text, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("it still answers")
	}
}
