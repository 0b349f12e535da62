// Package storetest says what a reading.Store promises. Every implementation passes it.
package storetest

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/http-api/internal/reading"
)

// Run tests stores that make gives: an empty one at each call.
func Run(t *testing.T, make func(t *testing.T) reading.Store) {
	for name, test := range map[string]func(*testing.T, reading.Store){
		"insert counts what is new":                   insertCountsWhatIsNew,
		"conflicts name every reading":                conflictsNameEveryReading,
		"the caller keeps the batch":                  callerKeepsTheBatch,
		"list is in descending order":                 listIsInDescendingOrder,
		"list restricts to device and time":           listRestricts,
		"a walk sees each reading once":               walkSeesEachReadingOnce,
		"devices are listed by the bytes of the name": devicesAreListedByBytes,
		"device sums up":                              deviceSumsUp,
		"unknown device":                              unknownDevice,
		"a refused batch leaves nothing":              refusedBatchLeavesNothing,
		"every valid reading comes back as it was":    validReadingsComeBack,
		"clients send the same at once":               resendingClients,
	} {
		t.Run(name, func(t *testing.T) { test(t, make(t)) })
	}
}

// at is a reading whose value tells its key and time apart from any other.
func at(device string, epoch, sequence int64, second int) reading.Reading {
	return reading.Reading{
		Device:     device,
		Epoch:      epoch,
		Sequence:   sequence,
		MeasuredAt: reading.Time{Time: time.Date(2026, 11, 18, 11, 0, second, 0, time.UTC)},
		Value:      float64(epoch)*1000 + float64(sequence),
	}
}

func insert(t *testing.T, store reading.Store, batch ...reading.Reading) int {
	t.Helper()
	inserted, err := store.Insert(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	return inserted
}

func list(t *testing.T, store reading.Store, q reading.Query) []reading.Reading {
	t.Helper()
	readings, err := store.List(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return readings
}

func want(t *testing.T, got []reading.Reading, want ...reading.Reading) {
	t.Helper()
	equal := func(a, b reading.Reading) bool { return a.Compare(&b) == 0 && a.Value == b.Value }
	if !slices.EqualFunc(got, want, equal) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func insertCountsWhatIsNew(t *testing.T, store reading.Store) {
	first, second := at("a", 1, 1, 1), at("a", 1, 2, 2)
	if got := insert(t, store, first, first, second); got != 2 {
		t.Errorf("%d are new, want 2", got)
	}
	if got := insert(t, store, second, first); got != 0 {
		t.Errorf("%d are new, want none", got)
	}
	want(t, list(t, store, reading.Query{Limit: 9}), second, first)
}

func conflictsNameEveryReading(t *testing.T, store reading.Store) {
	stored := at("a", 1, 1, 1)
	insert(t, store, stored)
	otherValue, otherTime, fresh := stored, at("a", 1, 1, 2), at("a", 1, 2, 1)
	otherValue.Value++
	freshAgain := fresh
	freshAgain.Value++
	_, err := store.Insert(t.Context(), []reading.Reading{otherValue, stored, otherTime, fresh, freshAgain, otherValue})
	var conflict *reading.ConflictError
	if !errors.As(err, &conflict) || !slices.Equal(conflict.Indexes, []int{0, 2, 4, 5}) {
		t.Errorf("got %+v, %v", conflict, err)
	}
}

func callerKeepsTheBatch(t *testing.T, store reading.Store) {
	batch := []reading.Reading{at("a", 1, 1, 1)}
	insert(t, store, batch...)
	stored := batch[0]
	batch[0].Value++
	want(t, list(t, store, reading.Query{Limit: 9}), stored)
}

func refusedBatchLeavesNothing(t *testing.T, store reading.Store) {
	stored := at("a", 1, 1, 10)
	insert(t, store, stored)
	other := stored
	other.Value++
	_, err := store.Insert(t.Context(), []reading.Reading{at("b", 1, 1, 1), at("a", 2, 9, 50), other})
	if conflict := new(reading.ConflictError); !errors.As(err, &conflict) {
		t.Errorf("got %v, want a conflict", err)
	}
	want(t, list(t, store, reading.Query{Limit: 9}), stored)
	summary := reading.Summary{Device: "a", LastSeen: stored.MeasuredAt, Readings: 1}
	device := reading.Device{Summary: summary, FirstSeen: stored.MeasuredAt, Epoch: 1}
	if got, err := store.Device(t.Context(), "a"); got != device || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, device)
	}
}

// Both ends of what the contract allows, and what databases are known to round.
func validReadingsComeBack(t *testing.T, store reading.Store) {
	date := func(year, month, day, millisecond int) reading.Time {
		return reading.Time{Time: time.Date(year, time.Month(month), day, 0, 0, 0, millisecond*1e6, time.UTC)}
	}
	descending := []reading.Reading{
		{Device: "z", Epoch: reading.MaxEpoch, Sequence: reading.MaxSequence, MeasuredAt: date(2100, 12, 31, 999), Value: math.MaxFloat64},
		{Device: "b", Epoch: 1, Sequence: 2, MeasuredAt: date(2026, 3, 29, 1), Value: 0.1},
		{Device: "b", Epoch: 1, Sequence: 1, MeasuredAt: date(2026, 3, 29, 0), Value: -math.SmallestNonzeroFloat64},
		{Device: "a", Epoch: 1, Sequence: 1, MeasuredAt: date(2000, 1, 1, 0), Value: 1 << 53},
	}
	insert(t, store, descending...)
	want(t, list(t, store, reading.Query{Limit: 9}), descending...)
	want(t, list(t, store, reading.Query{Limit: 9, Device: "z", From: descending[0].MeasuredAt}), descending[0])
	if got := insert(t, store, descending...); got != 0 {
		t.Errorf("%d are new, want none", got)
	}
	for _, r := range list(t, store, reading.Query{Limit: 9}) {
		if r.MeasuredAt.Location() != time.UTC {
			t.Errorf("measured at %v", r.MeasuredAt)
		}
	}
	zero := at("zero", 1, 1, 0)
	zero.Value = 0
	insert(t, store, zero)
	zero.Value = math.Copysign(0, -1)
	if got := insert(t, store, zero); got != 0 {
		t.Error("zero and minus zero are not the same number")
	}
}

// resendingClients send what overlaps, each in an order of its own.
func resendingClients(t *testing.T, store reading.Store) {
	var all []reading.Reading
	for i := range 60 {
		all = append(all, at([]string{"a", "b", "c"}[i%3], 1, int64(1+i/3), i))
	}
	var clients sync.WaitGroup
	var inserted atomic.Int64
	for range 8 {
		clients.Go(func() {
			for range 5 {
				batch := make([]reading.Reading, 0, len(all))
				for _, i := range rand.Perm(len(all))[:40] {
					batch = append(batch, all[i])
				}
				n, err := store.Insert(t.Context(), batch)
				if err != nil {
					t.Error(err)
				}
				inserted.Add(int64(n))
			}
		})
	}
	clients.Wait()
	rest := insert(t, store, all...)
	if got := int(inserted.Load()) + rest; got != len(all) {
		t.Errorf("%d readings were new, want %d", got, len(all))
	}
	for _, name := range []string{"a", "b", "c"} {
		device, err := store.Device(t.Context(), name)
		if err != nil || device.Readings != 20 || device.Missing != 0 {
			t.Errorf("got %+v, %v", device, err)
		}
	}
}

func listIsInDescendingOrder(t *testing.T, store reading.Store) {
	descending := []reading.Reading{
		at("a", 1, 1, 9), at("z", 2, 2, 5), at("z", 2, 1, 5), at("z", 1, 7, 5), at("b", 9, 9, 5), at("a-b", 1, 1, 5), at("a", 1, 2, 5),
		at("z", 3, 1, 1),
	}
	for _, i := range rand.Perm(len(descending)) {
		insert(t, store, descending[i])
	}
	want(t, list(t, store, reading.Query{Limit: 99}), descending...)
	want(t, list(t, store, reading.Query{Limit: 3}), descending[:3]...)
	want(t, list(t, store, reading.Query{Limit: 99, After: descending[2]}), descending[3:]...)
}

func listRestricts(t *testing.T, store reading.Store) {
	a1, a2, a3, b2 := at("a", 1, 1, 1), at("a", 1, 2, 2), at("a", 1, 3, 3), at("b", 1, 1, 2)
	insert(t, store, a1, a2, a3, b2)
	want(t, list(t, store, reading.Query{Limit: 9, Device: "a"}), a3, a2, a1)
	want(t, list(t, store, reading.Query{Limit: 9, Device: "c"}))
	want(t, list(t, store, reading.Query{Limit: 9, From: a2.MeasuredAt}), a3, b2, a2)
	want(t, list(t, store, reading.Query{Limit: 9, To: a2.MeasuredAt}), a1)
	want(t, list(t, store, reading.Query{Limit: 9, From: a2.MeasuredAt, To: a3.MeasuredAt, Device: "a"}), a2)
	want(t, list(t, store, reading.Query{Limit: 9, From: a3.MeasuredAt, To: a1.MeasuredAt}))
	want(t, list(t, store, reading.Query{Limit: 9, From: a2.MeasuredAt, After: a1}))
}

func walkSeesEachReadingOnce(t *testing.T, store reading.Store) {
	var start []reading.Reading
	for i := range 50 {
		start = append(start, at("a", 1, int64(1000-i), 59-i%7))
	}
	insert(t, store, start...)
	seen := map[int64]int{}
	q := reading.Query{Limit: 7}
	for sequence := int64(1); ; sequence++ {
		page := list(t, store, q)
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			seen[r.Sequence]++
		}
		q.After = page[len(page)-1]
		// One that the walk has passed, and one that it has before it.
		insert(t, store, at("b", 1, sequence, 59), at("a", 2, sequence, 0))
	}
	for _, r := range start {
		if seen[r.Sequence] != 1 {
			t.Errorf("reading %d was seen %d times", r.Sequence, seen[r.Sequence])
		}
	}
}

func devicesAreListedByBytes(t *testing.T, store reading.Store) {
	for _, name := range []string{"b", "a0", "a-b", "a", "0-1", "ab"} {
		insert(t, store, at(name, 1, 1, 1), at(name, 1, 2, 2))
	}
	names := func(after string, limit int) (names []string) {
		devices, err := store.Devices(t.Context(), after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range devices {
			if d.Readings != 2 || !d.LastSeen.Equal(at("", 1, 1, 2).MeasuredAt.Time) {
				t.Errorf("got %+v", d)
			}
			names = append(names, d.Device)
		}
		return names
	}
	if got := names("", 9); !slices.Equal(got, []string{"0-1", "a", "a-b", "a0", "ab", "b"}) {
		t.Errorf("got %q", got)
	}
	if got := names("a-b", 2); !slices.Equal(got, []string{"a0", "ab"}) {
		t.Errorf("after a-b come %q", got)
	}
	if got := names("aa", 1); !slices.Equal(got, []string{"ab"}) {
		t.Errorf("after aa comes %q", got)
	}
	if got := names("b", 9); got != nil {
		t.Errorf("after the last come %q", got)
	}
}

func deviceSumsUp(t *testing.T, store reading.Store) {
	insert(t, store, at("a", 2, 3, 30), at("a", 1, 9, 50))
	insert(t, store, at("a", 2, 7, 20), at("a", 1, 20, 10), at("b", 9, 1, 59))
	insert(t, store, at("a", 2, 3, 30), at("a", 2, 5, 25))
	got, err := store.Device(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	want := reading.Device{
		Summary:   reading.Summary{Device: "a", LastSeen: at("", 0, 0, 50).MeasuredAt, Readings: 5},
		FirstSeen: at("", 0, 0, 10).MeasuredAt,
		Epoch:     2,
		Missing:   4,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func unknownDevice(t *testing.T, store reading.Store) {
	insert(t, store, at("a", 1, 1, 1))
	if _, err := store.Device(t.Context(), "b"); !errors.Is(err, reading.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}
