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
	// Hold is how long it stays as it is what a device has reached before a window closes by it. Messages overtake each
	// other: of two instances that took one each, of those that are tried again, and of those that come again when
	// whoever had them is gone. All of that takes less: a broker waits for half a minute at most, and five tries, of
	// 10 s each by default, with their pauses for one.
	Hold = 2 * time.Minute
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

// Store keeps windows. Package storetest says in code what each method promises. Close, CloseIdle and Forget do a part
// of what there is to do, and return how much that was: 0 when there is nothing left.
type Store interface {
	// Apply counts readings, all of them or none. A reading whose key is known is a duplicate, one whose window has
	// closed is late. It closes nothing: what is late does not depend on the order of what comes within a hold.
	Apply(ctx context.Context, readings []reading.Reading) (Outcome, error)
	// Close closes the windows that end a grace before what their devices had reached at a call that is a hold ago. They
	// wait to be relayed.
	Close(ctx context.Context, hold time.Duration) (devices int, err error)
	// CloseIdle closes the windows of devices of which nothing has come for a time.
	CloseIdle(ctx context.Context, idle time.Duration) (devices int, err error)
	// Finish is for when this process counts no more. A store that ends with it closes what it would hold.
	Finish(ctx context.Context) error
	// Relay hands closed windows that wait, up to limit, oldest first, to publish, which tells of each whether it is done.
	// Those that are wait no longer, also where it has failed with others, which keep their order.
	Relay(ctx context.Context, limit int, publish func(context.Context, []Window) (done []bool, err error)) (int, error)
	// Waiting is how many closed windows wait to be relayed, and for how long the first of them has.
	Waiting(ctx context.Context) (windows int64, longest time.Duration, err error)
	// Forget lets go of windows that closed before a time, unless they wait to be relayed, and of devices that have none.
	Forget(ctx context.Context, before time.Time) (forgotten int, err error)
	// Windows returns the windows that a query wants, by device and start.
	Windows(ctx context.Context, q Query) ([]Window, error)
}

// unit is what sums are counted in: more readings than that, of whatever value, would be needed to overflow one. As a
// power of two it costs no digit.
const unit = 1 << 32

// Tally is a window that is being counted.
type Tally struct {
	Count    int64
	Min, Max float64
	Units    float64 // the sum
	Last     reading.Reading
}

// Add counts a reading.
func (t *Tally) Add(r *reading.Reading) {
	if t.Count == 0 {
		t.Min, t.Max = r.Value, r.Value
	}
	t.Count++
	t.Min, t.Max = min(t.Min, r.Value), max(t.Max, r.Value)
	t.Units += r.Value / unit
	if t.Last.Device == "" || t.Last.Compare(r) < 0 {
		t.Last = *r
	}
}

// Window says what was counted.
func (t *Tally) Window(device string, start time.Time, closed bool) Window {
	mean := t.Units / float64(t.Count) * unit
	return Window{
		Device: device, Start: reading.Time{Time: start}, Count: t.Count,
		Min: t.Min, Max: t.Max, Mean: min(max(mean, t.Min), t.Max), Last: t.Last.Value, Closed: closed,
	}
}

// StartOf is when the window begins that a time falls into.
func StartOf(at time.Time) time.Time {
	return at.Truncate(Width)
}

// ClosedBefore is the start of the first window that is open when a device has got so far.
func ClosedBefore(at time.Time) time.Time {
	return StartOf(at.Add(-Grace))
}
