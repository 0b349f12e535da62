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
	relayEvery = time.Second
	relayBatch = 100
	idleEvery  = time.Minute
	lagEvery   = 5 * time.Second
)

// relay publishes windows once they have closed.
func (w *Worker) relay(ctx context.Context) {
	for pause(ctx, relayEvery) {
		w.relayAll(ctx)
	}
}

func (w *Worker) relayAll(ctx context.Context) {
	for {
		n, err := w.store.Relay(ctx, relayBatch, w.publish)
		if err != nil && ctx.Err() == nil {
			w.logger.LogAttrs(ctx, slog.LevelWarn, "relay closed windows", slog.String("error", err.Error()))
		}
		if err != nil || n == 0 {
			return
		}
		w.metrics.published.Add(float64(n))
	}
}

func (w *Worker) publish(ctx context.Context, windows []aggregate.Window) error {
	ctx, cancel := context.WithTimeout(ctx, w.settings.MessageTimeout)
	defer cancel()
	for _, window := range windows {
		body, err := json.Marshal(window)
		if err != nil {
			return fmt.Errorf("encode a window: %w", err)
		}
		if err := w.broker.Publish(ctx, Aggregates, window.Device, body); err != nil {
			return fmt.Errorf("publish a window: %w", err)
		}
	}
	return nil
}

// closeIdle ends the windows of devices that fell silent. A process that has just started does not know yet what they
// have sent while there was none.
func (w *Worker) closeIdle(ctx context.Context) {
	for start := time.Now(); pause(ctx, idleEvery); {
		since := time.Now().Add(-aggregate.Idle)
		if since.Before(start) {
			continue
		}
		if err := w.store.CloseIdle(ctx, since); err != nil && ctx.Err() == nil {
			w.logger.LogAttrs(ctx, slog.LevelWarn, "close idle windows", slog.String("error", err.Error()))
		}
	}
}

// watchLag asks at intervals, so that a scrape never waits for the broker.
func (w *Worker) watchLag(ctx context.Context) {
	for {
		lag, err := w.broker.Lag(ctx)
		if err == nil {
			w.metrics.lag.Set(float64(lag))
		} else if ctx.Err() == nil {
			w.logger.LogAttrs(ctx, slog.LevelWarn, "ask for the lag", slog.String("error", err.Error()))
		}
		if !pause(ctx, lagEvery) {
			return
		}
	}
}
