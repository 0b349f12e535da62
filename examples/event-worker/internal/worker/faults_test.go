package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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
		b := start(t, func(ctx context.Context, _ []reading.Reading) error {
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

// What a device has sent may wait behind others, or for the store: that nothing was counted does not mean that it is idle.
func TestDevicesAreNotIdleWhileMessagesWait(t *testing.T) {
	for name, test := range map[string]struct {
		others int
		before func(waited time.Duration, readings []reading.Reading) error
	}{
		"for the store": {before: func(waited time.Duration, _ []reading.Reading) error {
			if waited > 0 && waited < 2*aggregate.Idle {
				return aggregate.ErrAway
			}
			return nil
		}},
		"behind others": {
			others: 2 * int(aggregate.Idle/settings.MessageTimeout) * settings.MaxInFlight,
			before: func(_ time.Duration, readings []reading.Reading) error {
				if of("b", readings) {
					time.Sleep(settings.MessageTimeout / 2)
				}
				return nil
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				since := time.Now()
				b := start(t, func(_ context.Context, readings []reading.Reading) error {
					return test.before(time.Since(since), readings)
				})
				b.send(t, message(1, 0, "a"))
				time.Sleep(time.Second)
				for i := range test.others {
					b.send(t, message(i+1, 0, "b"))
				}
				b.send(t, message(2, 0, "a"))
				b.drain(t)
				if waited := time.Since(since); waited < aggregate.Idle || b.metric(t, "readings_total", "late") != 0 {
					t.Errorf("%v readings are late, after %v", b.metric(t, "readings_total", "late"), waited)
				}
			})
		})
	}
}

func TestBatchThatIsTooMuchForTheStoreIsSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var most atomic.Int64
		b := start(t, func(ctx context.Context, readings []reading.Reading) error {
			most.Store(max(most.Load(), int64(len(readings))))
			if len(readings) > 1000 {
				<-ctx.Done()
				return ctx.Err()
			}
			time.Sleep(time.Second) // so that others gather
			return nil
		})
		for i := range settings.MaxInFlight {
			readings := make([]string, 1000)
			for n := range readings {
				readings[n] = measured(1000*i+n+1, 0, "a")
			}
			b.send(t, messageOf(readings))
		}
		time.Sleep(time.Hour)
		if got := b.count(t); got != 8000 || len(b.dead()) > 0 {
			t.Errorf("%d readings are counted, and dead are %d", got, len(b.dead()))
		}
		if got := most.Load(); got <= 1000 || got > readingsAtOnce {
			t.Errorf("up to %d readings were stored at once", got)
		}
		b.stop()
		b.abort()
		<-b.done
	})
}

func TestFewMessagesAreTriedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		b := startWith(t, Settings{MaxInFlight: 50, Concurrency: 2, MessageTimeout: 10 * time.Second},
			func(context.Context, []reading.Reading) error {
				most.Store(max(most.Load(), now.Add(1)))
				defer now.Add(-1)
				time.Sleep(time.Second)
				return errors.New("never heard of it")
			})
		for i := range 50 {
			b.send(t, message(i+1, 0, "a", "b"))
		}
		b.drain(t)
		if got := most.Load(); got > 4 || len(b.dead()) != 50 {
			t.Errorf("%d transactions ran at once, and dead are %d", got, len(b.dead()))
		}
	})
}

func TestWhatIsNotDoneInTimeIsHandedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, func(ctx context.Context, _ []reading.Reading) error { return aggregate.ErrAway })
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

// flaky is a broker that fails at times, takes long, takes nothing large, or has a backlog.
type flaky struct {
	Broker
	broken  atomic.Bool
	slow    time.Duration
	largest int // if there is a bound
	backlog int64
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
	if f.largest > 0 && len(body) > f.largest {
		return fmt.Errorf("%w: at most %d", ErrTooLarge, f.largest)
	}
	if !pause(ctx, f.slow) {
		return ctx.Err()
	}
	return f.Broker.Publish(ctx, subject, key, id, body)
}

func (f *flaky) Lag(ctx context.Context) (int64, error) {
	if f.broken.Load() {
		return 0, errAway
	}
	lag, err := f.Broker.Lag(ctx)
	return lag + f.backlog, err
}

// strict is a store that notes nothing once its time is over, as one that is elsewhere.
type strict struct{ *aggregate.Memory }

func (s strict) Relay(ctx context.Context, limit int, publish func(context.Context, []aggregate.Window) ([]bool, error)) (int, error) {
	return s.Memory.Relay(ctx, limit, func(within context.Context, windows []aggregate.Window) ([]bool, error) {
		done, err := publish(within, windows)
		if ctx.Err() != nil {
			return make([]bool, len(windows)), ctx.Err()
		}
		return done, err
	})
}

// startOver starts a worker with a flaky broker, over one in memory.
func startOver(t *testing.T, broker *flaky) *bench {
	t.Helper()
	store, registry := aggregate.NewMemory(1000), prometheus.NewRegistry()
	w := New(broker, strict{store}, settings, slog.New(slog.DiscardHandler), registry)
	stop, stopped := context.WithCancel(t.Context())
	done := make(chan int)
	go func() { done <- w.Run(t.Context(), stop) }()
	return &bench{Worker: w, broker: broker.Broker.(*Memory), store: store, registry: registry, stop: stopped, done: done}
}

func TestBrokerThatIsSlowGetsEachWindowOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startOver(t, &flaky{Broker: NewMemory(), slow: settings.MessageTimeout / 4})
		for minute := range 20 {
			b.send(t, message(minute+1, minute, "a"))
		}
		time.Sleep(aggregate.Hold + 5*time.Minute)
		b.drain(t)
		b.broker.mu.Lock()
		defer b.broker.mu.Unlock()
		if published := b.broker.others[Aggregates]; len(published) != 9 {
			t.Errorf("published %s", published)
		}
	})
}

func TestBrokerThatIsAwayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := &flaky{Broker: NewMemory()}
		b := startOver(t, broker)
		b.send(t, message(1, 0, "a"), message(2, 30, "a"), "poison")
		synctest.Wait()
		broker.broken.Store(true)
		time.Sleep(aggregate.Hold + 3*closeEvery)
		if len(b.broker.others) > 0 {
			t.Errorf("published %s", b.broker.others)
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

func TestDeadLetterThatIsTooLargeIsANote(t *testing.T) {
	for name, test := range map[string]struct {
		largest int
		notes   []string
	}{
		"that is kept":          {1000, []string{`{"origin":"memory","bytes":6000,"error":"`}},
		"that is too large too": {10, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := startOver(t, &flaky{Broker: NewMemory(), largest: test.largest})
				b.send(t, strings.Repeat("poison", 1000))
				time.Sleep(time.Minute)
				synctest.Wait()
				if lag, _ := b.broker.Lag(t.Context()); lag != 0 {
					t.Fatal("it is never settled")
				}
				b.drain(t)
				if b.metric(t, "messaging_notes_total", "") != 1 {
					t.Error("it is not told")
				}
				dead := b.dead()
				if len(dead) != len(test.notes) {
					t.Fatalf("dead letters are %q", dead)
				}
				for i, note := range test.notes {
					if !strings.HasPrefix(dead[i], note) || !strings.HasSuffix(dead[i], `,"refused":"message is too large for the broker: at most 1000"}`) {
						t.Errorf("dead letters are %q", dead)
					}
				}
			})
		})
	}
}

func TestNotesAreShort(t *testing.T) {
	for text, want := range map[string]int{"panic\nstack": len("panic"), strings.Repeat("long", 100): noteBytes} {
		if got := brief(errors.New(text)); len(got) != want || !strings.HasPrefix(text, got) {
			t.Errorf("got %q", got)
		}
	}
}

// What waits for messages would wait for ever where as many come as are counted. Silence says nothing then.
func TestBacklogHoldsOnlyIdleWindowsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startOver(t, &flaky{Broker: NewMemory(), backlog: 1000})
		b.send(t, message(1, 0, "a"), message(2, 30, "a"))
		time.Sleep(aggregate.Hold + 3*closeEvery)
		synctest.Wait()
		b.wantPublished(t, `"start":"2026-11-18T12:00:00.000Z"`)
		time.Sleep(2 * aggregate.Idle)
		synctest.Wait()
		b.wantPublished(t, `"start":"2026-11-18T12:00:00.000Z"`)
		b.drain(t)
	})
}
