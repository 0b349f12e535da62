// Package peer is what all contenders answer: one device, and a batch that is stored.
package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"example.com/telemetry/internal/reading"
)

// Batch is the body of POST /v1/readings, as frameworks bind it.
type Batch struct {
	Readings []struct {
		Device     string    `json:"device"`
		Epoch      int64     `json:"epoch"`
		Sequence   int64     `json:"sequence"`
		MeasuredAt time.Time `json:"measured_at"`
		Value      float64   `json:"value"`
	} `json:"readings"`
}

// Stored is the answer to a batch.
type Stored struct {
	Accepted   int `json:"accepted"`
	Duplicates int `json:"duplicates"`
}

// Service is the emitted project's own.
type Service struct{ reading.Service }

// maxReadings is what the emitted project holds unless it is told otherwise.
const maxReadings = 1_000_000

// New keeps readings in the emitted project's store in memory.
func New() Service { return Service{reading.Service{Store: reading.NewMemory(maxReadings)}} }

// Add validates a batch and stores it.
func (s Service) Add(ctx context.Context, in Batch) (Stored, error) {
	batch := make([]reading.Reading, len(in.Readings))
	var broken error
	for i, r := range in.Readings {
		at := reading.Time{Time: r.MeasuredAt.UTC().Truncate(time.Millisecond)}
		batch[i] = reading.Reading{Device: r.Device, Epoch: r.Epoch, Sequence: r.Sequence, MeasuredAt: at, Value: r.Value}
		batch[i].Validate(func(member, detail string) { broken = fmt.Errorf("%s %s", member, detail) })
	}
	if broken != nil {
		return Stored{}, broken
	}
	accepted, err := s.Insert(ctx, batch)
	return Stored{accepted, len(batch) - accepted}, err
}

// AddReadings is Add for contenders whose handlers are those of net/http.
func (s Service) AddReadings(w http.ResponseWriter, r *http.Request) {
	var batch Batch
	if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	stored, err := s.Add(r.Context(), batch)
	Answer(w, stored, err, http.StatusUnprocessableEntity)
}

// Answer writes a value, or an error with a status.
func Answer(w http.ResponseWriter, value any, err error, status int) {
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
