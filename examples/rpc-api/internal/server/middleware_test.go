package server

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/rpc-api/internal/config"
	"example.com/rpc-api/internal/telemetry"
)

func TestRequestIDIsTakenOverOrReplaced(t *testing.T) {
	s, _ := testServer(t, nil, Route{"GET /", ok})
	for given, kept := range map[string]bool{
		"":                      false,
		"a-B_0.9":               true,
		strings.Repeat("x", 64): true,
		strings.Repeat("x", 65): false,
		"a b":                   false,
		"a\nb":                  false,
		"ä":                     false,
	} {
		r := get("/")
		r.Header.Set("X-Request-ID", given)
		got := s.answer(r).Header().Get("X-Request-Id")
		if kept && got != given || !kept && !regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(got) {
			t.Errorf("%q was answered with %q", given, got)
		}
	}
}

func TestRequestIsOneLineInTheLog(t *testing.T) {
	s, log := testServer(t, nil, Route{"GET /things/{id}", ok})
	r := get("/things/7?secret=1")
	r.Header.Set("X-Request-ID", "id-1")
	s.answer(r)
	line := log.line(t, "request")
	for key, want := range map[string]any{
		"level": "INFO", "code": "ok", "path": "/things/7", "status": 200.0, "request_id": "id-1",
	} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the query is in the log: %s", log)
	}
}

func TestLogLevelLeavesOutRequests(t *testing.T) {
	log := new(logBuffer)
	o := testOptions(log)
	o.Level.Set(12)
	s := New(o)
	s.answer(get("/"))
	if log.String() != "" {
		t.Errorf("logged %s", log)
	}
}

// metricsText is what Prometheus would scrape.
func (s *Server) metricsText() string {
	w := httptest.NewRecorder()
	s.admin.Handler.ServeHTTP(w, get("/metrics"))
	return w.Body.String()
}

func TestRouteLabelIsThePatternThatMatched(t *testing.T) {
	s, _ := testServer(t, nil,
		Route{"GET /things/{id}", ok},
		Route{"/sub/", ok},
		Route{"GET /broken", func(http.ResponseWriter, *http.Request) error { panic("broken") }},
	)
	for target, label := range map[string]string{
		"GET /things/1":  `http_request_method="GET",http_response_status_code="200",http_route="/things/{id}"`,
		"HEAD /things/1": `http_request_method="HEAD",http_response_status_code="200",http_route="/things/{id}"`,
		"PUT /sub/1":     `http_request_method="PUT",http_response_status_code="200",http_route="/sub/"`,
		"GET /broken":    `http_request_method="GET",http_response_status_code="500",http_route="/broken"`,
		"GET /nothing":   `http_request_method="GET",http_response_status_code="404",http_route="unmatched"`,
		"BREW /sub/1":    `http_request_method="_OTHER",http_response_status_code="200",http_route="/sub/"`,
	} {
		method, path, _ := strings.Cut(target, " ")
		s.answer(httptest.NewRequest(method, path, nil))
		if want := "http_server_request_duration_seconds_count{" + label; !strings.Contains(s.metricsText(), want) {
			t.Errorf("after %s there is no %s", target, want)
		}
	}
	if !strings.Contains(s.metricsText(), "http_server_active_requests 0\n") {
		t.Error("requests are still counted as active")
	}
}

func TestPanicIsAnsweredCountedAndLogged(t *testing.T) {
	s, log := testServer(t, nil, Route{"GET /", func(http.ResponseWriter, *http.Request) error {
		panic("the cause")
	}})
	w := s.answer(get("/"))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "the cause") {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	line := log.line(t, "request")
	if stack, _ := line["stack"].(string); line["error"] != "panic: the cause" || line["level"] != "ERROR" ||
		!strings.Contains(stack, "TestPanicIsAnsweredCountedAndLogged") {
		t.Errorf("logged %v", line)
	}
	if !strings.Contains(s.metricsText(), "http_server_panics_total 1\n") {
		t.Error("the panic was not counted")
	}
}

func TestAnswerThatBrokeOffIsNotTakenForComplete(t *testing.T) {
	begin := func(w http.ResponseWriter) { _, _ = io.WriteString(w, "first half") }
	for name, handle := range map[string]HandlerFunc{
		"panic": func(w http.ResponseWriter, _ *http.Request) error { begin(w); panic("late") },
		"error": func(w http.ResponseWriter, _ *http.Request) error { begin(w); return errors.New("late") },
		"abort": func(w http.ResponseWriter, _ *http.Request) error { begin(w); panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			log := new(logBuffer)
			s, stop := serve(t, testOptions(log), Route{"GET /", handle})
			response, err := http.Get(s.url("/"))
			if err == nil {
				defer response.Body.Close()
				_, err = io.ReadAll(response.Body)
			}
			if err == nil {
				t.Error("the client saw a complete answer")
			}
			if err := stop(ErrInterrupted); err != nil {
				t.Fatal(err)
			}
			line := log.line(t, "request")
			if line["status"] != 200.0 || name != "abort" && line["error"] == nil || name == "panic" && line["level"] != "ERROR" {
				t.Errorf("logged %v", line)
			}
		})
	}
}

func TestMoreRequestsThanPlacesAreTurnedAway(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s, _ := testServer(t, func(c *config.Config) { c.MaxInFlight = 1 },
		Route{"GET /wait", func(http.ResponseWriter, *http.Request) error {
			close(entered)
			<-leave
			return nil
		}},
		Route{"GET /", ok},
	)
	done := make(chan struct{})
	go func() {
		s.answer(get("/wait"))
		close(done)
	}()
	<-entered
	w := s.answer(get("/"))
	if got := w.Header().Get("Retry-After"); w.Code != http.StatusServiceUnavailable || got != "1" {
		t.Errorf("answered %d, Retry-After %q", w.Code, got)
	}
	close(leave)
	<-done
	if w := s.answer(get("/")); w.Code != http.StatusOK {
		t.Errorf("the place was not given back: %d", w.Code)
	}
}

func waitForContext(_ http.ResponseWriter, r *http.Request) error {
	<-r.Context().Done()
	return r.Context().Err()
}

func TestClientThatLeftIsNotAnswered(t *testing.T) {
	s, log := testServer(t, nil, Route{"GET /", waitForContext})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("the connection is kept")
			}
		}()
		s.ServeHTTP(w, get("/").WithContext(ctx))
	}()
	if w.Body.Len() > 0 {
		t.Errorf("wrote %s", w.Body)
	}
	if line := log.line(t, "request"); line["status"] != 499.0 {
		t.Errorf("logged %v", line)
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	s, _ := testServer(t, nil, Route{"GET /", ok})
	want := map[string]string{
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"Cache-Control":           "no-store",
	}
	for _, path := range []string{"/", "/nothing"} {
		header := s.answer(get(path)).Header()
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if got := header.Get(key); got != want[key] {
				t.Errorf("%s of %s is %q", key, path, got)
			}
		}
	}
}

func TestHandlerThatWritesNothingIsCountedAsOK(t *testing.T) {
	s, log := testServer(t, nil, Route{"GET /", func(http.ResponseWriter, *http.Request) error { return nil }})
	if w := s.answer(get("/")); w.Code != http.StatusOK {
		t.Errorf("answered %d", w.Code)
	}
	if line := log.line(t, "request"); line["status"] != 200.0 {
		t.Errorf("logged %v", line)
	}
}

func TestHandlerCanFlush(t *testing.T) {
	s, _ := testServer(t, nil, Route{"GET /", func(w http.ResponseWriter, _ *http.Request) error {
		return http.NewResponseController(w).Flush()
	}})
	if w := s.answer(get("/")); !w.Flushed {
		t.Error("nothing was flushed")
	}
}

// tracedOptions are those of a server that sends every span to a collector, and what came there.
func tracedOptions(t *testing.T, w io.Writer) (o Options, sent func() string) {
	t.Helper()
	var spans logBuffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(&spans, r.Body)
	}))
	t.Cleanup(collector.Close)
	o = testOptions(w)
	tracing, err := telemetry.NewTracing(t.Context(), config.Tracing{Endpoint: collector.URL, Share: 1}, o.Build, o.Logger)
	if err != nil {
		t.Fatal(err)
	}
	o.Tracing = tracing
	return o, func() string {
		if err := tracing.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		return spans.String()
	}
}

func TestSpanHasTheNameOfItsRoute(t *testing.T) {
	o, sent := tracedOptions(t, io.Discard)
	s := New(o)
	s.Handle(Route{"GET /things/{id}", ok})
	s.answer(get("/things/7"))
	s.answer(httptest.NewRequest(http.MethodPut, "/nothing", nil))
	spans := sent()
	if !strings.Contains(spans, "GET /things/{id}") || strings.Contains(spans, "PUT /") {
		t.Errorf("sent %q", spans)
	}
}

func TestLineOfARequestNamesItsTrace(t *testing.T) {
	log := new(logBuffer)
	o, _ := tracedOptions(t, log)
	r := get("/")
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	New(o).answer(r)
	if line := log.line(t, "request"); line["trace_id"] != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("logged %v", line)
	}
}
