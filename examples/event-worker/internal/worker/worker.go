// Package worker takes messages from a broker, has their readings counted, and gives each message back only when that
// is done. It is a pipeline of goroutines and channels, each of them owned and waited for:
//
//	intake -> decoders -> router -> shards -> settle
//
// Readings of one device go through one shard, in the order in which their messages came.
package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/event-worker/internal/aggregate"
)

// Where messages come from, where closed windows go, and where messages go that nobody can use.
const (
	Readings   = "telemetry.readings"
	Aggregates = "telemetry.aggregates"
	DeadLetter = "telemetry.readings.dlq"
)

// ErrTooLarge says that no waiting helps: a broker takes no message of that size.
var ErrTooLarge = errors.New("message is too large for the broker")

// Broker holds messages until they are settled, and hands out again those that are not.
type Broker interface {
	// Fetch waits for messages and returns up to limit of them. Once ctx is done it returns only what would end with
	// this process, without waiting, and then nothing.
	Fetch(ctx context.Context, limit int) ([]Message, error)
	// Publish returns once the broker has the message. Those with one key keep their order. By its id, where it has one,
	// a broker can tell that a message is there already. ErrTooLarge is of one that the broker will never take.
	Publish(ctx context.Context, subject, key, id string, body []byte) error
	// Lag is how many messages nobody has settled.
	Lag(ctx context.Context) (int64, error)
}

// Message is one delivery. It is settled once.
type Message interface {
	Body() []byte
	// Origin says where the broker keeps it, for whoever looks for it there.
	Origin() string
	// Ack says that it was dealt with, without waiting until the broker has heard of it.
	Ack() error
	// Nak hands it back in the same way, to be delivered again.
	Nak() error
}

// Settings say how much is done at once, and for how long.
type Settings struct {
	// MaxInFlight is how many messages are in hand.
	MaxInFlight int
	// Concurrency is how many of them are decoded, how many batches applied, and how many messages tried again, at once.
	Concurrency int
	// MessageTimeout is how long a try may take.
	MessageTimeout time.Duration
}

// Worker counts the readings of messages.
type Worker struct {
	broker   Broker
	store    aggregate.Store
	settings Settings
	logger   *slog.Logger
	metrics  *metrics

	slots   chan struct{} // one for each message in hand
	turns   chan struct{} // one for each message that is tried again just now
	retries sync.WaitGroup
	behind  atomic.Pointer[time.Time] // when messages last waited, or may have
}

// New makes a worker that does nothing yet.
func New(broker Broker, store aggregate.Store, settings Settings, logger *slog.Logger, registry prometheus.Registerer) *Worker {
	w := &Worker{
		broker:   broker,
		store:    store,
		settings: settings,
		logger:   logger,
		slots:    make(chan struct{}, settings.MaxInFlight),
		turns:    make(chan struct{}, settings.Concurrency),
	}
	w.fellBehind()
	w.metrics = newMetrics(registry, func() float64 { return float64(len(w.slots)) })
	return w
}

// Run works until stop is done, then deals with what is in hand. When ctx is done it hands the rest back. It returns
// how many messages those were.
func (w *Worker) Run(ctx, stop context.Context) (aborted int) {
	beside, cancel := context.WithCancel(ctx)
	var chores sync.WaitGroup
	chores.Go(func() { w.relay(beside) })
	chores.Go(func() { w.closeWindows(beside) })
	chores.Go(func() { w.forget(beside) })
	chores.Go(func() { w.watch(beside) })
	w.pipeline(ctx, stop)
	w.retries.Wait()
	cancel()
	chores.Wait()
	if w.chore(ctx, "close the last windows", w.store.Finish) {
		w.relayAll(ctx)
	}
	aborted = int(w.metrics.aborted.Load())
	w.logger.LogAttrs(ctx, slog.LevelInfo, "settled",
		slog.Int64("done", w.metrics.done.Load()),
		slog.Int64("dead_letters", w.metrics.deadLetters.Load()),
		slog.Int("aborted", aborted))
	return aborted
}

// pause waits for a time, unless ctx is done before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
