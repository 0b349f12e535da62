// Package reading takes the readings of devices and tells what they were.
package reading

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

const (
	// MaxBatch is how many readings one request can bring, and one page can hold.
	MaxBatch = 1000
	// MaxEpoch is as far as every implementation of JSON keeps integers exact.
	MaxEpoch = 1 << 53
	// MaxSequence is as far as devices count.
	MaxSequence = math.MaxUint32

	minYear    = 2000
	maxYear    = 2100
	maxDevice  = 32
	deviceRule = "must be 1 to 32 of a-z, 0-9 and -, and not begin with -"
)

var (
	// ErrNotFound says that no reading of a device is stored.
	ErrNotFound = errors.New("device not found")
	// ErrFull says that a store can't take more.
	ErrFull = errors.New("store is full")
)

// ConflictError says which readings of a batch have the key of one that is stored, or that comes
// before them in the batch, but another value or time.
type ConflictError struct {
	Indexes []int
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%d readings contradict others", len(e.Indexes))
}

// Reading is one measurement.
type Reading struct {
	Device     string  `json:"device"`
	Epoch      int64   `json:"epoch"` // Unix milliseconds at which the device began to count
	Sequence   int64   `json:"sequence"`
	MeasuredAt Time    `json:"measured_at"`
	Value      float64 `json:"value"`
}

// Key tells readings apart.
type Key struct {
	Device          string
	Epoch, Sequence int64
}

// Compare orders keys by device, epoch and sequence.
func (k Key) Compare(other Key) int {
	return cmp.Or(
		strings.Compare(k.Device, other.Device),
		cmp.Compare(k.Epoch, other.Epoch),
		cmp.Compare(k.Sequence, other.Sequence),
	)
}

// Key is what the reading is stored under.
func (r *Reading) Key() Key {
	return Key{r.Device, r.Epoch, r.Sequence}
}

// Contradicts reports whether a reading of the same key says something else.
func (r *Reading) Contradicts(other Reading) bool {
	return r.Value != other.Value || !r.MeasuredAt.Equal(other.MeasuredAt.Time)
}

// Summary is what the list of devices says of each.
type Summary struct {
	Device   string `json:"device"`
	LastSeen Time   `json:"last_seen"`
	Readings int    `json:"readings"`
}

// Device is all that is said of one device.
type Device struct {
	Summary
	FirstSeen Time  `json:"first_seen"`
	Epoch     int64 `json:"epoch"`   // the latest
	Missing   int64 `json:"missing"` // numbers below its highest that are not stored
}

// Time is in UTC and has whole milliseconds.
type Time struct {
	time.Time
}

// Compare orders readings by time, then by key.
func (r *Reading) Compare(other *Reading) int {
	return cmp.Or(r.MeasuredAt.Compare(other.MeasuredAt.Time), r.Key().Compare(other.Key()))
}

// Validate reports each member that breaks a rule.
func (r *Reading) Validate(report func(member, detail string)) {
	if !ValidDevice(r.Device) {
		report("device", deviceRule)
	}
	if r.Epoch < 1 || r.Epoch > MaxEpoch {
		report("epoch", fmt.Sprintf("must be from 1 to %d", int64(MaxEpoch)))
	}
	if r.Sequence < 1 || r.Sequence > MaxSequence {
		report("sequence", fmt.Sprintf("must be from 1 to %d", int64(MaxSequence)))
	}
	if year := r.MeasuredAt.Year(); year < minYear || year > maxYear {
		report("measured_at", fmt.Sprintf("must be in the years %d to %d", minYear, maxYear))
	}
	if math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
		report("value", "must be finite")
	}
}

// ValidDevice reports whether a device can have this name.
func ValidDevice(name string) bool {
	return name != "" && len(name) <= maxDevice && name[0] != '-' &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
