package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"example.com/event-worker/internal/aggregate"
)

const (
	relayEvery  = time.Second
	relayBatch  = 100
	closeEvery  = 10 * time.Second
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

// all repeats a chore until there is nothing left to do.
func (w *Worker) all(ctx context.Context, name string, do func(context.Context) (int, error)) {
	for n, done := 1, true; done && n > 0; {
		done = w.chore(ctx, name, func(ctx context.Context) (err error) {
			n, err = do(ctx)
			return err
		})
	}
}

// relay publishes windows once they have closed.
func (w *Worker) relay(ctx context.Context) {
	for pause(ctx, relayEvery) {
		w.relayAll(ctx)
	}
}

func (w *Worker) relayAll(ctx context.Context) {
	w.all(ctx, "relay closed windows", func(ctx context.Context) (int, error) {
		n, err := w.store.Relay(ctx, relayBatch, w.publish)
		w.metrics.published.Add(float64(n))
		return n, err
	})
}

// publish has half of the time of a chore: what is published by then has to be taken from the store in the other. Windows
// of one device keep their order: behind one that fails, those of its device come again with it.
func (w *Worker) publish(ctx context.Context, windows []aggregate.Window) (done []bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.settings.MessageTimeout/2)
	defer cancel()
	byDevice := make(map[string][]int)
	for i, window := range windows {
		byDevice[window.Device] = append(byDevice[window.Device], i)
	}
	done = make([]bool, len(windows))
	failures := make([]error, len(windows))
	var devices sync.WaitGroup
	for _, places := range byDevice {
		devices.Go(func() {
			for _, i := range places {
				if failures[i] = w.publishWindow(ctx, windows[i]); failures[i] != nil {
					return
				}
				done[i] = true
			}
		})
	}
	devices.Wait()
	return done, cmp.Or(failures...)
}

func (w *Worker) publishWindow(ctx context.Context, window aggregate.Window) error {
	body, err := json.Marshal(window)
	if err != nil {
		return fmt.Errorf("encode a window: %w", err)
	}
	id := window.Device + " " + window.Start.Format(time.RFC3339)
	if err := w.broker.Publish(ctx, Aggregates, window.Device, id, body); err != nil {
		return fmt.Errorf("publish a window: %w", err)
	}
	return nil
}

// closeWindows ends windows that devices have come past, also while messages wait: a backlog is worked off in the order of
// each device, and results of it can't wait for its end. It ends those of devices that fell silent as well, which it can
// tell only when no messages have waited for as long.
func (w *Worker) closeWindows(ctx context.Context) {
	for pause(ctx, closeEvery) {
		w.all(ctx, "close windows", func(ctx context.Context) (int, error) {
			return w.store.Close(ctx, aggregate.Hold)
		})
		if time.Since(*w.behind.Load()) > aggregate.Idle {
			w.all(ctx, "close idle windows", func(ctx context.Context) (int, error) {
				return w.store.CloseIdle(ctx, aggregate.Idle)
			})
		}
	}
}

// fellBehind notes that there may be messages that nobody has counted yet.
func (w *Worker) fellBehind() {
	now := time.Now()
	w.behind.Store(&now)
}

// forget lets go of windows that nobody will ask for any more.
func (w *Worker) forget(ctx context.Context) {
	for pause(ctx, forgetEvery) {
		w.all(ctx, "forget old windows", func(ctx context.Context) (int, error) {
			return w.store.Forget(ctx, time.Now().Add(-aggregate.Kept))
		})
	}
}

// watch asks at intervals what waits, so that a scrape never waits for the broker or the store.
func (w *Worker) watch(ctx context.Context) {
	for {
		w.chore(ctx, "ask for the lag", func(ctx context.Context) error {
			lag, err := w.broker.Lag(ctx)
			if err != nil || lag > int64(w.settings.MaxInFlight) {
				w.fellBehind() // more than what is in hand of one
			}
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
