package collector

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// list is a source of devices that ends with an error where there is one.
type list struct {
	devices []Device
	err     error
}

func (l list) Devices(context.Context) iter.Seq2[Device, error] {
	return func(yield func(Device, error) bool) {
		for _, device := range l.devices {
			if !yield(device, nil) {
				return
			}
		}
		if l.err != nil {
			yield(Device{}, l.err)
		}
	}
}

var quiet = slog.New(slog.DiscardHandler)

func two() []Device {
	seen := time.Date(2026, 11, 18, 11, 6, 41, 250_000_000, time.UTC)
	return []Device{
		{"0000002a", seen, 7},
		{"boiler-1", seen.Add(time.Minute), 9_007_199_254_740_991},
	}
}

func TestExposition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which no time passes
		golden, err := os.Open("testdata/metrics.golden")
		if err != nil {
			t.Fatal(err)
		}
		defer golden.Close()
		if err := testutil.CollectAndCompare(New(list{devices: two()}, 10, quiet).Scrape(t.Context()), golden); err != nil {
			t.Error(err)
		}
	})
}

func TestExpositionIsAsPrometheusWantsIt(t *testing.T) {
	problems, err := testutil.CollectAndLint(New(list{devices: two()}, 10, quiet).Scrape(t.Context()))
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v", problems, err)
	}
}

func TestTargetThatFailsShowsNoneOfItsDevices(t *testing.T) {
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	broken := New(list{two(), errors.New("the line went dead")}, 10, logger).Scrape(t.Context())
	want := `
# HELP metrics_exporter_up 1 when the target has answered this scrape, else 0.
# TYPE metrics_exporter_up gauge
metrics_exporter_up 0
`
	if err := testutil.CollectAndCompare(broken, strings.NewReader(want), "metrics_exporter_up"); err != nil {
		t.Error(err)
	}
	if got := testutil.CollectAndCount(broken); got != 2 {
		t.Errorf("%d series, want those of up and duration alone", got)
	}
	if !strings.Contains(log.String(), "the line went dead") {
		t.Errorf("logged %q", log.String())
	}
}

func TestDevicesAboveTheBoundAreNotExposed(t *testing.T) {
	for limit, want := range map[int]struct{ devices, truncated float64 }{1: {1, 1}, 2: {2, 0}, 3: {2, 0}} {
		registry := prometheus.NewRegistry()
		registry.MustRegister(New(list{devices: two()}, limit, quiet).Scrape(t.Context()))
		values := map[string]float64{}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			values[strings.TrimPrefix(family.GetName(), "metrics_exporter_")] = family.GetMetric()[0].GetGauge().GetValue()
		}
		if values["up"] != 1 || values["devices"] != want.devices || values["devices_truncated"] != want.truncated {
			t.Errorf("with a bound of %d: %v", limit, values)
		}
	}
}

func TestDemonstrationSendsReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		demo := NewDemo()
		start := time.Now()
		time.Sleep(61 * time.Second)
		want := []Device{
			{"demo-a", start.Add(61 * time.Second), 61},
			{"demo-b", start.Add(60 * time.Second), 12},
			{"demo-c", start.Add(60 * time.Second), 2},
		}
		got := 0
		for device, err := range demo.Devices(t.Context()) {
			if err != nil || device != want[got] {
				t.Errorf("got %v, %v, want %v", device, err, want[got])
			}
			got++
		}
		if got != len(want) {
			t.Errorf("%d devices", got)
		}
		for _, err := range demo.Devices(t.Context()) {
			if err != nil {
				t.Error(err)
			}
			break // nobody has to listen to the end
		}
	})
}
