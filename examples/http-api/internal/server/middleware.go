package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/http-api/internal/telemetry"
)

const (
	maxRequestID     = 64
	requestIDLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
)

// metrics are named as the semantic conventions of OpenTelemetry name them.
type metrics struct {
	statuses [1000]string // the values of a label, so that none is made for each request
	duration *prometheus.HistogramVec
	active   prometheus.Gauge
	panics   prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "http_server_request_duration_seconds",
			Help:    "Time to answer a request.",
			Buckets: []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10},
		}, []string{"http_request_method", "http_route", "http_response_status_code"}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_server_active_requests",
			Help: "Requests being answered.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "http_server_panics_total",
			Help: "Requests whose handler panicked.",
		}),
	}
	for status := range m.statuses {
		m.statuses[status] = strconv.Itoa(status)
	}
	registry.MustRegister(m.duration, m.active, m.panics)
	return m
}

// exchange is what is known of a request and its answer. It is the one writer between handlers and
// connection.
type exchange struct {
	http.ResponseWriter
	id       [1]string
	route    string
	status   int
	err      error
	stack    []byte
	draining *atomic.Bool
	// routing is true until a handler of ours has the request. What the mux answers until then is
	// kept back: refusal has its status.
	routing bool
	refusal int
}

func exchangeOf(w http.ResponseWriter) *exchange {
	return w.(*exchange)
}

// Unwrap is for http.ResponseController.
func (e *exchange) Unwrap() http.ResponseWriter { return e.ResponseWriter }

func (e *exchange) WriteHeader(status int) {
	if e.routing {
		e.refusal = status
		return
	}
	if e.status == 0 && status >= http.StatusOK {
		e.status = status
		if e.draining.Load() {
			// The client finds another instance for its next request. HTTP/2 sends GOAWAY for it.
			e.Header().Set("Connection", "close")
		}
	}
	e.ResponseWriter.WriteHeader(status)
}

func (e *exchange) Write(p []byte) (int, error) {
	if e.routing {
		return len(p), nil
	}
	if e.status == 0 {
		e.WriteHeader(http.StatusOK)
	}
	return e.ResponseWriter.Write(p)
}

// observer gives each request an identity, one line in the log and one observation, and turns a
// panic into an answer.
type observer struct {
	logger   *slog.Logger
	metrics  *metrics
	draining *atomic.Bool
	tracing  *telemetry.Tracing
	next     http.Handler
}

func (o *observer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	r, span := o.tracing.Start(r)
	defer span.End()
	e := &exchange{ResponseWriter: w, draining: o.draining}
	e.id[0] = requestID(r.Header)
	w.Header()["X-Request-Id"] = e.id[:]
	o.metrics.active.Inc()
	complete := o.answer(e, r)
	o.metrics.active.Dec()
	o.record(e, r, time.Since(start))
	if !complete {
		panic(http.ErrAbortHandler)
	}
}

// answer reports whether the client can have a complete answer.
func (o *observer) answer(e *exchange, r *http.Request) (complete bool) {
	defer func() {
		cause := recover()
		if cause == nil || cause == http.ErrAbortHandler { //nolint:errorlint // net/http takes it as it is as well
			return
		}
		o.metrics.panics.Inc()
		e.stack = debug.Stack()
		// Where no complete answer is possible any more, fail panics as well.
		defer func() { complete = recover() == nil }()
		fail(e, r, fmt.Errorf("panic: %v", cause))
	}()
	o.next.ServeHTTP(e, r)
	if e.status == 0 {
		e.WriteHeader(http.StatusOK)
	}
	return true
}

func (o *observer) record(e *exchange, r *http.Request, took time.Duration) {
	method := r.Method
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
	default:
		// Clients must not be able to add series.
		method = "_OTHER"
	}
	o.metrics.duration.WithLabelValues(method, cmp.Or(e.route, "unmatched"), o.metrics.statuses[e.status]).Observe(took.Seconds())

	level := slog.LevelInfo
	if e.failed() || e.stack != nil {
		level = slog.LevelError
	}
	// A record has room for five attributes before it allocates.
	attrs := append(make([]slog.Attr, 0, 7),
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.Int("status", e.status),
		slog.Int64("microseconds", took.Microseconds()),
		slog.String("request_id", e.id[0]))
	if e.err != nil {
		attrs = append(attrs, slog.String("error", e.err.Error()))
	}
	if e.stack != nil {
		attrs = append(attrs, slog.String("stack", string(e.stack)))
	}
	o.logger.LogAttrs(r.Context(), level, "request", attrs...)
	telemetry.Describe(r.Context(), method, e.route, r.URL.Path, e.status)
}

// requestID takes over the identity that a proxy gave, when it is safe to repeat.
func requestID(header http.Header) string {
	given := header.Get("X-Request-Id")
	if given == "" || len(given) > maxRequestID || strings.Trim(given, requestIDLetters) != "" {
		return rand.Text()
	}
	return given
}

// protect bounds what a request can take: a place among those served at once, time, and body.
func (s *Server) protect(next http.Handler) http.Handler {
	// Shared by all answers: nothing writes to them.
	noSniff, noStore := []string{"nosniff"}, []string{"no-store"}
	noContent := []string{"default-src 'none'; frame-ancestors 'none'"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header["X-Content-Type-Options"] = noSniff
		header["Content-Security-Policy"] = noContent
		header["Cache-Control"] = noStore
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			fail(w, r, errOverloaded)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.cfg.RequestTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		if r.Body != http.NoBody {
			// The connection's own writer, since that knows to close it after a body too large.
			r.Body = http.MaxBytesReader(exchangeOf(w).ResponseWriter, r.Body, maxBodyBytes)
		}
		next.ServeHTTP(w, r)
	})
}
