package reading

import (
	"strings"
	"time"
)

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
