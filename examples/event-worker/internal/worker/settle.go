package worker

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"example.com/event-worker/internal/aggregate"
	"example.com/event-worker/internal/reading"
)

const (
	// Tries is how often a message is tried before it goes to the dead letters.
	Tries = 5

	// noteBytes is how much of an error is in a note.
	noteBytes = 200

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

// note is the dead letter of a message that is too large to be one.
type note struct {
	Origin  string `json:"origin"`
	Bytes   int    `json:"bytes"`
	Error   string `json:"error"`   // why the message was given up
	Refused string `json:"refused"` // why it is not here itself
}

// bury publishes a message to the dead letters, or a note of it where the broker takes none as large.
func (w *Worker) bury(ctx context.Context, j *job, cause error) {
	body, origin := j.message.Body(), j.message.Origin()
	w.logger.LogAttrs(ctx, slog.LevelError, "dead letter",
		slog.String("error", cause.Error()), slog.String("origin", origin), slog.Int("bytes", len(body)))
	refusal := w.publishLetter(ctx, body)
	if !errors.Is(refusal, ErrTooLarge) {
		return
	}
	w.metrics.notes.Inc()
	w.logger.LogAttrs(ctx, slog.LevelError, "dead letter without its body",
		slog.String("error", refusal.Error()), slog.String("origin", origin), slog.Int("bytes", len(body)))
	letter, _ := json.Marshal(note{origin, len(body), brief(cause), brief(refusal)})
	if err := w.publishLetter(ctx, letter); err != nil && ctx.Err() == nil {
		w.logger.LogAttrs(ctx, slog.LevelError, "dead letter without a note",
			slog.String("error", err.Error()), slog.String("origin", origin))
	}
}

// publishLetter takes as long as the broker does, unless that will never take the letter.
func (w *Worker) publishLetter(ctx context.Context, body []byte) error {
	for failures := 0; ; failures++ {
		err := w.broker.Publish(ctx, DeadLetter, "", "", body)
		if err == nil || errors.Is(err, ErrTooLarge) {
			return err
		}
		w.logger.LogAttrs(ctx, slog.LevelWarn, "publish a dead letter", slog.String("error", err.Error()))
		if !pause(ctx, backoff(failures)) {
			return err
		}
	}
}

// brief is what fits into a note of an error, which may quote a message or have a stack.
func brief(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line[:min(len(line), noteBytes)]
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
