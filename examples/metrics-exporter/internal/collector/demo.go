package collector

import (
	"context"
	"iter"
	"time"
)

// Demo is a source that needs no server: devices that have sent readings since the process started.
type Demo struct {
	start time.Time
}

// NewDemo makes devices that begin to send now.
func NewDemo() Demo {
	return Demo{time.Now()}
}

// Devices are three, each with a pace of its own.
func (d Demo) Devices(context.Context) iter.Seq2[Device, error] {
	return func(yield func(Device, error) bool) {
		for i, period := range []time.Duration{time.Second, 5 * time.Second, 30 * time.Second} {
			gone := time.Since(d.start).Truncate(period)
			device := Device{"demo-" + string(rune('a'+i)), d.start.Add(gone), uint64(gone / period)} //nolint:gosec // never negative
			if !yield(device, nil) {
				return
			}
		}
	}
}
