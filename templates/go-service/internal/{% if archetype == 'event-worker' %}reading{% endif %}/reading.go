// Package reading knows what devices send: the types, the rules, and how a message holds them.
package reading

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"
)

const (
	// MaxBatch is how many readings one message can bring.
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

// Reading is one measurement.
type Reading struct {
	Device     string
	Epoch      int64 // Unix milliseconds at which the device began to count
	Sequence   int64
	MeasuredAt Time
	Value      float64
}

// Key tells readings apart.
type Key struct {
	Device          string
	Epoch, Sequence int64
}

// Key is what a reading is counted under, once.
func (r *Reading) Key() Key {
	return Key{r.Device, r.Epoch, r.Sequence}
}

// Compare orders readings of a device by time, then as the device has numbered them.
func (r *Reading) Compare(other *Reading) int {
	return cmp.Or(
		r.MeasuredAt.Compare(other.MeasuredAt.Time),
		cmp.Compare(r.Epoch, other.Epoch),
		cmp.Compare(r.Sequence, other.Sequence),
	)
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

// Time is in UTC and has whole milliseconds.
type Time struct {
	time.Time
}

// MarshalJSON writes all three digits of the milliseconds.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(t.Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

// ParseTime reads a time as RFC 3339 writes it, in UTC, with upper-case T and Z and without leap
// seconds. What is finer than a millisecond is cut off.
func ParseTime(text string) (t Time, ok bool) {
	// What time.Parse takes beyond that: hours of one digit, a comma, more than nine digits after it.
	if len(text) < len("2006-01-02T15:04:05Z") || len(text) > len("2006-01-02T15:04:05.123456789Z") ||
		text[len("2006-01-02T15")] != ':' || strings.Contains(text, ",") {
		return Time{}, false
	}
	at, err := time.Parse("2006-01-02T15:04:05Z", text)
	return Time{at.Truncate(time.Millisecond)}, err == nil
}
