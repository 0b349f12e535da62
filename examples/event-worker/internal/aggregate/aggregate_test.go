package aggregate_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/event-worker/internal/aggregate"
	"example.com/event-worker/internal/aggregate/storetest"
	"example.com/event-worker/internal/reading"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) aggregate.Store { return aggregate.NewMemory(1000) })
}

// minutes are readings of one device, one in each minute.
func minutes(from, to int64) (batch []reading.Reading) {
	for i := from; i < to; i++ {
		batch = append(batch, reading.Reading{
			Device: "a", Epoch: 1, Sequence: i + 1, MeasuredAt: reading.Time{Time: time.Unix(60*i, 0).UTC()}, Value: float64(i),
		})
	}
	return batch
}

func publishAll(_ context.Context, windows []aggregate.Window) ([]bool, error) {
	return slices.Repeat([]bool{true}, len(windows)), nil
}

func TestFullMemoryClosesTheOldestWindowsFirst(t *testing.T) {
	store := aggregate.NewMemory(8)
	outcome, err := store.Apply(t.Context(), minutes(0, 9))
	if outcome.Added != 9 || err != nil {
		t.Fatal(outcome, err)
	}
	windows, err := store.Windows(t.Context(), aggregate.Query{Limit: aggregate.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	var states []bool
	for _, window := range windows {
		states = append(states, window.Closed)
	}
	if got := fmt.Sprint(states); got != "[true true true false false false false false false]" {
		t.Errorf("closed are %s", got)
	}
}

func TestMemoryTakesNothingWhileTooMuchWaitsToBeRelayed(t *testing.T) {
	store := aggregate.NewMemory(8)
	for from := range int64(20) {
		_, _ = store.Apply(t.Context(), minutes(from, from+1))
	}
	if _, err := store.Apply(t.Context(), minutes(100, 101)); !errors.Is(err, aggregate.ErrAway) {
		t.Errorf("got %v", err)
	}
	if _, err := store.Relay(t.Context(), 100, publishAll); err != nil {
		t.Fatal(err)
	}
	if outcome, err := store.Apply(t.Context(), minutes(100, 101)); outcome.Added != 1 || err != nil {
		t.Errorf("got %+v, %v", outcome, err)
	}
}

func TestMemoryChangesWhileItsWindowsAreRelayed(t *testing.T) {
	store := aggregate.NewMemory(100)
	closeAll := func(readings []reading.Reading) {
		_, _ = store.Apply(t.Context(), readings)
		_, _ = store.CloseIdle(t.Context(), 0)
	}
	closeAll(minutes(0, 3))
	_, _ = store.Relay(t.Context(), 1, publishAll)
	_, _ = store.Relay(t.Context(), 2, func(ctx context.Context, _ []aggregate.Window) ([]bool, error) {
		closeAll(minutes(3, 5))
		_, _ = store.Forget(ctx, time.Now().Add(time.Minute))
		return []bool{false, true}, nil
	})
	var left []int
	_, _ = store.Relay(t.Context(), 10, func(ctx context.Context, windows []aggregate.Window) ([]bool, error) {
		for _, window := range windows {
			left = append(left, window.Start.Minute())
		}
		return publishAll(ctx, windows)
	})
	if !slices.Equal(left, []int{1, 3, 4}) {
		t.Errorf("the windows of these minutes were left: %v", left)
	}
}

func TestMemoryForgetsTheOldestClosedWindows(t *testing.T) {
	store := aggregate.NewMemory(8)
	for from := range int64(100) {
		_, _ = store.Apply(t.Context(), minutes(from, from+1))
		if _, err := store.Relay(t.Context(), 10, publishAll); err != nil {
			t.Fatal(err)
		}
	}
	windows, err := store.Windows(t.Context(), aggregate.Query{Limit: aggregate.MaxPage})
	if err != nil || len(windows) > 20 || !windows[len(windows)-1].Start.Equal(time.Unix(60*99, 0)) {
		t.Errorf("%d windows are left, %v", len(windows), err)
	}
}

func TestAggregatesAreAnswered(t *testing.T) {
	store := aggregate.NewMemory(100)
	if _, err := store.Apply(t.Context(), minutes(0, 3)); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"?device=a&limit=1": `{"aggregates":[{"device":"a","start":"1970-01-01T00:00:00.000Z","count":1,"min":0,"max":0,"mean":0,"last":0,"closed":false}]}`,
		"?device=nobody":    `{"aggregates":[]}`,
		"?from=1970-01-01T00:02:00Z&to=1970-01-01T00:03:00Z": `"start":"1970-01-01T00:02:00.000Z"`,
		"?limit=0":            "422 want device, from",
		"?limit=1001":         "422 want device, from",
		"?from=noon":          "422 want device, from",
		"?device=A":           "422 want device, from",
		"?device=a&device=b":  "422 want device, from",
		"?colour=red":         "422 want device, from",
		"?limit=1&limit=1000": "422 want device, from",
	} {
		w := httptest.NewRecorder()
		aggregate.Handler(store)(w, httptest.NewRequest(http.MethodGet, "/v1/aggregates"+query, nil))
		if got := fmt.Sprint(w.Code, " ", w.Body); !strings.Contains(got, want) {
			t.Errorf("%s is answered %s, want %s", query, got, want)
		}
	}
}

// silent is a store that never answers.
type silent struct{ aggregate.Store }

func (silent) Windows(ctx context.Context, _ aggregate.Query) ([]aggregate.Window, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestStoreThatDoesNotAnswerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		aggregate.Handler(silent{})(w, httptest.NewRequest(http.MethodGet, "/v1/aggregates", nil))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("answered %d", w.Code)
		}
	})
}
