// Package storetest is what every aggregate.Store must pass.
package storetest

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/event-worker/internal/aggregate"
	"example.com/event-worker/internal/reading"
)

var noon = time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)

// Run tests empty stores that open makes.
func Run(t *testing.T, open func(*testing.T) aggregate.Store) {
	for name, test := range map[string]func(*testing.T, aggregate.Store){
		"windows count":                         windowsCount,
		"a mean does not overflow":              meanDoesNotOverflow,
		"a reading counts once":                 countsOnce,
		"a key is free with its window":         keyIsFree,
		"windows tumble":                        windowsTumble,
		"late readings change nothing":          lateChangesNothing,
		"the order of what comes is the same":   orderIsTheSame,
		"what a device reached is held":         reachedIsHeld,
		"however many windows close":            manyClose,
		"devices are apart":                     devicesAreApart,
		"idle devices end":                      idleEnds,
		"relayed once":                          relayedOnce,
		"what is not published waits":           notPublishedWaits,
		"what was published waits no longer":    publishedWaitsNoLonger,
		"what waits is measured":                waitingIsMeasured,
		"old windows are forgotten":             oldIsForgotten,
		"all of them or none":                   allOrNone,
		"queries restrict":                      queriesRestrict,
		"writers at the same time lose nothing": concurrentWriters,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func at(device string, sequence int64, after time.Duration, value float64) reading.Reading {
	return reading.Reading{
		Device: device, Epoch: 1, Sequence: sequence, MeasuredAt: reading.Time{Time: noon.Add(after)}, Value: value,
	}
}

func apply(t *testing.T, store aggregate.Store, want aggregate.Outcome, readings ...reading.Reading) {
	t.Helper()
	if got, err := store.Apply(t.Context(), readings); got != want || err != nil {
		t.Errorf("came to %+v, %v, want %+v", got, err, want)
	}
}

// all has a store do something until nothing is left.
func all(t *testing.T, do func() (int, error)) {
	t.Helper()
	for {
		switch n, err := do(); {
		case err != nil:
			t.Fatal(err)
		case n == 0:
			return
		}
	}
}

// closeAfter closes what devices have come past, after a hold.
func closeAfter(t *testing.T, store aggregate.Store, hold time.Duration) {
	t.Helper()
	all(t, func() (int, error) { return store.Close(t.Context(), hold) })
}

func closeIdle(t *testing.T, store aggregate.Store, idle time.Duration) {
	t.Helper()
	all(t, func() (int, error) { return store.CloseIdle(t.Context(), idle) })
}

func list(t *testing.T, store aggregate.Store, q aggregate.Query) []aggregate.Window {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = aggregate.MaxPage
	}
	windows, err := store.Windows(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return windows
}

func wantWindows(t *testing.T, got []aggregate.Window, want ...aggregate.Window) {
	t.Helper()
	for i := range got {
		got[i].Start.Time = got[i].Start.UTC()
	}
	if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("windows are %+v, want %+v", got, want)
	}
}

func window(device string, minute int, count int64, low, high, mean, last float64, closed bool) aggregate.Window {
	start := reading.Time{Time: noon.Add(time.Duration(minute) * time.Minute)}
	return aggregate.Window{
		Device: device, Start: start, Count: count, Min: low, Max: high, Mean: mean, Last: last, Closed: closed,
	}
}

func windowsCount(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 3},
		at("a", 3, 59999*time.Millisecond, 2), at("a", 1, 0, 6), at("a", 2, time.Second, -2))
	wantWindows(t, list(t, store, aggregate.Query{}), window("a", 0, 3, -2, 6, 2, 2, false))
	apply(t, store, aggregate.Outcome{Added: 1}, at("a", 4, 2*time.Second, 10))
	wantWindows(t, list(t, store, aggregate.Query{}), window("a", 0, 4, -2, 10, 4, 2, false))
}

// One window that can't be told holds up those of every device.
func meanDoesNotOverflow(t *testing.T, store aggregate.Store) {
	const most = math.MaxFloat64
	for sequence := range int64(3) {
		apply(t, store, aggregate.Outcome{Added: 3},
			at("high", 2*sequence, 0, most), at("high", 2*sequence+1, 0, most), at("low", sequence, 0, -most))
	}
	wantWindows(t, list(t, store, aggregate.Query{}),
		window("high", 0, 6, most, most, most, most, false), window("low", 0, 3, -most, -most, -most, -most, false))
}

func countsOnce(t *testing.T, store aggregate.Store) {
	batch := []reading.Reading{at("a", 1, 0, 1), at("a", 2, 0, 1), at("a", 1, 0, 1)}
	apply(t, store, aggregate.Outcome{Added: 2, Duplicates: 1}, batch...)
	apply(t, store, aggregate.Outcome{Duplicates: 3}, batch...)
	apply(t, store, aggregate.Outcome{Added: 1, Duplicates: 2}, at("a", 1, time.Minute, 5), at("a", 3, 0, 1), at("a", 3, 0, 1))
	wantWindows(t, list(t, store, aggregate.Query{}), window("a", 0, 3, 1, 1, 1, 1, false))
}

// What has the key of a reading whose window has closed is another reading.
func keyIsFree(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 2}, at("a", 1, 0, 1), at("a", 2, 11*time.Minute, 1))
	apply(t, store, aggregate.Outcome{Duplicates: 1}, at("a", 1, 12*time.Minute, 1))
	closeAfter(t, store, 0)
	apply(t, store, aggregate.Outcome{Added: 1, Duplicates: 1}, at("a", 1, 12*time.Minute, 1), at("a", 2, 11*time.Minute, 1))
	apply(t, store, aggregate.Outcome{Duplicates: 1}, at("a", 1, 12*time.Minute, 1))
}

func windowsTumble(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 2}, at("a", 1, time.Minute-time.Millisecond, 1), at("a", 2, time.Minute, 2))
	wantWindows(t, list(t, store, aggregate.Query{}), window("a", 0, 1, 1, 1, 1, 1, false), window("a", 1, 1, 2, 2, 2, 2, false))
	apply(t, store, aggregate.Outcome{Added: 1}, at("a", 3, 11*time.Minute-time.Millisecond, 3))
	closeAfter(t, store, 0)
	wantWindows(t, list(t, store, aggregate.Query{To: reading.Time{Time: noon.Add(time.Minute)}}), window("a", 0, 1, 1, 1, 1, 1, false))
	apply(t, store, aggregate.Outcome{Added: 1}, at("a", 4, 11*time.Minute, 3))
	closeAfter(t, store, 0)
	wantWindows(t, list(t, store, aggregate.Query{To: reading.Time{Time: noon.Add(2 * time.Minute)}}),
		window("a", 0, 1, 1, 1, 1, 1, true), window("a", 1, 1, 2, 2, 2, 2, false))
}

func lateChangesNothing(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 2}, at("a", 1, 0, 1), at("a", 2, 11*time.Minute, 1))
	closeAfter(t, store, 0)
	apply(t, store, aggregate.Outcome{Late: 2}, at("a", 3, time.Second, 9), at("a", 1, 0, 1))
	apply(t, store, aggregate.Outcome{Late: 1}, at("a", 4, -time.Hour, 9))
	wantWindows(t, list(t, store, aggregate.Query{To: reading.Time{Time: noon.Add(time.Minute)}}), window("a", 0, 1, 1, 1, 1, 1, true))
}

// A device that was offline sends hours at once, in messages that overtake each other and some of which come again.
func orderIsTheSame(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 2}, at("a", 3, 2*time.Hour, 3), at("a", 2, time.Hour, 2))
	closeAfter(t, store, aggregate.Hold)
	apply(t, store, aggregate.Outcome{Added: 1}, at("a", 1, 0, 1))
	closeAfter(t, store, aggregate.Hold)
	apply(t, store, aggregate.Outcome{Duplicates: 1}, at("a", 1, 0, 1))
	closeAfter(t, store, 0)
	wantWindows(t, list(t, store, aggregate.Query{}),
		window("a", 0, 1, 1, 1, 1, 1, true), window("a", 60, 1, 2, 2, 2, 2, true), window("a", 120, 1, 3, 3, 3, 3, false))
}

// Whoever is marked closes by that later, and not by what it has reached meanwhile.
func reachedIsHeld(t *testing.T, store aggregate.Store) {
	once := func(hold time.Duration, want int) {
		t.Helper()
		if n, err := store.Close(t.Context(), hold); n != want || err != nil {
			t.Errorf("%d devices moved, %v, want %d", n, err, want)
		}
	}
	apply(t, store, aggregate.Outcome{Added: 2}, at("a", 1, 0, 1), at("a", 2, time.Hour, 2))
	once(aggregate.Hold, 1)
	once(aggregate.Hold, 0)
	apply(t, store, aggregate.Outcome{Added: 1}, at("a", 3, 2*time.Hour, 3))
	once(aggregate.Hold, 0)
	once(0, 1)
	wantWindows(t, list(t, store, aggregate.Query{}),
		window("a", 0, 1, 1, 1, 1, 1, true), window("a", 60, 1, 2, 2, 2, 2, false), window("a", 120, 1, 3, 3, 3, 3, false))
	apply(t, store, aggregate.Outcome{Added: 1, Late: 1}, at("a", 4, time.Hour-aggregate.Grace, 4), at("a", 5, 0, 5))
}

// A device that was offline for a day closes it as a whole, in as many turns as a store takes for it.
func manyClose(t *testing.T, store aggregate.Store) {
	var readings []reading.Reading
	for minute := range 100 {
		readings = append(readings, at("a", int64(minute), time.Duration(minute)*time.Minute, 1), at("b", int64(minute), time.Duration(minute)*time.Minute, 1))
	}
	apply(t, store, aggregate.Outcome{Added: len(readings)}, readings...)
	closed := func() (n int) {
		for _, window := range list(t, store, aggregate.Query{}) {
			if window.Closed {
				n++
			}
		}
		return n
	}
	if closeAfter(t, store, 0); closed() != 2*89 {
		t.Errorf("%d windows have closed", closed())
	}
	if closeIdle(t, store, 0); closed() != 2*100 {
		t.Errorf("%d windows have closed in the end", closed())
	}
	if windows := drained(t, store, 1000); len(windows) != 2*100 {
		t.Errorf("%d windows are relayed", len(windows))
	}
}

func devicesAreApart(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 3}, at("b", 1, 0, 1), at("a-1", 1, time.Hour, 2), at("b", 2, time.Second, 3))
	closeAfter(t, store, 0)
	wantWindows(t, list(t, store, aggregate.Query{}), window("a-1", 60, 1, 2, 2, 2, 2, false), window("b", 0, 2, 1, 3, 2, 3, false))
}

func idleEnds(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 2}, at("a", 1, 0, 1), at("a", 2, time.Minute, 1))
	closeIdle(t, store, time.Minute)
	wantWindows(t, list(t, store, aggregate.Query{}), window("a", 0, 1, 1, 1, 1, 1, false), window("a", 1, 1, 1, 1, 1, 1, false))
	closeIdle(t, store, 0)
	wantWindows(t, list(t, store, aggregate.Query{}), window("a", 0, 1, 1, 1, 1, 1, true), window("a", 1, 1, 1, 1, 1, 1, true))
	apply(t, store, aggregate.Outcome{Late: 1, Added: 1}, at("a", 3, time.Second, 1), at("a", 4, 2*time.Minute, 1))
}

// drained relays until nothing waits.
func drained(t *testing.T, store aggregate.Store, limit int) (windows []aggregate.Window) {
	t.Helper()
	all(t, func() (int, error) {
		return store.Relay(t.Context(), limit, func(_ context.Context, batch []aggregate.Window) ([]bool, error) {
			windows = append(windows, batch...)
			return slices.Repeat([]bool{true}, len(batch)), nil
		})
	})
	return windows
}

func relayedOnce(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 2}, at("a", 1, 0, 1), at("a", 2, time.Minute, 2))
	wantWindows(t, drained(t, store, 1))
	apply(t, store, aggregate.Outcome{Added: 1}, at("a", 3, time.Hour, 3))
	closeAfter(t, store, 0)
	wantWindows(t, drained(t, store, 1), window("a", 0, 1, 1, 1, 1, 1, true), window("a", 1, 1, 2, 2, 2, 2, true))
	wantWindows(t, drained(t, store, 1))
}

// relaySome relays windows to a broker that takes some of them.
func relaySome(t *testing.T, store aggregate.Store, want int, done ...bool) {
	t.Helper()
	broken := errors.New("a part of the broker is gone")
	n, err := store.Relay(t.Context(), len(done), func(context.Context, []aggregate.Window) ([]bool, error) { return done, broken })
	if n != want || !errors.Is(err, broken) {
		t.Errorf("relayed %d, %v, want %d", n, err, want)
	}
}

func notPublishedWaits(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 2}, at("a", 1, 0, 1), at("a", 2, time.Hour, 2))
	closeAfter(t, store, 0)
	relaySome(t, store, 0, false)
	wantWindows(t, drained(t, store, 10), window("a", 0, 1, 1, 1, 1, 1, true))
}

func publishedWaitsNoLonger(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 6}, at("a", 1, 0, 1), at("a", 2, time.Minute, 2), at("a", 3, 2*time.Minute, 3),
		at("a", 4, 3*time.Minute, 4), at("a", 5, 4*time.Minute, 5), at("a", 6, time.Hour, 6))
	closeAfter(t, store, 0)
	before := list(t, store, aggregate.Query{})
	relaySome(t, store, 2, false, true, false, true)
	wantWaiting(t, store, 3)
	relaySome(t, store, 1, false, true)
	wantWindows(t, drained(t, store, 10), window("a", 0, 1, 1, 1, 1, 1, true), window("a", 4, 1, 5, 5, 5, 5, true))
	wantWindows(t, list(t, store, aggregate.Query{}), before...)
}

func wantWaiting(t *testing.T, store aggregate.Store, want int64) {
	t.Helper()
	n, longest, err := store.Waiting(t.Context())
	if n != want || err != nil || (longest > 0) != (want > 0) || longest > time.Minute {
		t.Errorf("%d windows wait, the first for %v, %v, want %d", n, longest, err, want)
	}
}

func waitingIsMeasured(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 3}, at("a", 1, 0, 1), at("a", 2, time.Minute, 2), at("a", 3, time.Hour, 3))
	wantWaiting(t, store, 0)
	closeAfter(t, store, 0)
	wantWaiting(t, store, 2)
	drained(t, store, 10)
	wantWaiting(t, store, 0)
}

func oldIsForgotten(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 2}, at("a", 1, 0, 1), at("a", 2, time.Hour, 2))
	closeAfter(t, store, 0)
	forget := func(after time.Duration, want ...aggregate.Window) {
		t.Helper()
		all(t, func() (int, error) { return store.Forget(t.Context(), time.Now().Add(after)) })
		wantWindows(t, list(t, store, aggregate.Query{}), want...)
	}
	closed, open := window("a", 0, 1, 1, 1, 1, 1, true), window("a", 60, 1, 2, 2, 2, 2, false)
	forget(time.Minute, closed, open) // nobody has relayed it
	drained(t, store, 10)
	forget(-time.Minute, closed, open)
	forget(time.Minute, open)
	apply(t, store, aggregate.Outcome{Late: 1, Duplicates: 1}, at("a", 1, 0, 1), at("a", 2, time.Hour, 2))
	closeIdle(t, store, 0)
	drained(t, store, 10)
	forget(time.Minute)
	apply(t, store, aggregate.Outcome{Added: 1}, at("a", 1, 0, 1)) // as from a device that is new
}

// A caller that gives up leaves nothing behind that would count twice when it tries again.
func allOrNone(t *testing.T, store aggregate.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	batch := []reading.Reading{at("a", 1, 0, 1), at("b", 1, time.Hour, 2)}
	first, err := store.Apply(ctx, batch)
	second, again := store.Apply(t.Context(), batch)
	if again != nil || err == nil && first.Added != 2 || first.Added+second.Added != 2 {
		t.Errorf("came to %+v, %v, then to %+v, %v", first, err, second, again)
	}
	wantWindows(t, list(t, store, aggregate.Query{}), window("a", 0, 1, 1, 1, 1, 1, false), window("b", 60, 1, 2, 2, 2, 2, false))
}

func queriesRestrict(t *testing.T, store aggregate.Store) {
	apply(t, store, aggregate.Outcome{Added: 4},
		at("a", 1, 0, 1), at("a", 2, time.Minute, 2), at("a", 3, 2*time.Minute, 3), at("b", 1, 0, 4))
	minute := func(n int) reading.Time { return reading.Time{Time: noon.Add(time.Duration(n) * time.Minute)} }
	wantWindows(t, list(t, store, aggregate.Query{Device: "b"}), window("b", 0, 1, 4, 4, 4, 4, false))
	wantWindows(t, list(t, store, aggregate.Query{From: minute(1), To: minute(2)}), window("a", 1, 1, 2, 2, 2, 2, false))
	wantWindows(t, list(t, store, aggregate.Query{Device: "a", From: minute(1), Limit: 1}), window("a", 1, 1, 2, 2, 2, 2, false))
	wantWindows(t, list(t, store, aggregate.Query{Device: "nobody"}))
}

func concurrentWriters(t *testing.T, store aggregate.Store) {
	var writers sync.WaitGroup
	for writer := range int64(4) {
		writers.Go(func() {
			for i := range int64(50) {
				// Each pair of writers sends the same, in opposite orders.
				batch := []reading.Reading{at("a", i+50*(writer/2), 0, 1), at("b", i+50*(writer/2), 0, 1)}
				if writer%2 == 1 {
					slices.Reverse(batch)
				}
				if _, err := store.Apply(t.Context(), batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	wantWindows(t, list(t, store, aggregate.Query{}), window("a", 0, 100, 1, 1, 1, 1, false), window("b", 0, 100, 1, 1, 1, 1, false))
}
