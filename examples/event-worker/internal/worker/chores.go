package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"example.com/event-worker/internal/aggregate"
)

const (
	relayEvery  = time.Second
	relayBatch  = 100
	idleEvery   = time.Minute
	forgetEvery = time.Hour
	watchEvery  = 5 * time.Second
)

// chore does what can wait for its next turn when it fails. It has as long as a try of a message.
func (w *Worker) chore(ctx context.Context, name string, do func(context.Context) error) (done bool) {
	bounded, cancel := context.WithTimeout(ctx, w.settings.MessageTimeout)
	defer cancel()
	err := do(bounded)
	if err != nil && ctx.Err() == nil {
		w.logger.LogAttrs(ctx, slog.LevelWarn, name, slog.String("error", err.Error()))
	}
	return err == nil
}

// relay publishes windows once they have closed.
func (w *Worker) relay(ctx context.Context) {
	for pause(ctx, relayEvery) {
		w.relayAll(ctx)
	}
}

func (w *Worker) relayAll(ctx context.Context) {
	for {
		var n int
		done := w.chore(ctx, "relay closed windows", func(ctx context.Context) (err error) {
			n, err = w.store.Relay(ctx, relayBatch, w.publish)
			return err
		})
		if !done || n == 0 {
			return
		}
		w.metrics.published.Add(float64(n))
	}
}

func (w *Worker) publish(ctx context.Context, windows []aggregate.Window) error {
	for _, window := range windows {
		body, err := json.Marshal(window)
		if err != nil {
			return fmt.Errorf("encode a window: %w", err)
		}
		id := window.Device + " " + window.Start.Format(time.RFC3339)
		if err := w.broker.Publish(ctx, Aggregates, window.Device, id, body); err != nil {
			return fmt.Errorf("publish a window: %w", err)
		}
	}
	return nil
}

// closeIdle ends the windows of devices that fell silent. A process that has just started does not know yet what they
// have sent while there was none.
func (w *Worker) closeIdle(ctx context.Context) {
	for start := time.Now(); pause(ctx, idleEvery); {
		if since := time.Now().Add(-aggregate.Idle); since.After(start) {
			w.chore(ctx, "close idle windows", func(ctx context.Context) error { return w.store.CloseIdle(ctx, since) })
		}
	}
}

// forget lets go of windows that nobody will ask for any more.
func (w *Worker) forget(ctx context.Context) {
	for pause(ctx, forgetEvery) {
		w.chore(ctx, "forget old windows", func(ctx context.Context) error {
			return w.store.Forget(ctx, time.Now().Add(-aggregate.Kept))
		})
	}
}

// watch asks at intervals what waits, so that a scrape never waits for the broker or the store.
func (w *Worker) watch(ctx context.Context) {
	for {
		w.chore(ctx, "ask for the lag", func(ctx context.Context) error {
			lag, err := w.broker.Lag(ctx)
			if err == nil {
				w.metrics.lag.Set(float64(lag))
			}
			return err
		})
		w.chore(ctx, "ask what waits to be published", func(ctx context.Context) error {
			windows, longest, err := w.store.Waiting(ctx)
			if err == nil {
				w.metrics.waiting.Set(float64(windows))
				w.metrics.longest.Set(longest.Seconds())
			}
			return err
		})
		if !pause(ctx, watchEvery) {
			return
		}
	}
}
