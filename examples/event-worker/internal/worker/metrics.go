package worker

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/event-worker/internal/aggregate"
)

type metrics struct {
	duration  *prometheus.HistogramVec
	readings  *prometheus.CounterVec
	retries   prometheus.Counter
	panics    prometheus.Counter
	notes     prometheus.Counter
	published prometheus.Counter
	lag       prometheus.Gauge
	waiting   prometheus.Gauge
	longest   prometheus.Gauge

	done, deadLetters, aborted atomic.Int64
}

func newMetrics(registry prometheus.Registerer, inFlight func() float64) *metrics {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "messaging_process_duration_seconds",
			Help:    "Time from the delivery of a message to its settlement, by what became of it.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"outcome"}),
		readings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "readings_total", Help: "Readings by what became of them.",
		}, []string{"outcome"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "messaging_retries_total", Help: "Tries of messages that had failed before.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "messaging_panics_total", Help: "Panics while a message was dealt with.",
		}),
		notes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "messaging_notes_total", Help: "Dead letters that were too large: a note is in the place of each.",
		}),
		published: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "windows_published_total", Help: "Closed windows that were published.",
		}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "messaging_lag_messages", Help: "Messages that the broker holds for this service, some seconds ago.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "outbox_windows", Help: "Closed windows that wait to be published, some seconds ago.",
		}),
		longest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "outbox_age_seconds", Help: "Time that the first of these has waited.",
		}),
	}
	hand := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "messaging_in_flight_messages", Help: "Messages in hand.",
	}, inFlight)
	registry.MustRegister(m.duration, m.readings, m.retries, m.panics, m.notes, m.published, m.lag, m.waiting, m.longest, hand)
	for _, outcome := range []string{outcomeDone, outcomeDeadLetter, outcomeAborted} {
		m.duration.WithLabelValues(outcome)
	}
	m.count(aggregate.Outcome{})
	return m
}

func (m *metrics) count(o aggregate.Outcome) {
	m.readings.WithLabelValues("added").Add(float64(o.Added))
	m.readings.WithLabelValues("duplicate").Add(float64(o.Duplicates))
	m.readings.WithLabelValues("late").Add(float64(o.Late))
}

func (m *metrics) settled(outcome string, took time.Duration) {
	m.duration.WithLabelValues(outcome).Observe(took.Seconds())
	switch outcome {
	case outcomeDone:
		m.done.Add(1)
	case outcomeDeadLetter:
		m.deadLetters.Add(1)
	case outcomeAborted:
		m.aborted.Add(1)
	}
}
