package reading_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/http-api/internal/reading"
	"example.com/http-api/internal/reading/storetest"
)

func TestValidateReportsEveryBrokenRule(t *testing.T) {
	year := func(y int) reading.Time { return reading.Time{Time: time.Date(y, 6, 1, 0, 0, 0, 0, time.UTC)} }
	valid := reading.Reading{Device: "0000002a", Epoch: 1, Sequence: 1, MeasuredAt: year(2026), Value: -1}
	for name, test := range map[string]struct {
		change func(*reading.Reading)
		want   []string
	}{
		"nothing":            {func(*reading.Reading) {}, nil},
		"largest":            {func(r *reading.Reading) { r.Epoch, r.Sequence, r.MeasuredAt = 1<<53, 1<<32-1, year(2100) }, nil},
		"all":                {func(r *reading.Reading) { *r = reading.Reading{Value: math.NaN()} }, []string{"device", "epoch", "sequence", "measured_at", "value"}},
		"too large":          {func(r *reading.Reading) { r.Epoch, r.Sequence = 1<<53+1, 1<<32 }, []string{"epoch", "sequence"}},
		"too late":           {func(r *reading.Reading) { r.MeasuredAt = year(2101) }, []string{"measured_at"}},
		"infinite":           {func(r *reading.Reading) { r.Value = math.Inf(-1) }, []string{"value"}},
		"device of 33":       {func(r *reading.Reading) { r.Device = strings.Repeat("a", 33) }, []string{"device"}},
		"device with hyphen": {func(r *reading.Reading) { r.Device = "a-" }, nil},
		"device after it":    {func(r *reading.Reading) { r.Device = "-a" }, []string{"device"}},
		"device in capitals": {func(r *reading.Reading) { r.Device = "A" }, []string{"device"}},
	} {
		r := valid
		test.change(&r)
		var got []string
		r.Validate(func(member, _ string) { got = append(got, member) })
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: reported %q, want %q", name, got, test.want)
		}
	}
}

// brokenStore is one whose database is gone.
type brokenStore struct{ err error }

func (s brokenStore) Insert(context.Context, []reading.Reading) (int, error) { return 0, s.err }

func (s brokenStore) List(context.Context, reading.Query) ([]reading.Reading, error) {
	return nil, s.err
}

func (s brokenStore) Devices(context.Context, string, int) ([]reading.Summary, error) {
	return nil, s.err
}

func (s brokenStore) Device(context.Context, string) (reading.Device, error) {
	return reading.Device{}, s.err
}

func TestConflictSaysHowManyReadings(t *testing.T) {
	err := &reading.ConflictError{Indexes: []int{3, 5}}
	if got, want := err.Error(), "2 readings contradict others"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) reading.Store { return reading.NewMemory(1000) })
}

func sequence(from, to int64) (batch []reading.Reading) {
	for i := from; i <= to; i++ {
		batch = append(batch, reading.Reading{
			Device: "a", Epoch: 1, Sequence: i, MeasuredAt: reading.Time{Time: time.UnixMilli(i).UTC()},
		})
	}
	return batch
}

func TestMemoryHoldsItsCapacity(t *testing.T) {
	store := reading.NewMemory(3)
	insert := func(from, to int64) (int, error) { return store.Insert(t.Context(), sequence(from, to)) }
	if inserted, err := insert(1, 2); inserted != 2 || err != nil {
		t.Fatal(inserted, err)
	}
	if inserted, err := insert(2, 4); inserted != 0 || !errors.Is(err, reading.ErrFull) {
		t.Errorf("more than there is room for: %d, %v", inserted, err)
	}
	if inserted, err := insert(1, 3); inserted != 1 || err != nil {
		t.Errorf("as much as there is room for: %d, %v", inserted, err)
	}
	if inserted, err := insert(1, 3); inserted != 0 || err != nil {
		t.Errorf("what a full store has: %d, %v", inserted, err)
	}
}

func TestMemoryIsSafeForConcurrentUse(t *testing.T) {
	store := reading.NewMemory(1000)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for i := int64(1); i <= 100; i += 10 {
				if _, err := store.Insert(t.Context(), sequence(i, i+9)); err != nil {
					t.Error(err)
				}
				if _, err := store.List(t.Context(), reading.Query{Limit: 10}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	device, err := store.Device(t.Context(), "a")
	if err != nil || device.Readings != 100 || device.Missing != 0 {
		t.Errorf("got %+v, %v", device, err)
	}
}

func BenchmarkMemoryInsert(b *testing.B) {
	store := reading.NewMemory(1 << 30)
	next := int64(1)
	for b.Loop() {
		if _, err := store.Insert(b.Context(), sequence(next, next+99)); err != nil {
			b.Fatal(err)
		}
		next += 100
	}
}
