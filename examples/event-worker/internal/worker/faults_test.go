package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/event-worker/internal/aggregate"
	"example.com/event-worker/internal/reading"
)

func TestStoreThatIsAwayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(time.Hour)
		b := start(t, func(ctx context.Context, _ [][]reading.Reading) error {
			switch {
			case time.Now().After(back):
				return nil
			case time.Until(back) > time.Hour/2:
				return fmt.Errorf("%w: no route", aggregate.ErrAway)
			default: // the network swallows everything
				<-ctx.Done()
				return ctx.Err()
			}
		})
		for i := range 50 {
			b.send(t, message(i+1, 0, "a", "b"))
		}
		synctest.Wait()
		if got := len(b.slots); got != settings.MaxInFlight {
			t.Errorf("%d messages are in hand", got)
		}
		b.drain(t)
		if got := b.count(t); got != 100 || len(b.dead()) > 0 || time.Now().Before(back) {
			t.Errorf("%d readings are counted, and dead are %q", got, b.dead())
		}
	})
}

func TestWhatIsNotDoneInTimeIsHandedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, func(ctx context.Context, _ [][]reading.Reading) error { return aggregate.ErrAway })
		b.send(t, message(1, 0, "a"), message(2, 0, "b"), "poison")
		synctest.Wait()
		b.stop()
		synctest.Wait()
		b.abort()
		if aborted := <-b.done; aborted != 3 {
			t.Errorf("%d messages were aborted", aborted)
		}
		messages, err := b.broker.Fetch(t.Context(), 10)
		if err != nil || len(messages) != 3 {
			t.Errorf("%d messages are delivered again, %v", len(messages), err)
		}
	})
}

// flaky is a broker that fails at times.
type flaky struct {
	Broker
	broken atomic.Bool
}

var errAway = errors.New("the broker is away")

func (f *flaky) Fetch(ctx context.Context, limit int) ([]Message, error) {
	if f.broken.Load() {
		return nil, errAway
	}
	return f.Broker.Fetch(ctx, limit)
}

func (f *flaky) Publish(ctx context.Context, subject, key, id string, body []byte) error {
	if f.broken.Load() {
		return errAway
	}
	return f.Broker.Publish(ctx, subject, key, id, body)
}

func (f *flaky) Lag(ctx context.Context) (int64, error) {
	if f.broken.Load() {
		return 0, errAway
	}
	return f.Broker.Lag(ctx)
}

func TestBrokerThatIsAwayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := NewMemory()
		broker := &flaky{Broker: memory}
		store := aggregate.NewMemory(100)
		registry := prometheus.NewRegistry()
		w := New(broker, store, settings, slog.New(slog.DiscardHandler), registry)
		stop, stopped := context.WithCancel(t.Context())
		done := make(chan int)
		go func() { done <- w.Run(t.Context(), stop) }()
		b := &bench{Worker: w, broker: memory, store: store, registry: registry, stop: stopped, done: done}
		b.send(t, message(1, 0, "a"), message(2, 30, "a"), "poison")
		synctest.Wait()
		broker.broken.Store(true)
		time.Sleep(time.Minute)
		if len(memory.others) > 0 {
			t.Errorf("published %s", memory.others)
		}
		broker.broken.Store(false)
		time.Sleep(2 * longestPause)
		b.send(t, message(3, 30, "a"))
		time.Sleep(2 * longestPause)
		if got := b.metric(t, "messaging_lag_messages", ""); got != 0 {
			t.Errorf("lag is %v", got)
		}
		b.drain(t)
		b.wantPublished(t, `"start":"2026-11-18T12:00:00.000Z"`)
		if len(b.dead()) != 1 || b.count(t) != 3 {
			t.Errorf("%d readings are counted, and dead are %q", b.count(t), b.dead())
		}
	})
}
