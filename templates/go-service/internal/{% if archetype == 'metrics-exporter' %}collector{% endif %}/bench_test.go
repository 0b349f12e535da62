//go:build !race

package collector

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// pages are the answers of a target, by the cursors that it gives.
type pages []string

// pagesOf has them ready, so that what is measured is the exporter.
func pagesOf(devices int) pages {
	made := make(pages, devices/1000)
	for i := range made {
		entries := make([]string, 1000)
		for n := range entries {
			entries[n] = entry(fmt.Sprintf("%08x", i*1000+n))
		}
		made[i] = `{"devices":[` + strings.Join(entries, ",") + `],"next":"` + strconv.Itoa(i+1) + `"}`
	}
	made[len(made)-1] = strings.Replace(made[len(made)-1], `"next":"`+strconv.Itoa(len(made)), `"next":"`, 1)
	return made
}

func (p pages) RoundTrip(r *http.Request) (*http.Response, error) {
	page, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	return always(p[page]).RoundTrip(r)
}

// scraper scrapes a target that has so many devices.
func scraper(tb testing.TB, devices int) (scrape func()) {
	tb.Helper()
	target, err := NewTarget("http://target")
	if err != nil {
		tb.Fatal(err)
	}
	target.client.Transport = pagesOf(devices)
	handler := newTestHandler(New(target, devices, quiet), prometheus.NewRegistry())
	return func() {
		w := &sink{header: http.Header{}}
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		// Two series for each device have at least 100 bytes.
		if w.size < devices*100 {
			tb.Fatalf("answered with %d bytes", w.size)
		}
	}
}

type sink struct {
	header http.Header
	size   int
}

func (s *sink) Header() http.Header { return s.header }

func (s *sink) WriteHeader(int) {}

func (s *sink) Write(p []byte) (int, error) {
	s.size += len(p)
	return io.Discard.Write(p)
}

// By which the two series of a device are read, kept and written. One more label costs about ten.
const allocationsOfADevice = 35

func TestBudgetOfADevice(t *testing.T) {
	const devices = 2000
	if got := testing.AllocsPerRun(3, scraper(t, devices)) / devices; got > allocationsOfADevice {
		t.Errorf("%.1f allocations, want at most %d", got, allocationsOfADevice)
	}
}

// A scrape of so many may take a quarter of a second of a core.
func BenchmarkScrapeOfTenThousandDevices(b *testing.B) {
	scrape := scraper(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		scrape()
	}
}
