package collector

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/metrics-exporter/internal/telemetry"
)

// silent is a source that says nothing until it is not waited for any more.
type silent struct{}

func (silent) Devices(ctx context.Context) iter.Seq2[Device, error] {
	return func(yield func(Device, error) bool) {
		<-ctx.Done()
		yield(Device{}, ctx.Err())
	}
}

func newTestHandler(collector *Collector, process prometheus.Gatherer) *Handler {
	return NewHandler(collector, process, 10*time.Second, 2, nil)
}

func get(handler http.Handler, timeout string) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if timeout != "" {
		r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", timeout)
	}
	handler.ServeHTTP(w, r)
	return w
}

func TestScrapeHasWhatTheTargetAndTheProcessTell(t *testing.T) {
	handler := newTestHandler(New(list{devices: two()}, 10, quiet), telemetry.NewRegistry(telemetry.Build{}))
	for range 2 {
		w := get(handler, "")
		for _, want := range []string{
			`metrics_exporter_device_readings_total{device="0000002a"} 7` + "\n", "metrics_exporter_up 1\n", "go_goroutines ", "metrics_exporter_build_info{",
		} {
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
				t.Errorf("answered %d, without %s", w.Code, want)
			}
		}
	}
}

func TestScrapeEndsBeforePrometheusStopsWaiting(t *testing.T) {
	for timeout, want := range map[string]time.Duration{
		"":       10 * time.Second,
		"3":      2500 * time.Millisecond,
		"0.5":    250 * time.Millisecond,
		"10.5":   10 * time.Second,
		"60":     10 * time.Second,
		"+Inf":   10 * time.Second,
		"NaN":    10 * time.Second,
		"0":      10 * time.Second,
		"-1":     10 * time.Second,
		"before": 10 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			w := get(newTestHandler(New(silent{}, 10, quiet), prometheus.NewRegistry()), timeout)
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "metrics_exporter_up 0\n") {
				t.Errorf("%q: answered %d %s", timeout, w.Code, w.Body)
			}
			if took := time.Since(start); took != want {
				t.Errorf("%q: took %v, want %v", timeout, took, want)
			}
		})
	}
}

func TestMoreScrapesThanAreAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := newTestHandler(New(silent{}, 10, quiet), prometheus.NewRegistry())
		for range 2 {
			go get(handler, "")
		}
		synctest.Wait()
		if w := get(handler, ""); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
			t.Errorf("answered %d", w.Code)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if w := get(handler, ""); w.Code != http.StatusOK {
			t.Errorf("answered %d afterwards", w.Code)
		}
	})
}
