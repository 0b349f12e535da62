package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func (s *Server) administer(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.admin.Handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

func TestAdministration(t *testing.T) {
	s, _ := testServer(t, nil)
	s.started.Store(true)
	for target, want := range map[string]struct {
		status int
		body   string
	}{
		"GET /livez":               {http.StatusOK, "ok\n"},
		"GET /readyz":              {http.StatusOK, "ok\n"},
		"POST /readyz":             {http.StatusMethodNotAllowed, ""},
		"GET /version":             {http.StatusOK, `{"version":"v1.2.3","revision":"abc","go":"go"}`},
		"GET /metrics":             {http.StatusOK, "metric 1\n"},
		"GET /log-level":           {http.StatusOK, "INFO\n"},
		"GET /debug/pprof/":        {http.StatusOK, "goroutine"},
		"GET /debug/pprof/heap":    {http.StatusOK, ""},
		"GET /debug/pprof/symbol":  {http.StatusOK, "num_symbols"},
		"GET /debug/pprof/cmdline": {http.StatusNotFound, ""},
		"GET /nothing":             {http.StatusNotFound, ""},
	} {
		method, path, _ := strings.Cut(target, " ")
		w := s.administer(method, path, "")
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.body) {
			t.Errorf("%s gives %d %s", target, w.Code, w.Body)
		}
	}
}

func TestDrainingShowsInReadinessAlone(t *testing.T) {
	s, _ := testServer(t, nil)
	s.started.Store(true)
	s.draining.Store(true)
	if w := s.administer("GET", "/readyz", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("readiness is %d", w.Code)
	}
	if w := s.administer("GET", "/livez", ""); w.Code != http.StatusOK {
		t.Errorf("liveness is %d", w.Code)
	}
}

func TestLogLevelChangesAtRunTime(t *testing.T) {
	log := new(logBuffer)
	o := testOptions(log)
	s := New(o)
	if w := s.administer("PUT", "/log-level", "debug\n"); w.Code != http.StatusOK || w.Body.String() != "DEBUG\n" {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if o.Level.Level() != slog.LevelDebug {
		t.Errorf("level is %v", o.Level)
	}
	if line := log.line(t, "log level changed"); line["from"] != "INFO" || line["to"] != "DEBUG" {
		t.Errorf("logged %v", line)
	}
	for _, body := range []string{"", "loud", "INFO" + strings.Repeat(" ", 13)} {
		if w := s.administer("PUT", "/log-level", body); w.Code != http.StatusBadRequest {
			t.Errorf("%q is answered %d", body, w.Code)
		}
	}
	if o.Level.Level() != slog.LevelDebug {
		t.Errorf("a refused level was set: %v", o.Level)
	}
}
