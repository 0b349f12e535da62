// Package collector asks a server for its devices, and tells Prometheus what it was told.
package collector

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Device is what the server knows of one device.
type Device struct {
	Name     string
	LastSeen time.Time
	Readings uint64
}

// Source has devices, by name. An error is the last that it yields.
type Source interface {
	Devices(ctx context.Context) iter.Seq2[Device, error]
}

// Collector asks a source for at most so many devices: each is a few series in Prometheus.
type Collector struct {
	source Source
	limit  int
	logger *slog.Logger
	descriptions
}

type descriptions struct {
	up, duration, devices, truncated, readings, lastSeen *prometheus.Desc
}

// New makes a collector that exposes at most limit devices.
func New(source Source, limit int, logger *slog.Logger) *Collector {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("metrics_exporter_"+name, help, labels, nil)
	}
	return &Collector{source, limit, logger, descriptions{
		up:        describe("up", "1 when the target has answered this scrape, else 0."),
		duration:  describe("scrape_duration_seconds", "Time that the target took for this scrape."),
		devices:   describe("devices", "Devices that are exposed."),
		truncated: describe("devices_truncated", "1 when the target has more devices than are exposed, else 0."),
		readings:  describe("device_readings_total", "Readings of a device that are stored.", "device"),
		lastSeen:  describe("device_last_seen_timestamp_seconds", "When the latest reading of a device was measured.", "device"),
	}}
}

// scrape is what came of asking once.
type scrape struct {
	descriptions
	devices   []Device
	took      time.Duration
	up        bool
	truncated bool
}

// Scrape asks the source within ctx, and returns the metrics of that. Of a target that fails there are
// no devices: half of them would look like the end of the others.
func (c *Collector) Scrape(ctx context.Context) prometheus.Collector {
	start := time.Now()
	s := scrape{descriptions: c.descriptions}
	var failure error
	for device, err := range c.source.Devices(ctx) {
		if failure = err; err != nil {
			s.devices = nil
			break
		}
		if len(s.devices) == c.limit {
			s.truncated = true
			break
		}
		s.devices = append(s.devices, device)
	}
	s.took, s.up = time.Since(start), failure == nil
	attrs := []slog.Attr{slog.Int("devices", len(s.devices)), slog.Int64("microseconds", s.took.Microseconds())}
	if failure != nil {
		c.logger.LogAttrs(ctx, slog.LevelWarn, "scrape", append(attrs, slog.String("error", failure.Error()))...)
	} else {
		c.logger.LogAttrs(ctx, slog.LevelInfo, "scrape", attrs...)
	}
	return s
}

// Describe implements prometheus.Collector.
func (s scrape) Describe(descriptions chan<- *prometheus.Desc) {
	d := s.descriptions
	for _, description := range []*prometheus.Desc{d.up, d.duration, d.devices, d.truncated, d.readings, d.lastSeen} {
		descriptions <- description
	}
}

// Collect implements prometheus.Collector.
func (s scrape) Collect(metrics chan<- prometheus.Metric) {
	d := s.descriptions
	gauge := func(description *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, labels...)
	}
	gauge(d.up, number(s.up))
	gauge(d.duration, s.took.Seconds())
	if !s.up {
		return
	}
	gauge(d.devices, float64(len(s.devices)))
	gauge(d.truncated, number(s.truncated))
	for _, device := range s.devices {
		metrics <- prometheus.MustNewConstMetric(d.readings, prometheus.CounterValue, float64(device.Readings), device.Name)
		gauge(d.lastSeen, float64(device.LastSeen.UnixMilli())/1000, device.Name)
	}
}

func number(truth bool) float64 {
	if truth {
		return 1
	}
	return 0
}
