package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// wantProblem checks the members that every problem has.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, code string) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if w.Code != status || p.Status != status || p.Code != code {
		t.Errorf("got %d with %+v, want %d %s", w.Code, p, status, code)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if p.Type == "" || p.Title == "" || p.RequestID == "" || p.RequestID != w.Header().Get("X-Request-Id") {
		t.Errorf("incomplete problem %+v", p)
	}
	return p
}

func TestEachFailureHasItsCode(t *testing.T) {
	s, _ := testServer(t, nil,
		Route{"GET /panic", func(http.ResponseWriter, *http.Request) error { panic("broken") }},
		Route{"GET /overloaded", func(http.ResponseWriter, *http.Request) error { return errOverloaded }},
	)
	wantProblem(t, s.answer(get("/panic")), http.StatusInternalServerError, "internal")
	wantProblem(t, s.answer(get("/overloaded")), http.StatusServiceUnavailable, "overloaded")
}

func TestUnexpectedErrorKeepsItsText(t *testing.T) {
	s, log := testServer(t, nil, Route{"GET /", func(http.ResponseWriter, *http.Request) error {
		return errors.New("password is wrong")
	}})
	w := s.answer(get("/"))
	wantProblem(t, w, http.StatusInternalServerError, "internal")
	if strings.Contains(w.Body.String(), "password") {
		t.Errorf("the text left the server: %s", w.Body)
	}
	if line := log.line(t, "request"); line["error"] != "password is wrong" {
		t.Errorf("logged %v", line)
	}
}

func TestProblemCanBeSharedByRequests(t *testing.T) {
	gone := Fail(http.StatusGone, "gone", "")
	s, _ := testServer(t, nil, Route{"GET /", func(http.ResponseWriter, *http.Request) error { return gone }})
	wantProblem(t, s.answer(get("/")), http.StatusGone, "gone")
	if gone.RequestID != "" || gone.Instance != "" {
		t.Errorf("the problem became %+v", gone)
	}
}

func TestRequestThatTakesTooLongIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := testServer(t, nil, Route{"GET /", waitForContext})
		start := time.Now()
		wantProblem(t, s.answer(get("/")), http.StatusServiceUnavailable, "timeout")
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func TestPathsThatNothingServes(t *testing.T) {
	s, _ := testServer(t, nil, Route{"GET /a/b", ok}, Route{"POST /a/b", ok}, Route{"GET /sub/", ok})
	for target, want := range map[string]struct {
		status int
		code   string
		allow  string
	}{
		"GET /":         {http.StatusNotFound, "not_found", ""},
		"GET /a/b/":     {http.StatusNotFound, "not_found", ""},
		"GET //a/b":     {http.StatusNotFound, "not_found", ""},
		"GET /a/./b":    {http.StatusNotFound, "not_found", ""},
		"GET /x/../a/b": {http.StatusNotFound, "not_found", ""},
		"PUT /a//b":     {http.StatusNotFound, "not_found", ""},
		"DELETE /a/b":   {http.StatusMethodNotAllowed, "method_not_allowed", "GET, HEAD, POST"},
		"POST /sub/x":   {http.StatusMethodNotAllowed, "method_not_allowed", "GET, HEAD"},
		"OPTIONS *":     {http.StatusNotFound, "not_found", ""},
	} {
		t.Run(target, func(t *testing.T) {
			var method, path string
			if _, err := fmt.Sscan(target, &method, &path); err != nil {
				t.Fatal(err)
			}
			w := s.answer(httptest.NewRequest(method, path, nil))
			wantProblem(t, w, want.status, want.code)
			if got := w.Header().Get("Allow"); got != want.allow {
				t.Errorf("Allow is %q, want %q", got, want.allow)
			}
			if got := w.Header().Get("Location"); got != "" {
				t.Errorf("sent on to %q", got)
			}
		})
	}
	if w := s.answer(get("/sub/")); w.Code != http.StatusOK {
		t.Errorf("a pattern with a slash at its end gets %d", w.Code)
	}
}

func TestProblemHasATypeOfItsOwnWhenTheStatusSaysLess(t *testing.T) {
	for code, want := range map[string]string{
		"bad_request": "about:blank",
		"bad_cursor":  "urn:problem-type:bad_cursor",
	} {
		if got := Fail(http.StatusBadRequest, code, "").Type; got != want {
			t.Errorf("type of %s is %s, want %s", code, got, want)
		}
	}
}
