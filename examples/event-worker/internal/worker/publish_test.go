package worker

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/event-worker/internal/aggregate"
	"example.com/event-worker/internal/reading"
)

const takes = time.Second

var errRefused = errors.New("refused")

// distant is a broker that takes its time, and refuses one window.
type distant struct {
	Broker
	refused string
	mu      sync.Mutex
	ids     []string
}

func (d *distant) Publish(ctx context.Context, _, _, id string, _ []byte) error {
	if !pause(ctx, takes) {
		return ctx.Err()
	}
	if id == d.refused {
		return errRefused
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ids = append(d.ids, id)
	return nil
}

// windowsOf gives one for each device, a minute after the one before it.
func windowsOf(devices ...string) (windows []aggregate.Window) {
	for i, device := range devices {
		start := time.Date(2026, 11, 18, 12, i, 0, 0, time.UTC)
		windows = append(windows, aggregate.Window{Device: device, Start: reading.Time{Time: start}})
	}
	return windows
}

func publishOver(broker Broker) *Worker {
	return New(broker, nil, settings, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func TestWindowsOfOneDeviceWaitForEachOtherAndForNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker, began := &distant{}, time.Now()
		done, err := publishOver(broker).publish(t.Context(), windowsOf("a", "b", "a", "c", "a"))
		if !slices.Equal(done, []bool{true, true, true, true, true}) || err != nil || time.Since(began) != 3*takes {
			t.Errorf("published are %v, %v, in %v", done, err, time.Since(began))
		}
		ofA := slices.DeleteFunc(broker.ids, func(id string) bool { return id[0] != 'a' })
		if !slices.IsSorted(ofA) || len(ofA) != 3 {
			t.Errorf("published in this order: %q", ofA)
		}
	})
}

func TestOnlyADeviceWhoseWindowIsRefusedStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := &distant{refused: "a 2026-11-18T12:02:00Z"}
		done, err := publishOver(broker).publish(t.Context(), windowsOf("a", "b", "a", "c", "a"))
		if !slices.Equal(done, []bool{true, true, false, true, false}) || !errors.Is(err, errRefused) {
			t.Errorf("published are %v, %v", done, err)
		}
		if slices.Contains(broker.ids, "a 2026-11-18T12:04:00Z") {
			t.Error("a window is published before one that its device had earlier")
		}
	})
}
