package worker

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"example.com/event-worker/internal/aggregate"
	"example.com/event-worker/internal/reading"
)

const (
	// Tries is how often a message is tried before it goes to the dead letters.
	Tries = 5

	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

// What becomes of a message.
const (
	outcomeDone       = "done"
	outcomeDeadLetter = "dead_letter"
	outcomeAborted    = "aborted"
)

// backoff doubles from one failure to the next. Half of it is by chance, so that those that failed together don't come
// back together.
func backoff(failures int) time.Duration {
	whole := min(firstPause<<min(failures, 10), longestPause)
	return whole/2 + rand.N(whole/2) //nolint:gosec // nobody gains by guessing it
}

// count puts readings into the store. It waits for as long as it takes until that is available: this says nothing
// against a message. Only parts that are together may be too much for it.
func (w *Worker) count(ctx context.Context, parts [][]reading.Reading) error {
	readings := parts[0]
	if len(parts) > 1 {
		readings = slices.Concat(parts...)
	}
	for failures := 0; ; failures++ {
		err := w.guard(func() error {
			ctx, cancel := context.WithTimeout(ctx, w.settings.MessageTimeout)
			defer cancel()
			outcome, err := w.store.Apply(ctx, readings)
			w.metrics.count(outcome)
			return err
		})
		slow := errors.Is(err, context.DeadlineExceeded)
		if !slow && !errors.Is(err, aggregate.ErrAway) {
			return err
		}
		w.fellBehind()
		if slow && len(parts) > 1 {
			return err
		}
		w.logger.LogAttrs(ctx, slog.LevelWarn, "the store is unavailable", slog.String("error", err.Error()))
		if !pause(ctx, backoff(failures)) {
			return err
		}
	}
}

// retry tries a message again, beside the others, until it succeeds or is out of tries.
func (w *Worker) retry(ctx context.Context, j *job, cause error) {
	w.retries.Go(func() {
		for try := 1; try < Tries && pause(ctx, backoff(try-1)); try++ {
			w.metrics.retries.Inc()
			if cause = w.again(ctx, j); cause == nil {
				w.settle(ctx, j, outcomeDone)
				return
			}
		}
		if ctx.Err() == nil {
			w.bury(ctx, j, cause)
		}
		if ctx.Err() != nil {
			w.settle(ctx, j, outcomeAborted)
			return
		}
		w.settle(ctx, j, outcomeDeadLetter)
	})
}

// again does at once all that a message takes, when it is its turn. Readings that were counted before are duplicates now.
func (w *Worker) again(ctx context.Context, j *job) error {
	return w.guard(func() error {
		batch, err := reading.Decode(j.message.Body())
		if err != nil {
			return err
		}
		select {
		case w.turns <- struct{}{}:
			defer func() { <-w.turns }()
		case <-ctx.Done():
			return ctx.Err()
		}
		return w.count(ctx, [][]reading.Reading{batch})
	})
}

// bury publishes a message to the dead letters, however long the broker takes for it.
func (w *Worker) bury(ctx context.Context, j *job, cause error) {
	w.logger.LogAttrs(ctx, slog.LevelError, "dead letter",
		slog.String("error", cause.Error()), slog.Int("bytes", len(j.message.Body())))
	for failures := 0; ; failures++ {
		err := w.broker.Publish(ctx, DeadLetter, "", "", j.message.Body())
		if err == nil {
			return
		}
		w.logger.LogAttrs(ctx, slog.LevelWarn, "publish a dead letter", slog.String("error", err.Error()))
		if !pause(ctx, backoff(failures)) {
			return
		}
	}
}

// settle tells the broker what became of a message. One that it did not hear of comes again, as duplicates.
func (w *Worker) settle(ctx context.Context, j *job, outcome string) {
	tell := j.message.Ack
	if outcome == outcomeAborted {
		tell = j.message.Nak
	}
	if err := tell(); err != nil {
		w.logger.LogAttrs(ctx, slog.LevelWarn, "settle a message", slog.String("error", err.Error()))
	}
	w.metrics.settled(outcome, time.Since(j.since))
	<-w.slots
}
