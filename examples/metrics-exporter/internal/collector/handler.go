package collector

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/metrics-exporter/internal/telemetry"
)

// margin is left of the time that Prometheus gives, for what comes after the target has answered.
const margin = 500 * time.Millisecond

// Handler answers scrapes: each asks the target anew.
type Handler struct {
	collector *Collector
	process   prometheus.Gatherer
	timeout   time.Duration
	slots     chan struct{}
	tracing   *telemetry.Tracing
}

// NewHandler exposes what the collector is told, and what the process tells of itself. A scrape takes
// at most timeout, and at most so many are answered at once.
func NewHandler(collector *Collector, process prometheus.Gatherer, timeout time.Duration, scrapes int, tracing *telemetry.Tracing) *Handler {
	return &Handler{collector, process, timeout, make(chan struct{}, scrapes), tracing}
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many scrapes at once", http.StatusServiceUnavailable)
		return
	}
	r, span := h.tracing.Start(r)
	defer span.End()
	h.answer(w, r)
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request) {
	telemetry.Describe(r.Context(), r.Method, "/metrics", r.URL.Path, http.StatusOK)
	ctx, cancel := context.WithTimeout(r.Context(), h.bound(r.Header))
	defer cancel()
	target := prometheus.NewRegistry()
	target.MustRegister(h.collector.Scrape(ctx))
	promhttp.HandlerFor(prometheus.Gatherers{h.process, target}, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

// bound is how long the target may take for a scrape: Prometheus says when it stops waiting.
func (h *Handler) bound(header http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || math.IsNaN(seconds) || seconds <= 0 || seconds > h.timeout.Seconds()+margin.Seconds() {
		return h.timeout
	}
	given := time.Duration(seconds * float64(time.Second))
	return max(given-margin, given/2)
}
