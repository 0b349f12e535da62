// Package aggregate keeps what the readings of each device come to, minute by minute.
package aggregate

import (
	"context"
	"errors"
	"time"

	"example.com/event-worker/internal/reading"
)

const (
	// Width is how long a window is.
	Width = time.Minute
	// Grace is how far a device may be past the end of a window before that closes. Until then the window takes
	// readings, and the keys of those that it has are kept, so that each counts once however often it comes.
	Grace = 10 * time.Minute
	// Idle is how long nothing may come from a device before its windows close by themselves.
	Idle = Width + Grace
	// Kept is how long a window that has closed can be asked for, and how long a silent device is known.
	Kept = 30 * 24 * time.Hour

	// MaxPage is how many windows one question can be answered with.
	MaxPage = 1000
)

// ErrAway says that a store can't do now what it may do later.
var ErrAway = errors.New("store is unavailable")

// Window is what the readings of a device within one minute come to.
type Window struct {
	Device string       `json:"device"`
	Start  reading.Time `json:"start"`
	Count  int64        `json:"count"`
	Min    float64      `json:"min"`
	Max    float64      `json:"max"`
	Mean   float64      `json:"mean"`
	Last   float64      `json:"last"`
	Closed bool         `json:"closed"`
}

// Outcome is what became of readings.
type Outcome struct {
	Added, Duplicates, Late int
}

// Plus adds another outcome.
func (o Outcome) Plus(other Outcome) Outcome {
	return Outcome{o.Added + other.Added, o.Duplicates + other.Duplicates, o.Late + other.Late}
}

// Query selects windows. What is zero does not restrict.
type Query struct {
	Device string
	From   reading.Time // inclusive
	To     reading.Time // exclusive
	Limit  int
}

// Store keeps windows. Package storetest says in code what each method promises.
type Store interface {
	// Apply counts the readings of parts, one after the other, all of them or none. A reading whose key is known is a
	// duplicate. One whose window has closed is late: whether it has depends on what came before its part. Windows
	// that a part has brought to their end are closed with it, and wait to be relayed.
	Apply(ctx context.Context, parts [][]reading.Reading) (Outcome, error)
	// CloseIdle closes the windows of devices of which nothing has come since a time.
	CloseIdle(ctx context.Context, since time.Time) error
	// Relay hands closed windows that wait, up to limit, oldest first, to publish, and returns how many those were.
	// Once publish has returned without an error they wait no longer.
	Relay(ctx context.Context, limit int, publish func(context.Context, []Window) error) (int, error)
	// Waiting is how many closed windows wait to be relayed, and for how long the first of them has.
	Waiting(ctx context.Context) (windows int64, longest time.Duration, err error)
	// Forget lets go of windows that closed before a time, unless they wait to be relayed.
	Forget(ctx context.Context, before time.Time) error
	// Windows returns the windows that a query wants, by device and start.
	Windows(ctx context.Context, q Query) ([]Window, error)
}

// Tally is a window that is being counted.
type Tally struct {
	Count         int64
	Min, Max, Sum float64
	Last          reading.Reading
}

// Add counts a reading.
func (t *Tally) Add(r *reading.Reading) {
	if t.Count == 0 {
		t.Min, t.Max = r.Value, r.Value
	}
	t.Count++
	t.Min, t.Max = min(t.Min, r.Value), max(t.Max, r.Value)
	t.Sum += r.Value
	if t.Last.Device == "" || t.Last.Compare(r) < 0 {
		t.Last = *r
	}
}

// Window says what was counted.
func (t *Tally) Window(device string, start time.Time, closed bool) Window {
	return Window{
		Device: device, Start: reading.Time{Time: start}, Count: t.Count,
		Min: t.Min, Max: t.Max, Mean: t.Sum / float64(t.Count), Last: t.Last.Value, Closed: closed,
	}
}

// StartOf is when the window begins that a time falls into.
func StartOf(at time.Time) time.Time {
	return at.Truncate(Width)
}

// ClosedBefore is the start of the first window that is open when a device has got so far.
func ClosedBefore(at time.Time) time.Time {
	return at.Add(-Grace).Truncate(Width)
}
