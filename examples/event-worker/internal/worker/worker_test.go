package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/event-worker/internal/aggregate"
	"example.com/event-worker/internal/reading"
)

var settings = Settings{MaxInFlight: 8, Concurrency: 4, MessageTimeout: 10 * time.Second}

// gate is a store in which something may happen first.
type gate struct {
	aggregate.Store
	before func(ctx context.Context, readings []reading.Reading) error
}

func (g gate) Apply(ctx context.Context, readings []reading.Reading) (aggregate.Outcome, error) {
	if err := g.before(ctx, readings); err != nil {
		return aggregate.Outcome{}, err
	}
	return g.Store.Apply(ctx, readings)
}

// bench is a worker in a bubble of synctest, with a broker and a store in memory.
type bench struct {
	*Worker
	broker   *Memory
	store    *aggregate.Memory
	registry *prometheus.Registry
	stop     func()
	abort    func()
	done     chan int
}

func start(t *testing.T, before func(context.Context, []reading.Reading) error) *bench {
	t.Helper()
	return startWith(t, settings, before)
}

func startWith(t *testing.T, settings Settings, before func(context.Context, []reading.Reading) error) *bench {
	t.Helper()
	b := &bench{broker: NewMemory(), store: aggregate.NewMemory(10_000), registry: prometheus.NewRegistry(), done: make(chan int, 1)}
	var store aggregate.Store = b.store
	if before != nil {
		store = gate{b.store, before}
	}
	b.Worker = New(b.broker, store, settings, slog.New(slog.DiscardHandler), b.registry)
	ctx, abort := context.WithCancel(t.Context())
	stop, stopped := context.WithCancel(t.Context())
	b.abort, b.stop = abort, stopped
	t.Cleanup(abort)
	go func() { b.done <- b.Run(ctx, stop) }()
	return b
}

// drain stops the worker and expects it to have settled everything.
func (b *bench) drain(t *testing.T) {
	t.Helper()
	b.stop()
	if aborted := <-b.done; aborted != 0 {
		t.Errorf("%d messages were aborted", aborted)
	}
	if lag, _ := b.broker.Lag(t.Context()); lag != 0 {
		t.Errorf("%d messages are left", lag)
	}
}

func (b *bench) send(t *testing.T, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := b.broker.Publish(t.Context(), Readings, "", "", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *bench) count(t *testing.T) (readings int64) {
	t.Helper()
	windows, err := b.store.Windows(t.Context(), aggregate.Query{Limit: aggregate.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	for _, window := range windows {
		readings += window.Count
	}
	return readings
}

// metric is the value of a counter or gauge, of those with a label if one is given.
func (b *bench) metric(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := metric.GetLabel()
			if family.GetName() == name && (label == "" || labels[0].GetValue() == label) {
				return metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("there is no %s %s", name, label)
	return 0
}

func (b *bench) dead() (bodies []string) {
	b.broker.mu.Lock()
	defer b.broker.mu.Unlock()
	for _, body := range b.broker.others[DeadLetter] {
		bodies = append(bodies, string(body))
	}
	return bodies
}

// message holds a reading of each device.
func message(sequence int, minute int, devices ...string) string {
	var readings []string
	for _, device := range devices {
		readings = append(readings, measured(sequence, minute, device))
	}
	return messageOf(readings)
}

func messageOf(readings []string) string {
	return `{"readings":[` + strings.Join(readings, ",") + `]}`
}

func measured(sequence int, minute int, device string) string {
	at := time.Date(2026, 11, 18, 12, minute, 0, 0, time.UTC).Format(time.RFC3339)
	return fmt.Sprintf(`{"device":%q,"epoch":1,"sequence":%d,"measured_at":%q,"value":1}`, device, sequence, at)
}

func of(device string, readings []reading.Reading) bool {
	return slices.ContainsFunc(readings, func(r reading.Reading) bool { return r.Device == device })
}

func TestReadingsAreCountedOnceHoweverOftenTheyCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		for i := range 100 {
			b.send(t, message(i+1, 0, "a", "b", "c"), message(i+1, 0, "b", "c", "d"))
		}
		b.drain(t)
		if got := b.count(t); got != 400 {
			t.Errorf("%d readings were counted", got)
		}
		if got := b.metric(t, "readings_total", "duplicate"); got != 200 {
			t.Errorf("%v were duplicates", got)
		}
	})
}

func TestReadingsOfAMessageMayBeOfDevicesInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		var readings []string
		for i := range 50 {
			for _, device := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
				readings = append(readings, measured(i+1, 0, device))
			}
		}
		b.send(t, messageOf(readings))
		b.drain(t)
		windows, err := b.store.Windows(t.Context(), aggregate.Query{Limit: aggregate.MaxPage})
		if err != nil || len(windows) != 8 {
			t.Fatalf("got %d windows, %v", len(windows), err)
		}
		for _, window := range windows {
			if window.Count != 50 {
				t.Errorf("%s has %d readings", window.Device, window.Count)
			}
		}
	})
}

func TestReadingsOfADeviceKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		last := map[string]int64{}
		b := start(t, func(_ context.Context, readings []reading.Reading) error {
			mu.Lock()
			defer mu.Unlock()
			for _, r := range readings {
				if r.Sequence != last[r.Device]+1 {
					t.Errorf("%s: %d follows %d", r.Device, r.Sequence, last[r.Device])
				}
				last[r.Device] = r.Sequence
			}
			return nil
		})
		for i := range 200 {
			b.send(t, message(i+1, 0, "a", "b", "c", "d", "e"))
		}
		b.drain(t)
		if got := b.count(t); got != 1000 {
			t.Errorf("%d readings are counted", got)
		}
	})
}

func TestPoisonGoesToTheDeadLettersAndBlocksNobody(t *testing.T) {
	for name, test := range map[string]struct {
		poison string
		before func(context.Context, []reading.Reading) error
	}{
		"no JSON":      {poison: `{"readings":`},
		"wrong schema": {poison: `{"readings":[{"device":"bad"}]}`},
		"panic": {poison: message(1, 0, "bad"), before: func(_ context.Context, readings []reading.Reading) error {
			if of("bad", readings) {
				panic("of the handler")
			}
			return nil
		}},
		"error": {poison: message(1, 0, "bad", "a"), before: func(_ context.Context, readings []reading.Reading) error {
			if of("bad", readings) {
				return errors.New("never heard of it")
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, test.before)
				b.send(t, test.poison)
				for i := range 20 {
					b.send(t, message(i+1, 0, "a"))
				}
				synctest.Wait()
				if got := b.count(t); got != 20 || len(b.dead()) > 0 {
					t.Errorf("before any time has passed %d readings are counted, and dead are %q", got, b.dead())
				}
				b.drain(t)
				if got := b.count(t); got != 20 {
					t.Errorf("%d readings are counted", got)
				}
				dead := b.dead()
				if len(dead) != 1 || !strings.Contains(strings.ReplaceAll(dead[0], `\`, ""), test.poison) {
					t.Errorf("dead letters are %q", dead)
				}
				if got := b.metric(t, "messaging_retries_total", ""); got != Tries-1 {
					t.Errorf("tried %v times more", got)
				}
			})
		})
	}
}

func TestMessageThatSucceedsInTheEndIsNoDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failures atomic.Int32
		b := start(t, func(context.Context, []reading.Reading) error {
			if failures.Add(1) < Tries {
				return errors.New("not yet")
			}
			return nil
		})
		b.send(t, message(1, 0, "a"))
		b.drain(t)
		if got := b.count(t); got != 1 || len(b.dead()) > 0 {
			t.Errorf("%d readings are counted, and dead are %q", got, b.dead())
		}
	})
}

func TestWindowsArePublishedWhenTheyHaveClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		b.send(t, message(1, 0, "a"), message(2, 30, "a"))
		time.Sleep(aggregate.Hold)
		b.wantPublished(t)
		time.Sleep(3 * closeEvery)
		synctest.Wait()
		b.wantPublished(t, `{"device":"a","start":"2026-11-18T12:00:00.000Z","count":1,"min":1,"max":1,"mean":1,"last":1,"closed":true}`)
		// Nothing comes from it any more.
		time.Sleep(aggregate.Idle)
		synctest.Wait()
		b.wantPublished(t, `"start":"2026-11-18T12:00:00.000Z"`, `"start":"2026-11-18T12:30:00.000Z"`)
		b.drain(t)
	})
}

func (b *bench) wantPublished(t *testing.T, want ...string) {
	t.Helper()
	b.broker.mu.Lock()
	defer b.broker.mu.Unlock()
	published := b.broker.others[Aggregates]
	if len(published) != len(want) {
		t.Fatalf("published %s", published)
	}
	for i, text := range want {
		if !bytes.Contains(published[i], []byte(text)) {
			t.Errorf("published %s, want %s", published[i], text)
		}
	}
}

func TestWindowsThatCloseWhileItDrainsArePublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		b.send(t, message(1, 0, "a"), message(2, 30, "a"))
		b.drain(t)
		b.wantPublished(t, `"start":"2026-11-18T12:00:00.000Z"`)
	})
}

func TestBackoffDoublesWithinBounds(t *testing.T) {
	for failures, milliseconds := range []int64{200, 400, 800, 1600, 3200, 5000, 5000} {
		longest := time.Duration(milliseconds) * time.Millisecond
		for range 100 {
			if got := backoff(failures); got < longest/2 || got >= longest {
				t.Errorf("after %d failures it is %v", failures, got)
			}
		}
	}
	if got := backoff(1 << 30); got > longestPause {
		t.Errorf("in the end it is %v", got)
	}
}
